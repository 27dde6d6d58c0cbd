"""Runs that are killed: nothing half written, no orphans, and the same bytes in the end."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.processes import no_orphan, printed, running, stage_of, wait
from tests.support.project import Clone, Folder


@pytest.fixture
def longer(make_pulled: Callable[[str], Clone]) -> Clone:
    """A clone in which only training, of twenty epochs, is to be done."""
    clone = make_pulled("longo")
    clone.set(**{"train.epochs": "20", "train.keep": "last"})
    return clone


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(longer: Clone) -> None:
    with running(longer, "dvc", "repro", "train") as process:
        wait(lambda: list(longer.path.glob(".work/train/*/epochs/000003")))
        process.kill()  # DVC alone: what it started must not go on
        no_orphan(process.pid)
    assert not (longer.path / "models/scorer").exists()
    resumed = longer.try_dvc("repro", "train")
    assert "going on after epoch" in resumed.stderr
    curves = longer.text("metrics/train/plots/metrics/eval/loss.tsv")
    assert len(curves.splitlines()) == 1 + 20
    lock = longer.text("dvc.lock")
    assert not list(longer.path.glob(".work/*"))
    undisturbed = longer.try_dvc("repro", "--force", "--single-item", "train")
    assert "going on" not in undisturbed.stderr
    assert longer.text("dvc.lock") == lock
    assert longer.text("metrics/train/plots/metrics/eval/loss.tsv") == curves


def test_ctrl_c_is_one_line_and_leaves_nothing_behind(longer: Clone) -> None:
    longer.set(**{"train.epochs": "500"})  # however busy the machine is, it does not end first
    with running(longer, "dvc", "repro", "train") as process:
        wait(lambda: "Epoch 2/500" in printed(longer))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait() != 0
        no_orphan(process.pid)
    said = printed(longer)
    assert "interrupted; nothing was written" in said
    assert "failed to reproduce 'train'" in said  # with which status is up to the shell between DVC and the stage
    assert "Traceback" not in said
    assert not (longer.path / "models/scorer").exists()
    assert [path.name for path in longer.path.glob(".work/*")] == ["train"]  # what training goes on from


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "whom"),
    [
        ("sample", "dvc"),
        ("prepare", "stage"),
        ("checkpoint", "group"),
        ("tokenize", "dvc"),
        ("train", "group"),
        ("evaluate", "dvc"),
        ("baseline", "stage"),
    ],
)
def test_a_kill_before_outputs_take_their_place_changes_nothing(
    origin: Folder, make_pulled: Callable[[str], Clone], tmp_path: Path, stage: str, whom: str
) -> None:
    """At the worst moment: all has been written, and nothing is in its place."""
    clone = make_pulled("morte")
    undisturbed = dict(clone.environment)
    reached = tmp_path / "reached"
    clone.environment |= {"PYTHONPATH": str(ROOT / "tests" / "support" / "halt"), "HALT": str(reached)}
    with running(clone, "dvc", "repro", "--force", "--single-item", stage) as process:
        wait(reached.exists)
        halted = stage_of(process.pid, stage)
        assert halted
        if whom == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            (process if whom == "dvc" else halted).kill()
        assert process.wait() != 0
        no_orphan(process.pid)
    clone.environment = undisturbed
    clone.dvc("repro")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")
    assert clone.git("status", "--porcelain") == ""
