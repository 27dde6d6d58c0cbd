"""Outputs appear whole or not at all, and what killed processes have left is removed."""

import os
from pathlib import Path

import pytest

from redacoes.files import WORK, staged


def test_drafts_of_dead_processes_are_swept_and_those_of_living_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dead, reused, living = WORK / "4194305-a", WORK / f"{os.getpid()}-b", WORK / f"{os.getpid()}-c"
    for draft in (dead, reused, living):
        draft.mkdir(parents=True)
    os.utime(reused, (0, 0))  # from before this process began, so of another that had its id
    with staged("output.txt") as [path]:
        path.write_text("whole")
    assert [left.name for left in WORK.iterdir()] == [living.name]
    assert Path("output.txt").read_text() == "whole"


def test_a_draft_of_a_process_that_nobody_has_waited_for_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where process 1 of a container reaps no orphans, a killed stage stays in the table of processes for ever."""
    monkeypatch.chdir(tmp_path)
    child = os.fork()
    if not child:
        os._exit(0)
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and is not waited for
        draft = WORK / f"{child}-a"
        draft.mkdir(parents=True)
        with staged("output.txt") as [path]:
            path.write_text("whole")
        assert not draft.exists()
    finally:
        os.waitpid(child, 0)
