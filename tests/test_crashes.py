"""Runs that are killed: nothing half written, no orphans, and the same bytes in the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import psutil
import pytest

from tests.conftest import Clone

SECONDS = 240  # within which whatever is waited for happens


@contextmanager
def running(clone: Clone, *command: str) -> Iterator[subprocess.Popen]:
    """A command in a process group of its own, as a terminal gives it; what is left of the group is ended."""
    log = (clone.path / ".git" / "log").open("wb")
    with (
        log,
        subprocess.Popen(
            command, cwd=clone.path, env=clone.environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            for left in group(process.pid):
                left.kill()
            process.kill()


def group(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def stage_of(leader: int, name: str = "") -> psutil.Process | None:
    """The process of a stage in the group, if one runs."""
    for process in group(leader):
        try:
            if process.cmdline()[1:2] == ["-m"] and f"stages.{name}" in process.cmdline()[2]:
                return process
        except (psutil.NoSuchProcess, IndexError):
            continue
    return None


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


def printed(clone: Clone) -> str:
    return (clone.path / ".git" / "log").read_text(encoding="utf-8", errors="replace")


def no_orphan(leader: int) -> None:
    wait(lambda: not stage_of(leader))


@pytest.fixture
def longer(make_clone: Callable[[str], Clone], origin: Clone) -> Clone:
    """A clone in which only training, of twenty epochs, is to be done."""
    clone = make_clone("longo")
    clone.take(origin)
    clone.set(**{"train.epochs": "20", "train.keep": "last"})
    return clone


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(longer: Clone) -> None:
    with running(longer, "dvc", "repro", "train") as process:
        wait(lambda: list(longer.path.glob(".work/train/*/000003")))
        process.kill()  # DVC alone: what it started must not go on
        no_orphan(process.pid)
    assert not (longer.path / "models/scorer").exists()
    resumed = longer.run("dvc", "repro", "train")
    assert "going on after epoch" in resumed.stderr
    curves = longer.text("metrics/train/plots/metrics/eval/loss.tsv")
    assert len(curves.splitlines()) == 1 + 20
    lock = longer.text("dvc.lock")
    assert not list(longer.path.glob(".work/*"))
    undisturbed = longer.run("dvc", "repro", "--force", "--single-item", "train")
    assert "going on" not in undisturbed.stderr
    assert longer.text("dvc.lock") == lock
    assert longer.text("metrics/train/plots/metrics/eval/loss.tsv") == curves


def test_progress_of_other_parameters_is_discarded(longer: Clone) -> None:
    with running(longer, "dvc", "repro", "train") as process:
        wait(lambda: list(longer.path.glob(".work/train/*/000002")))
        stage = stage_of(process.pid, "train")
        assert stage
        stage.kill()  # the stage alone: DVC says that it failed
        assert process.wait() != 0
    assert "failed to reproduce 'train'" in printed(longer)
    longer.set(**{"train.learning_rate": "2e-3"})
    done = longer.run("dvc", "repro", "train")
    assert "discarding the progress of a stopped run" in done.stderr
    assert "going on" not in done.stderr


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
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc to find the stages by")
def test_kills_at_any_moment_change_nothing(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("mortes")
    random = Random(20)
    begun = set()
    for number in range(10):
        with running(clone, "dvc", "repro") as process:
            deadline = time.monotonic() + random.uniform(2, 25)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
                if stage := stage_of(process.pid):
                    begun.add(stage.cmdline()[2] if stage.is_running() else "")
            stage = stage_of(process.pid)
            kind = ("dvc", "stage", "group")[number % 3]
            if kind == "dvc" or not stage:
                process.kill()
            elif kind == "stage":
                stage.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            no_orphan(process.pid)
    clone.dvc("repro")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")
    assert clone.git("status", "--porcelain") == ""
    assert not list(clone.path.glob(".work/*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "whom"),
    [
        ("sample", "dvc"),
        ("prepare", "group"),
        ("checkpoint", "dvc"),
        ("tokenize", "group"),
        ("train", "group"),
        ("evaluate", "dvc"),
        ("baseline", "group"),
    ],
)
def test_a_kill_during_each_stage_changes_nothing(
    origin: Clone, make_clone: Callable[[str], Clone], stage: str, whom: str
) -> None:
    clone = make_clone("morte")
    clone.take(origin)
    with running(clone, "dvc", "repro", "--force", "--single-item", stage) as process:
        wait(lambda: stage_of(process.pid, stage))
        time.sleep(0.5)
        process.kill() if whom == "dvc" else os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        no_orphan(process.pid)
    clone.dvc("repro")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")
    assert clone.git("status", "--porcelain") == ""
