"""The files that are published, and the checks before: a commit and `dvc.lock` must reproduce them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from subprocess import run
from typing import Any

from redacoes.errors import UserError, first_line
from redacoes.files import WORK, read_object, whole
from redacoes.inference import metadata
from redacoes.inference.metadata import DECISION
from redacoes.layout import BASELINE, DATA, SCORER, SURFACE, ZERO_SHOT
from redacoes.learning.checkpoint import load_config
from redacoes.release import card
from redacoes.tracking.integrity import verify
from redacoes.tracking.provenance import describe, problems
from redacoes.tracking.revisions import WORKSPACE, Revision
from redacoes.tracking.staleness import stale

DRAFT = WORK / "publish"  # where a dry run writes unless told otherwise

Files = Mapping[str, Path | bytes]  # what is sent, by its name in the repository


def require_publishable(root: Path) -> None:
    """Raise UserError, with the command that helps, unless HEAD records all that made this model and its metrics.

    Args:
        root: The project's folder.
    """
    _require_clean(root)
    if found := problems(root):
        raise UserError(found[0])
    lock = Revision(WORKSPACE, root).lock
    _require_own_metrics(lock)
    _require_intact(root, lock)
    for stage, reasons in stale(root).items():
        raise UserError(
            f"dvc.lock records no run of {stage} as code, parameters and data are now ({reasons[0]}): run `dvc repro`, "
            "and commit dvc.lock and metrics/"
        )


def _require_clean(root: Path) -> None:
    shown = run(
        ["git", "-c", "core.quotepath=false", "status", "--porcelain", "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise UserError(f"git does not know {root} ({first_line(UserError(shown.stderr))}); run this from the project")
    if changed := [line[3:] for line in shown.stdout.splitlines()]:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UserError(
            f"{', '.join(changed[:3])}{more} in the workspace, and not in a commit, from which the model must be made "
            "again: commit (`git add --all && git commit`), or `git stash --include-untracked`"
        )


def _require_own_metrics(lock: Mapping[str, Any]) -> None:
    made, measured = (
        next((entry["md5"] for entry in lock.get(stage, {}).get(side, []) if entry["path"] == SCORER.as_posix()), None)
        for stage, side in (("train", "outs"), ("evaluate", "deps"))
    )
    if made != measured:
        raise UserError(
            f"metrics/evaluation.json is of another model (md5 {measured} in dvc.lock) than {SCORER} (md5 {made}): run "
            "`dvc repro`, and commit dvc.lock and metrics/"
        )


def _require_intact(root: Path, lock: Mapping[str, Any]) -> None:
    """Check every byte of the scorer, the decision rule and the metrics against dvc.lock."""
    outs = [out["path"] for stage in lock.values() for out in stage.get("outs", [])]
    needed = [
        path
        for path in outs
        if path in (SCORER.as_posix(), SURFACE.as_posix(), f"models/{DECISION}") or re.match(r"metrics/.*\.json$", path)
    ]
    for finding in verify(root, progress=False, only=needed).findings:
        if finding.is_error or not (root / finding.output).exists():
            raise UserError(f"{finding.what}: run `{finding.remedy or 'redacoes verify'}`")


def collect(root: Path, repository: str, branch: str) -> Files:
    """Return the files to send: weights, tokenizer, configuration with the decision rule, the rule, and the card.

    Args:
        root: The project's folder, which :func:`require_publishable` has checked.
        repository: The repository on the Hub, ``owner/name``.
        branch: The branch to publish to, which the card's code names.
    """
    head = Revision("HEAD", root)
    scorer = root / SCORER
    files: dict[str, Path | bytes] = {path.name: path for path in sorted(scorer.iterdir())}
    load_config(scorer)  # refuses a configuration that asks for code
    decision, made_by = metadata.load_decision(scorer), metadata.of_revision(head)
    files |= {path.name: path for path in metadata.text_files(scorer, decision)}
    config = metadata.portable_config(read_object(scorer / "config.json"), decision, made_by)
    found = {**head.yaml(BASELINE), **head.yaml(ZERO_SHOT)}
    baselines = {name: of["test"] for name, of in found.items() if of != "off"}
    scores = head.yaml(DATA)["scores"]
    page = card.write(
        card.Run(repository, branch, describe(head), scores, baselines, decision, made_by),
    )
    files |= {"config.json": _json(config), DECISION: _json(decision.to_dict()), "README.md": page.encode()}
    return files


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()


def size(source: Path | bytes) -> int:
    """Return the size of a file to send, in bytes."""
    return source.stat().st_size if isinstance(source, Path) else len(source)


def write(files: Files, folder: Path) -> None:
    """Write the files of a dry run into `folder`, whole or not at all.

    Raises:
        UserError: `folder` exists, is not an empty folder, and is not the default folder of dry runs.
    """
    if folder != DRAFT and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists, and nothing in it is replaced: name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole(folder) as draft:
        draft.mkdir()
        for name, source in files.items():
            (draft / name).write_bytes(source.read_bytes() if isinstance(source, Path) else source)
