"""`redacoes verify` finds what DVC's defaults do not, and its remedies mend it."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Clone

SCORER = "models/scorer/model.safetensors"


@pytest.fixture
def pulled(make_clone: Callable[[str], Clone], origin: Clone) -> Clone:
    clone = make_clone("verificada")
    clone.take(origin)
    return clone


def verify(clone: Clone) -> tuple[int, str]:
    done = clone.run(sys.executable, "-m", "redacoes.cli", "verify", check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def remedies(report: str) -> list[str]:
    """The first command under each finding."""
    lines = report.splitlines()
    return [
        line.strip()
        for before, line in itertools.pairwise(lines)
        if line.startswith("    ") and not before.startswith("    ")
    ]


def mend(clone: Clone, report: str) -> None:
    for command in remedies(report):
        subprocess.run(command, shell=True, cwd=clone.path, env=clone.environment, check=True, capture_output=True)


def cache_object(clone: Clone, path: str) -> Path:
    md5 = subprocess.run(["md5sum", path], cwd=clone.path, capture_output=True, text=True, check=True).stdout[:32]
    return clone.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def write(path: Path, content: bytes) -> None:
    """Write over a read-only object, and leave it read-only, as a bad disk does."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


def test_all_is_well_whether_pulled_or_not(pulled: Clone, make_clone: Callable[[str], Clone]) -> None:
    status, report = verify(pulled)
    assert status == 0
    assert "none damaged" in report
    status, report = verify(make_clone("vazia"))
    assert status == 0
    assert "not pulled or not made yet, which is no error" in report


@pytest.mark.parametrize("fault", ["flipped", "truncated", "swapped"])
def test_a_damaged_cache_object_is_named_and_mended(pulled: Clone, fault: str) -> None:
    scorer = cache_object(pulled, SCORER)
    good = scorer.read_bytes()
    bad = {
        "flipped": good[:5000] + bytes([good[5000] ^ 1]) + good[5001:],
        "truncated": good[:5000],
        "swapped": cache_object(pulled, "metrics/predictions.csv").read_bytes(),
    }[fault]
    write(scorer, bad)
    assert "up to date" in pulled.dvc("repro")  # DVC's defaults do not find it
    status, report = verify(pulled)
    assert status == 1
    assert SCORER in report
    assert str(scorer.relative_to(pulled.path)) in report
    mend(pulled, report)
    assert verify(pulled)[0] == 0
    assert cache_object(pulled, SCORER).read_bytes() == good
    assert (pulled.path / SCORER).read_bytes() == good


def test_an_output_edited_by_hand_is_named_and_mended(pulled: Clone) -> None:
    path = pulled.path / "metrics/predictions.csv"
    good, before = path.read_bytes(), path.stat()
    path.chmod(0o644)
    path.write_bytes(good.replace(b"0", b"1", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    status, report = verify(pulled)
    assert status == 1
    assert "metrics/predictions.csv holds other bytes than it should" in report
    mend(pulled, report)
    assert path.read_bytes() == good
    assert verify(pulled)[0] == 0


def test_a_lock_with_another_hash_is_named_and_mended(pulled: Clone) -> None:
    lock = pulled.text("dvc.lock")
    good = cache_object(pulled, "metrics/predictions.csv")
    md5 = good.parent.name + good.name
    (pulled.path / "dvc.lock").write_text(lock.replace(md5, "abcdef01" * 4), encoding="utf-8")
    status, report = verify(pulled)
    assert status == 1
    assert "metrics/predictions.csv" in report
    mend(pulled, report)
    assert verify(pulled)[0] == 0


def test_a_damaged_object_on_a_remote_that_verifies_is_refused(pulled: Clone, make_clone, tmp_path: Path) -> None:
    remote = tmp_path / "remoto"
    for clone in (pulled, colleague := make_clone("colega")):
        clone.dvc("remote", "add", "--local", "--default", "time", str(remote))
        clone.dvc("remote", "modify", "--local", "time", "verify", "true")
    pulled.dvc("push")
    there = remote / cache_object(pulled, SCORER).relative_to(pulled.path / ".dvc/cache")
    good = there.read_bytes()
    write(there, good[:5000])
    assert colleague.run("dvc", "pull", check=False).returncode != 0
    assert not (colleague.path / SCORER).exists()
    write(there, good)
    colleague.dvc("pull")
    assert (colleague.path / SCORER).read_bytes() == good
    assert verify(colleague)[0] == 0
