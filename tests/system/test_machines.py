"""Machines that are in the way: full and read-only disks, caches elsewhere, poor locales, two runs at once."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.mounts import MOUNTS, mounted
from tests.support.project import UP_TO_DATE, Clone, Folder

pytestmark = pytest.mark.slow
CloneOf = Callable[[str], Clone]


@MOUNTS
def test_a_full_disk_is_said_and_mended_by_room(origin: Folder, pulled: Clone, tmp_path: Path) -> None:
    disk = tmp_path / "disco"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=60m", "tmpfs", at=disk):
        clone = pulled.copy(disk / "clone")
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert shutil.disk_usage(disk).free == 0
        for stage in (
            "sample",
            "prepare",
            "checkpoint",
            "tokenize",
            "train",
            "baseline",
            "evaluate",
            "crossval",
            "zero_shot",
        ):
            done = clone.run("python", "-m", f"stages.{stage}", check=False)
            assert done.returncode == 1, (stage, done.stderr)
            said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(said) == 1, (stage, done.stderr)
            assert "Traceback" not in done.stderr, (stage, done.stderr)
        assert clone.try_dvc("repro", "--force").returncode != 0
        filler.unlink()
        clone.dvc("repro")
        assert clone.text("dvc.lock") == origin.text("dvc.lock")
        assert clone.git("status", "--porcelain") == ""


@MOUNTS
def test_a_read_only_cache_serves_and_says_that_it_takes_nothing(
    origin: Folder, make_clone: CloneOf, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    clone = make_clone("leitora")
    with mounted("--bind", str(origin.path / ".dvc" / "cache"), at=cache):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(cache)], check=True)
        clone.configure(f"[cache]\n    dir = {cache}\n")
        clone.dvc("checkout")
        assert UP_TO_DATE in clone.dvc("repro")
        clone.set(**{"sample.seed": "9"})
        done = clone.try_dvc("repro", "sample")
        assert done.returncode != 0
        assert "Read-only file system" in done.stderr
    clone.configure("")
    clone.dvc("repro", "sample")


@MOUNTS
def test_the_same_commit_gives_the_same_bytes_with_other_folders_and_another_environment(
    origin: Folder, make_clone: CloneOf, tmp_path: Path
) -> None:
    """In processes of their own, and with a cache on another disk, a read-only home folder and no locale."""
    disk, home = tmp_path / "outro disco", tmp_path / "casa"
    disk.mkdir()
    home.mkdir()
    clone = make_clone("redações à mão")
    clone.configure(f"[cache]\n    dir = {disk / 'cache'}\n")
    clone.environment |= {"HOME": str(home), "LANG": "C", "LC_ALL": "C", "TZ": "America/Sao_Paulo"}
    clone.environment |= {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
    with (
        mounted("-t", "tmpfs", "-o", "size=60m", "tmpfs", at=disk),
        mounted("-t", "tmpfs", "-o", "ro", "tmpfs", at=home),
    ):
        shutil.copytree(origin.path / ".dvc" / "cache", disk / "cache")
        clone.run("dvc", "checkout")
        clone.run("dvc", "repro", "--force")  # every stage, over the outputs of a run before
        assert clone.text("dvc.lock") == origin.text("dvc.lock")
        assert clone.git("status", "--porcelain") == ""


def test_two_runs_at_once_in_one_clone(make_pulled: CloneOf) -> None:
    alone, clone = make_pulled("um"), make_pulled("dois")
    for one in (alone, clone):
        one.set(**{"tokenize.batch_size": "7", "baseline.max_iterations": "900"})
    alone.dvc("repro")
    runs = [
        subprocess.Popen(
            ["dvc", "repro"],
            cwd=clone.path,
            env=clone.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    done = [(*run.communicate(timeout=600), run.returncode) for run in runs]
    assert any(code == 0 for _, _, code in done), done
    for _, stderr, code in done:
        if code:  # DVC says which run holds what, and that is the remedy: to wait for it
            assert "is busy" in stderr or "lock" in stderr, stderr
    clone.dvc("repro")
    assert clone.text("dvc.lock") == alone.text("dvc.lock")
