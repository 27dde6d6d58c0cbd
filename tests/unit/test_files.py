"""Outputs appear whole or not at all, and what killed processes have left is removed."""

import os
from pathlib import Path

import pytest

from redacoes.files import WORK, staged, whole, write_whole


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


def test_a_file_or_folder_anywhere_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder, file = tmp_path / "pasta [1]", tmp_path / "nota-1.txt"
    dead, foreign = tmp_path / f".{folder.name}-4194305-a", tmp_path / f".{folder.name}-8bit-a"
    for path in (folder, dead, foreign):
        path.mkdir()
    (folder / "old").write_text("old")
    write_whole(file, "old")

    def fail() -> None:
        with whole(folder) as draft:
            draft.mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert {path.name for path in tmp_path.iterdir()} == {
        folder.name,
        file.name,
        foreign.name,
    }  # the dead one's is gone
    assert [path.name for path in folder.iterdir()] == ["old"]
    with whole(folder) as draft:
        draft.mkdir()
        (draft / "new").write_text("new")
    write_whole(file, "new")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert file.read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {folder.name, file.name, foreign.name}
