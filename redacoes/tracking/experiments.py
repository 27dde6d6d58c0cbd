"""List DVC's experiments with their changed parameters and main metrics, short enough for a screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redacoes.errors import UserError
from redacoes.layout import HEADLINE, PARAMS

DONE = "success"
WORKSPACE = "workspace"  # as DVC names it


@dataclass(frozen=True)
class Experiment:
    """An experiment, a commit from which experiments begin, or the workspace.

    Attributes:
        name: Of the experiment; of a commit, the branch or tag that it is, or the beginning of its hash.
        commit: Its hash; None for the workspace and for what has not run.
        base: The name of the commit that it is compared with; None for such a commit itself.
        changed: The parameters that differ from those of `base`, by their whole names; None for one that is not there.
        state: success, queued, running or failed; unreadable where its parameters cannot be read.
        headline: As `comparison.headline` gave it; empty where there are no figures.
    """

    name: str
    commit: str | None
    base: str | None
    changed: Mapping[str, Any]
    state: str
    headline: Mapping[str, Any]


def found(root: Path, revisions: Sequence[str] = (), everywhere: bool = False) -> list[Experiment]:
    """Return the workspace, and each of some commits followed by the experiments that began from it.

    Args:
        root: The project's folder.
        revisions: Branches, tags or commits; HEAD where there are none.
        everywhere: Whether every commit from which an experiment began is meant as well.

    Raises:
        UserError: `root` is not a DVC project, has no commit, or has no such revision.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import RevError, SCMError

    try:
        with Repo.open(str(root)) as repo:
            asked = list(revisions) or ["HEAD"]
            others = repo.experiments.ls(all_commits=True) if everywhere else ()
            states = repo.experiments.show(revs=[*asked, *others])
    except NotDvcRepoError as error:
        raise UserError(f"{root} is not the project's folder, which holds .dvc; run this from there") from error
    except (RevError, SCMError, DvcException) as error:
        raise UserError(f"{' '.join(str(error).split())}; see git branch -a") from error
    if not states:
        raise UserError("there is no commit from which an experiment could begin; git commit makes one")
    return listed(states)


def listed(states: Sequence[Any]) -> list[Experiment]:
    """Return the rows of :func:`found` from DVC's states of the workspace and of commits."""
    workspace, *bases = states
    rows = [_experiment(workspace, WORKSPACE, bases[0])]
    for base in bases:
        rows.append(_experiment(base, _name(base)))
        for run in base.experiments or []:
            tip = run.revs[0]  # the others are checkpoints of former versions of DVC
            rows.append(_experiment(tip, run.name or tip.name or tip.rev[:7], base, run.executor))
    return rows


def _name(commit: Any) -> str:
    name: str = commit.name or commit.rev[:7]
    return name


def _experiment(state: Any, name: str, base: Any = None, executor: Any = None) -> Experiment:
    mine, its = _parameters(state), _parameters(base or state)
    figures = state.data.metrics.get(HEADLINE, {}).get("data") if state.data else None
    return Experiment(
        name=name,
        commit=None if name == WORKSPACE else state.rev,
        base=_name(base) if base else None,
        changed=_changes(mine, its) if mine and its else {},
        state=executor.state if executor else DONE if mine and its else "unreadable",
        headline=figures if isinstance(figures, dict) else {},
    )


def _changes(mine: Mapping[str, Any], its: Mapping[str, Any]) -> dict[str, Any]:
    return {key: mine.get(key) for key in {**its, **mine} if mine.get(key) != its.get(key)}


def _parameters(state: Any) -> dict[str, Any]:
    """Return all parameters by their whole names, those of another file than params.yaml behind its name.

    Nothing where one of the files cannot be read.
    """
    from dvc.utils.flatten import flatten

    found: dict[str, Any] = {}
    for file, read in state.data.params.items() if state.data else ():
        if not isinstance(read.get("data"), dict):
            return {}
        prefix = "" if file == PARAMS else f"{file}:"
        found |= {f"{prefix}{key}": value for key, value in flatten(read["data"]).items()}
    return found
