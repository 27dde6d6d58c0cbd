"""Machines that are in the way: full and read-only disks, caches elsewhere, poor locales, two runs at once."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import Clone

pytestmark = pytest.mark.slow
MOUNTS = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/mounts").exists(), reason="mounting a file system needs root on Linux"
)
UP_TO_DATE = "Data and pipelines are up to date."


@contextmanager
def mounted(*options: str, at: Path) -> Iterator[None]:
    subprocess.run(["mount", *options, str(at)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


@MOUNTS
def test_a_full_disk_is_said_and_mended_by_room(origin: Clone, tmp_path: Path) -> None:
    disk = tmp_path / "disco"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=30m", "tmpfs", at=disk):
        clone = Clone(disk / "clone", origin.path)
        clone.take(origin)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert shutil.disk_usage(disk).free == 0
        for stage in ("sample", "prepare", "checkpoint", "tokenize", "train", "evaluate", "baseline", "zero_shot"):
            done = clone.run("python", "-m", f"stages.{stage}", check=False)
            assert done.returncode == 1, (stage, done.stderr)
            said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert len(said) == 1, (stage, done.stderr)
            assert "Traceback" not in done.stderr, (stage, done.stderr)
        assert clone.run("dvc", "repro", "--force", check=False).returncode != 0
        filler.unlink()
        clone.dvc("repro")
        assert clone.text("dvc.lock") == origin.text("dvc.lock")
        assert clone.git("status", "--porcelain") == ""


@MOUNTS
def test_a_read_only_cache_serves_and_says_that_it_takes_nothing(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    clone = make_clone("leitora")
    with mounted("--bind", str(origin.path / ".dvc" / "cache"), at=cache):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(cache)], check=True)
        clone.dvc("config", "--local", "cache.dir", str(cache))
        clone.dvc("checkout")
        assert UP_TO_DATE in clone.dvc("repro")
        clone.set(**{"sample.seed": "9"})
        done = clone.run("dvc", "repro", "sample", check=False)
        assert done.returncode != 0
        assert "Read-only file system" in done.stderr
    clone.dvc("config", "--local", "--unset", "cache.dir")
    clone.dvc("repro", "sample")


@MOUNTS
def test_a_cache_on_another_file_system_gives_the_same_bytes(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    disk = tmp_path / "outro disco"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=60m", "tmpfs", at=disk):
        clone = make_clone("dois discos")
        clone.dvc("config", "--local", "cache.dir", str(disk / "cache"))
        clone.dvc("repro")
        assert clone.text("dvc.lock") == origin.text("dvc.lock")
        assert any((disk / "cache").rglob("*.dir"))


@MOUNTS
def test_a_read_only_home_and_no_locale_are_enough(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    home = tmp_path / "casa"
    home.mkdir()
    clone = make_clone("redações à mão")
    clone.environment |= {"HOME": str(home), "LANG": "C", "LC_ALL": "C"}
    with mounted("-t", "tmpfs", "-o", "ro", "tmpfs", at=home):
        clone.dvc("repro")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")


def test_two_runs_at_once_in_one_clone(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("dois")
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
    assert clone.text("dvc.lock") == origin.text("dvc.lock")
