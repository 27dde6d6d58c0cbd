"""Two branches that both ran the workflow are merged by the steps of the guide."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes.tracking.staleness import stale
from tests.support import project
from tests.support.guide import GUIDE, block
from tests.support.project import Clone, ran

THEIRS = "git checkout MERGE_HEAD -- dvc.lock metrics && dvc pull"


def steps() -> list[str]:
    return [line.partition("#")[0].strip() for line in block("merge").splitlines()]


def run(clone: Clone, step: str) -> str:
    """Run the commands of a line, the latter only if the former succeeds, and return what they print."""
    output = ""
    for command in step.split(" && "):
        program, *arguments = shlex.split(command)
        output += clone.dvc(*arguments) if program == "dvc" else clone.run(program, *arguments).stdout
    return output


def branch(clone: Clone, name: str, **values: str) -> set[str]:
    """Make a branch of main on which parameters were changed and run, and return the stages that ran."""
    clone.git("switch", "-q", "-c", name, "origin/main")
    clone.dvc("checkout")
    clone.set(**values)
    stages = set(ran(clone.dvc("repro")))
    clone.git("commit", "-qam", f"Try {values}")
    return stages


def merge(clone: Clone, into: str, other: str, name: str, *, theirs: bool = False) -> set[str]:
    """Merge in a new branch by the steps of the guide, word for word, and return the stages that ran."""
    clone.git("switch", "-q", "-c", name, into)
    clone.dvc("checkout")
    start, choose, *rest = steps()
    assert start == "git merge origin/main"
    assert clone.run("git", "merge", other, check=False).returncode == 1
    assert "dvc.lock" in clone.git("diff", "--name-only", "--diff-filter=U").split()
    assert "<<<<<<<" not in clone.text("dvc.lock") + clone.text("metrics/baseline.json")
    if theirs:
        assert THEIRS in GUIDE
        choose = THEIRS
    output = "".join(run(clone, step) for step in [choose, *rest])
    assert clone.git("status", "--porcelain") == ""
    assert stale(clone.path) == {}
    return set(ran(output))


def same(clone: Clone, revision: str, other: str) -> bool:
    return clone.git("diff", revision, other, "--", "dvc.lock", "metrics", "params.yaml") == ""


def test_a_merge_of_two_runs_stops_and_is_resolved_by_the_steps_of_the_guide(
    make_pulled: Callable[[str], Clone], tmp_path: Path
) -> None:
    clone = make_pulled("fusão")
    clone.configure(project.remote(tmp_path / "remoto"))
    # changes that stand lines apart in dvc.lock, of which the first leaves the result as it was: git would merge them
    assert branch(clone, "iterações", **{"baseline.max_iterations": "900"}) == {"check", "baseline", "crossval"}
    assert branch(clone, "palavras", **{"baseline.ngrams": "1"}) == {"check", "baseline", "evaluate", "crossval"}
    assert merge(clone, "palavras", "iterações", "fusão") == {"check", "baseline", "crossval"}
    values = YAML(typ="safe", pure=True).load(clone.text("dvc.lock"))["stages"]["baseline"]["params"]["params.yaml"]
    assert (values["baseline"]["max_iterations"], values["baseline"]["ngrams"]) == (900, 1)


@pytest.mark.slow
def test_a_merge_gives_what_one_run_of_both_changes_gives_whichever_side_is_taken(
    make_pulled: Callable[[str], Clone], tmp_path: Path
) -> None:
    theirs, ours = {"train.learning_rate": "0.0005"}, {"baseline.ngrams": "1"}
    clone = make_pulled("fusão")
    clone.configure(project.remote(tmp_path / "remoto"))
    assert branch(clone, "devagar", **theirs) == {"check", "train", "evaluate", "crossval"}
    clone.dvc("push")
    assert branch(clone, "palavras", **ours) == {"check", "baseline", "evaluate", "crossval"}
    # the training is in the run cache, and from here on the check of these parameters
    assert branch(clone, "ambas", **theirs, **ours) == {"check", "baseline", "evaluate", "crossval"}
    assert merge(clone, "palavras", "devagar", "nossa") == {"evaluate", "crossval"}
    assert same(clone, "nossa", "ambas")
    assert merge(clone, "palavras", "devagar", "deles", theirs=True) == {"baseline", "evaluate", "crossval"}
    assert same(clone, "deles", "ambas")
