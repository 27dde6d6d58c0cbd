"""Experiments as a team runs them: a queue with two workers, and an experiment that reaches a colleague."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.project import UP_TO_DATE, Clone, Folder

pytestmark = pytest.mark.slow


def stages(lock: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(lock)["stages"]


def test_a_queue_with_two_workers_and_an_experiment_for_a_colleague(
    origin: Folder, make_pulled: Callable[[str], Clone], tmp_path: Path
) -> None:
    clone = make_pulled("fila")
    clone.git("remote", "remove", "origin")  # an accent in a remote's URL hangs DVC's queue
    clone.git("init", "-q", "--bare", str(tmp_path / "time.git"))
    clone.git("remote", "add", "time", str(tmp_path / "time.git"))
    clone.dvc("remote", "add", "--default", "cache", str(tmp_path / "remoto"))
    shutil.rmtree(clone.path / ".dvc/cache/runs")  # so that what the origin has trained is trained again
    recorded = stages(clone.text("dvc.lock"))
    with (clone.path / "dvc.lock").open("w", encoding="utf-8") as file:
        kept = {name: run for name, run in recorded.items() if name not in ("train", "evaluate")}
        YAML(typ="safe", pure=True).dump({"schema": "2.0", "stages": kept}, file)
    clone.git("commit", "-qam", "Name the remote, and forget the training")
    clone.git("push", "-q", "time", "main")

    clone.dvc("exp", "run", "--queue", "-S", "train.learning_rate=1e-3,1e-2")
    clone.run("dvc", "exp", "run", "--run-all", "--jobs", "2")
    shown = list(csv.DictReader(clone.dvc("exp", "show", "--csv", "--sort-by", "test.mae").splitlines()))
    made = [row for row in shown if row["Experiment"]]
    assert sorted(float(row["train.learning_rate"]) for row in made) == [1e-3, 1e-2]
    errors = [float(row["test.mae"]) for row in made]
    assert errors == sorted(errors)

    best = made[0]["Experiment"]
    clone.dvc("exp", "apply", best)
    assert float(made[0]["train.learning_rate"]) == float(
        clone.text("params.yaml").split("\n  learning_rate: ")[1].split()[0]
    )
    lock = clone.text("dvc.lock")
    clone.git("reset", "-q", "--hard")
    for row in made:
        clone.dvc("exp", "branch", row["Experiment"], f"taxa-{float(row['train.learning_rate'])}")
    assert clone.git("show", f"taxa-{float(made[0]['train.learning_rate'])}:dvc.lock") == lock
    # what the queue computed is what the workspace computes
    assert stages(clone.git("show", "taxa-0.001:dvc.lock")) == recorded
    assert clone.git("show", "taxa-0.001:metrics/evaluation.json") == origin.text("metrics/evaluation.json")

    clone.dvc("exp", "push", "time", best)
    colleague = Clone(tmp_path / "colega", tmp_path / "time.git")
    colleague.git("checkout", "-q", "main")
    assert best in colleague.dvc("exp", "list", "origin")
    colleague.dvc("exp", "pull", "origin", best)
    colleague.dvc("exp", "apply", best)
    assert colleague.text("dvc.lock") == lock
    assert UP_TO_DATE in colleague.dvc("repro")
