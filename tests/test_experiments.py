"""Experiments as a team runs them: a queue with two workers, and an experiment that reaches a colleague."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Clone

pytestmark = pytest.mark.slow


def test_a_queue_with_two_workers_and_an_experiment_for_a_colleague(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    clone = make_clone("fila")
    clone.take(origin)
    clone.git("remote", "remove", "origin")  # an accent in a remote's URL hangs DVC's queue
    clone.git("init", "-q", "--bare", str(tmp_path / "time.git"))
    clone.git("remote", "add", "time", str(tmp_path / "time.git"))
    clone.dvc("remote", "add", "--default", "cache", str(tmp_path / "remoto"))
    clone.git("commit", "-qam", "Name the remote")
    clone.git("push", "-q", "time", "main")

    clone.dvc("exp", "run", "--queue", "-S", "train.learning_rate=1e-4,1e-2")
    clone.dvc("exp", "run", "--run-all", "--jobs", "2")
    shown = list(csv.DictReader(clone.dvc("exp", "show", "--csv", "--sort-by", "test.mae").splitlines()))
    made = [row for row in shown if row["Experiment"]]
    assert sorted(float(row["train.learning_rate"]) for row in made) == [1e-4, 1e-2]
    [column] = [name for name in shown[0] if name.endswith("evaluation.json:test.mae") or name == "test.mae"]
    errors = [float(row[column]) for row in made]
    assert errors == sorted(errors)

    best = made[0]["Experiment"]
    clone.dvc("exp", "apply", best)
    assert float(made[0]["train.learning_rate"]) == float(
        clone.text("params.yaml").split("learning_rate: ")[1].split()[0]
    )
    lock = clone.text("dvc.lock")
    clone.git("reset", "-q", "--hard")
    clone.dvc("exp", "branch", best, "melhor")
    assert clone.git("show", "melhor:dvc.lock") == lock

    clone.dvc("exp", "push", "time", best)
    colleague = Clone(tmp_path / "colega", tmp_path / "time.git")
    colleague.git("checkout", "-q", "main")
    assert best in colleague.dvc("exp", "list", "origin")
    colleague.dvc("exp", "pull", "origin", best)
    colleague.dvc("exp", "apply", best)
    assert colleague.text("dvc.lock") == lock
    assert "up to date" in colleague.dvc("repro")

    # what the queue computed is what the workspace computes
    colleague.dvc("repro", "--force", "--single-item", "train")
    colleague.dvc("repro", "--force", "--single-item", "evaluate")
    assert colleague.text("dvc.lock") == lock
