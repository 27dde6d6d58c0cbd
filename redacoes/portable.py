"""What a model takes along when it leaves the project: its decision rule, and what is needed to make it again.

`models/scorer` itself holds neither, since the same data and parameters must give the same bytes in every commit. They
are written into the `config.json` of a folder that is published or exported, under one key of the project's own.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from subprocess import run
from typing import Any

from redacoes.errors import UserError, read_object
from redacoes.revisions import Revision
from redacoes.scoring import Decision

KEY = "redacoes"
DECISION = "decision.json"


def provenance(revision: Revision) -> dict[str, str]:
    """Return what is needed to make a revision's model again.

    Returns:
        ``commit`` (of HEAD for the workspace), ``splits_md5`` (of `data/splits`, as `dvc.lock` has it) and
        ``params_sha256`` (of the file `params.yaml`).

    Raises:
        UserError: The revision has no `params.yaml`, or its `dvc.lock` no run of `prepare`.
    """
    splits = revision.hash_of("prepare", "data/splits") if "prepare" in revision.lock else None
    if splits is None:
        raise UserError(f"dvc.lock of {revision.name} records no data/splits; run dvc repro")
    return {
        "commit": revision.commit or _head(revision.root),
        "splits_md5": splits,
        "params_sha256": sha256(revision.text("params.yaml").encode()).hexdigest(),
    }


def _head(root: Path) -> str:
    shown = run(["git", "rev-parse", "--verify", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise UserError(f"git has no commit here ({shown.stderr.strip()}); commit first")
    return shown.stdout.strip()


def portable_config(config: Mapping[str, Any], decision: Decision, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's configuration with a key ``redacoes``: what made it, and the rule from probabilities to a score.

    Args:
        config: What `config.json` of the model holds.
        decision: The rule, as `models/decision.json` has it.
        made_by: What :func:`provenance` returned, or nothing where it is not known.
    """
    return {**config, KEY: {**made_by, "decision": decision.to_dict()}}


def load_decision(folder: Path) -> Decision:
    """Return the decision rule of the model in `folder`.

    It stands in the folder where that was published or exported, and beside it in this project: `models/scorer` is
    evaluated by `models/decision.json`.

    Raises:
        UserError: There is none, or the file holds something else.
    """
    for path in (folder / DECISION, folder.parent / DECISION):
        if path.is_file():
            try:
                return Decision(**read_object(path))
            except TypeError as error:
                raise UserError(f"{path} is no decision rule ({error}); dvc repro evaluate writes one") from error
    raise UserError(f"{folder} has no {DECISION}, in it or beside it; `dvc repro` writes models/{DECISION}")
