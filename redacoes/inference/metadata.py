"""Metadata of a published or exported model: its decision rule, and what is needed to train it again.

`models/scorer` itself holds neither, since the same data and parameters must give the same bytes in every commit. They
are written into the `config.json` of a folder that is published or exported, under one key of the project's own.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from subprocess import run
from typing import Any, get_args

from redacoes.errors import MEND, UserError
from redacoes.evaluation.decision import Decision, Rule
from redacoes.evaluation.ordinal import ProportionalOdds
from redacoes.files import read_object
from redacoes.layout import PARAMS, SCORER, SPLITS, SURFACE
from redacoes.learning.text_regression import FILES, TextRegression
from redacoes.params import RENAMED, Tokenize
from redacoes.tracking.revisions import WORKSPACE, Folder, Revision
from redacoes.tracking.staleness import stale

KEY = "redacoes"
DECISION = "decision.json"  # in a model's folder, or beside it
SEEN = ("max_length", "truncation")  # of a long essay
SCALE = ("score_scale", "max_score")
CUTS = get_args(Tokenize.model_fields["truncation"].annotation)
ANEW = "correct it, or get the model anew"
LEGAL: dict[str, tuple[Callable[[Any], bool], str]] = {  # by name: whether a value is, and what it must be
    "max_length": (lambda value: type(value) is int and value >= 8, "a whole number from 8 on"),
    "truncation": (lambda value: value in CUTS, f"{', '.join(CUTS[:-1])} or {CUTS[-1]}"),
    "score_scale": (lambda value: type(value) in (int, float) and 0 < value < 1e300, "a number above 0"),
    "max_score": (lambda value: type(value) is int and value >= 1, "a whole number from 1 on"),
}


def of_revision(revision: Revision) -> dict[str, Any]:
    """Return what is needed to make a revision's model again, and to use it as it was tested.

    Returns:
        ``commit`` (of HEAD for the workspace), ``splits_md5`` (of `data/splits`, as `dvc.lock` has it),
        ``params_sha256`` (of the file `params.yaml`), ``tokenize`` (``max_length``, in tokens, and ``truncation``:
        what the model saw of a long essay) and ``scale`` (``score_scale`` and ``max_score``: the highest score in the
        file's points, and that which the model gives).

    Raises:
        UserError: The revision has no `params.yaml`, or its `dvc.lock` no run of `prepare`.
    """
    splits = revision.hash_of("prepare", SPLITS) if "prepare" in revision.lock else None
    if splits is None:
        raise UserError(f"dvc.lock of {revision.name} records no data/splits; run dvc repro")
    params = revision.yaml(PARAMS)
    return {
        "commit": revision.commit or _git(revision.root, "rev-parse", "--verify", "HEAD").strip(),
        "splits_md5": splits,
        "params_sha256": sha256(revision.text(PARAMS).encode()).hexdigest(),
        "tokenize": {name: params["tokenize"][name] for name in SEEN},
        "scale": {name: params["data"][name] for name in SCALE},
    }


def of_folder(folder: Path, root: Path) -> tuple[dict[str, Any], str]:
    """Return what made the model in `folder`, as far as it is certain.

    Args:
        folder: A model: `models/scorer`, or one that was published and says so itself.
        root: The project's folder.

    Returns:
        The result of :func:`of_revision`, or an empty mapping; and the reason if it is empty, else an empty string.
    """
    known = read_object(folder / "config.json").get(KEY)
    if isinstance(known, dict):
        return {name: value for name, value in known.items() if name != "decision"}, ""
    if folder.resolve() != (root / SCORER).resolve():
        return {}, f"{folder} is not {SCORER}, and its config.json does not say what made it"
    if reasons := stale(root):
        stage = next(iter(reasons))
        return {}, f"the workspace is not what dvc.lock records ({stage}: {reasons[stage][0]}); run dvc repro"
    if changed := _git(root, "status", "--porcelain", "--untracked-files=no").splitlines():
        return {}, f"git has changes that are not committed ({changed[0][3:]}); commit them first"
    return of_revision(Revision(WORKSPACE, root)), ""


def _git(root: Path, *arguments: str) -> str:
    done = run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"git {arguments[0]} failed ({done.stderr.strip()}); run this in the project's clone")
    return done.stdout


def portable_config(config: Mapping[str, Any], decision: Decision, made_by: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's configuration with a key ``redacoes``: what made it, and the rule from probabilities to a score.

    Args:
        config: What `config.json` of the model holds.
        decision: The rule, as `models/decision.json` has it.
        made_by: The result of :func:`of_revision`; empty if unknown.
    """
    return {**config, KEY: {**made_by, "decision": decision.to_dict()}}


def load_decision(folder: Path) -> Decision:
    """Return the decision rule of the model in `folder`.

    It stands in the folder of a model that was published or exported, and beside `models/scorer`.

    Raises:
        UserError: There is none, or the file holds something else.
    """
    for path in (folder / DECISION, folder / "config.json", folder.parent / DECISION):
        if path.is_file():
            values: Any = read_object(path) if path.name == DECISION else _own(folder).get("decision")
            if values is not None:
                return _decision(values, path)
    raise UserError(f"{folder} has no {DECISION}, in it or beside it; `dvc repro` writes models/{DECISION}")


def text_files(folder: Path, decision: Decision) -> list[Path]:
    """Return the files of the text regression that the rule of the model in `folder` needs: none but for ordinal.

    They stand in the folder of a model that was published or exported, and in `surface` beside `models/scorer`.

    Raises:
        UserError: One of them is not there.
    """
    if decision.odds is None:
        return []
    for place in (folder, folder.parent / SURFACE.name):
        if all((place / name).is_file() for name in FILES):
            return [place / name for name in FILES]
    raise UserError(
        f"{folder} decides by the rule ordinal, and has no {' and '.join(FILES)}, in it or in {SURFACE.name} beside "
        f"it; dvc repro writes {SURFACE}, and dvc pull fetches it"
    )


def load_text(folder: Path, decision: Decision) -> TextRegression | None:
    """Return the text regression that the rule of the model in `folder` needs: None but for ordinal.

    Raises:
        UserError: It is not there, or is damaged.
    """
    files = text_files(folder, decision)
    return TextRegression.load(files[0].parent) if files else None


def load_tokenize(folder: Path) -> dict[str, Any]:
    """Return what the model in `folder` saw of a long essay: ``max_length``, in tokens, and ``truncation``.

    It stands in the configuration of a model that was published or exported, and for `models/scorer` in `dvc.lock`,
    which says how it was made whatever `params.yaml` says now.

    Returns:
        The two, or nothing where neither file knows.

    Raises:
        UserError: One of the two is missing, or is not legal.
    """
    return _recorded(folder, "tokenize", ("tokenize", "tokenize"), SEEN)


def load_points(folder: Path) -> float | None:
    """Return how many points of the file that was learnt from one step of the model's score stands for.

    That is 100 where the file has 0 to 1000 and the model 0 to 10, 1 where both are the same, and None where it is not
    known. It stands where `load_tokenize` finds what it returns, and the same errors are raised.
    """
    found = _recorded(folder, "scale", ("prepare", "data"), SCALE)
    return found["score_scale"] / found["max_score"] if found else None


def _recorded(folder: Path, key: str, locked: tuple[str, str], names: Sequence[str]) -> dict[str, Any]:
    """Return what is known of a model by some names, or nothing: see `load_tokenize`.

    Args:
        folder: The model.
        key: Under which the configuration of a model that was published or exported has them.
        locked: The stage whose parameters `dvc.lock` has, and the section among them.
        names: Those to return.
    """
    values, path = _own(folder).get(key), f"{folder / 'config.json'}: {KEY}.{key}"
    project, (stage, section) = Folder(folder.absolute().parents[1]), locked
    if values is None and folder.absolute().parts[-2:] == SCORER.parts and project.holds("dvc.lock"):
        path = f"dvc.lock: {section}"
        values = project.lock.get(stage, {}).get("params", {}).get(PARAMS, {}).get(section)
    if values is None:
        return {}
    _require_object(values, path)
    for name in names:
        is_legal, wanted = LEGAL[name]
        if not is_legal(values.get(name)):
            found = f"is {values[name]!r}" if name in values else "is missing"
            raise UserError(f"{path}.{name} {found}, and must be {wanted}; {ANEW}")
    return {name: values[name] for name in names}


def _own(folder: Path) -> dict[str, Any]:
    """Return what the configuration of the model in `folder` has under `KEY`: nothing where it lacks the key."""
    path = folder / "config.json"
    values = read_object(path).get(KEY, {})
    _require_object(values, f"{path}: {KEY}")
    return dict(values)


def _require_object(values: Any, name: str) -> None:
    if not isinstance(values, dict):
        raise UserError(f"{name} is {values!r}, and must be an object; {ANEW}")


def _decision(values: Any, path: Path) -> Decision:
    try:
        odds = values.get("odds") if isinstance(values, dict) else None
        decision = Decision(
            RENAMED.get(f"decision.rule.{values['rule']}", values["rule"]),  # models of earlier versions have old names
            float(values["slope"]),
            float(values["intercept"]),
            odds and ProportionalOdds.from_dict(odds),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(f"{path} holds no decision rule; dvc repro evaluate writes models/{DECISION}") from error
    if decision.rule not in get_args(Rule):
        raise UserError(f"{path}: the rule {decision.rule!r} is not one of {', '.join(get_args(Rule))}")
    if (decision.rule == "ordinal") != (decision.odds is not None and len(decision.odds.weights) == 2):
        raise UserError(f"{path}: the rule ordinal, and no other, has odds with two weights; {MEND}")
    return decision
