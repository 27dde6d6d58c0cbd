"""The processor: what is recorded of it, and what is said where another one gave other bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from redacoes import processor
from redacoes.tracking import machines
from tests.support import ROOT

ZEN4 = {"vendor": "AuthenticAMD", "instructions": "AVX-512", "l1d_kib": 32}
ICE_LAKE = {"vendor": "GenuineIntel", "instructions": "AVX-512", "l1d_kib": 48}
ZEN3 = {"vendor": "AuthenticAMD", "instructions": "AVX2", "l1d_kib": 32}
CPUINFO = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 9R14\nflags\t\t: sse2 avx avx2 fma avx512f\n\nprocessor\t: 1\nmodel name\t: AMD EPYC 9R14\nflags\t\t: sse2 avx avx2 fma avx512f\n"  # fmt: skip


def lock(train: str, evaluate: str, seed: int = 1) -> str:
    """The text of a dvc.lock where `evaluate` depends on what `train` gave."""
    stages = {
        "train": {
            "cmd": "python -m stages.train",
            "deps": [{"path": "data/tokenized", "md5": "0"}],
            "params": {"params.yaml": {"train": {"seed": seed}}},
            "outs": [{"path": "models/scorer", "md5": train}],
        },
        "evaluate": {
            "cmd": "python -m stages.evaluate",
            "deps": [{"path": "models/scorer", "md5": train}],
            "outs": [{"path": "metrics/evaluation.json", "md5": evaluate}],
        },
    }
    return json.dumps({"schema": "2.0", "stages": stages})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose HEAD was recorded on a processor with AVX-512."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "dvc.lock").write_text(lock("1", "1"))
    (tmp_path / "params.yaml").write_text("train: {portable: false}\n")
    (tmp_path / "metrics/processor.json").write_text(json.dumps(ZEN4))
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "1"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def on(monkeypatch: pytest.MonkeyPatch, found: dict) -> None:
    monkeypatch.setattr(machines, "kind", lambda portable: {"vendor": found["vendor"]} if portable else found)


def commit(project: Path, portable: bool) -> None:
    """Record a run of the same lock with this parameter, where only the maker may matter."""
    (project / "params.yaml").write_text(f"train: {{portable: {str(portable).lower()}}}\n")
    record = {"vendor": ZEN4["vendor"]} if portable else ZEN4
    (project / "metrics/processor.json").write_text(json.dumps(record))
    now = (project / "dvc.lock").read_text()
    (project / "dvc.lock").write_text(lock("1", "1"))
    identity = ["-c", "user.name=T", "-c", "user.email=t@t"]
    subprocess.run(["git", *identity, "commit", "-qam", "2", "--allow-empty"], cwd=project, check=True)
    (project / "dvc.lock").write_text(now)


def test_other_bytes_on_another_processor_are_expected_and_said_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, ZEN3)
    assert machines.told(project) == ""
    (project / "dvc.lock").write_text(lock("2", "2"))
    said = machines.told(project)
    assert said.startswith("train gave other bytes than HEAD records, from the same code, parameters and data; ")
    assert "AuthenticAMD, AVX-512, L1d 32 KiB, and this is AuthenticAMD, AVX2, L1d 32 KiB, so this is expected" in said
    assert "\n" not in said
    on(monkeypatch, ICE_LAKE)
    commit(project, portable=True)  # which does not reach to another maker
    assert "so this is expected" in machines.told(project)
    (project / "dvc.lock").write_text(lock("2", "2", seed=2))  # a change of a parameter needs no explanation
    assert machines.told(project) == ""


def test_the_remedy_is_one_that_works_with_a_remote_or_without(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, ZEN3)
    (project / "dvc.lock").write_text(lock("2", "2"))
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n")
    said = machines.told(project)
    assert said.endswith(
        "commit yours (git add dvc.lock metrics && git commit), since there is no remote to pull those of HEAD from"
    )
    assert "dvc pull" not in said
    (project / ".dvc/config.local").write_text("[core]\n    remote = time\n['remote \"time\"']\n    url = /mnt/time\n")
    said = machines.told(project)
    assert said.endswith("git checkout HEAD -- dvc.lock metrics && dvc pull brings those of HEAD back")


@pytest.mark.parametrize(("here", "portable"), [(ZEN4, False), (ZEN3, True)])
def test_other_bytes_are_not_expected_on_the_same_kind_or_where_portable(
    project: Path, monkeypatch: pytest.MonkeyPatch, here: dict, portable: bool
) -> None:
    on(monkeypatch, here)
    commit(project, portable)
    (project / "dvc.lock").write_text(lock("2", "2"))
    assert "so this is not expected" in machines.told(project)


def test_an_older_record_names_no_processor(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, ZEN3)
    (project / "dvc.lock").write_text(lock("2", "2"))
    identity = ["-c", "user.name=T", "-c", "user.email=t@t"]
    subprocess.run(["git", "rm", "-q", "metrics/processor.json"], cwd=project, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "2"], cwd=project, check=True)
    assert "HEAD does not say on which processor (here: AuthenticAMD, AVX2" in machines.told(project)


def test_the_kind_of_processor_is_read_from_linux(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    for index, (kind, size) in enumerate([("Instruction", "64K"), ("Data", "48K")]):
        (tmp_path / f"index{index}").mkdir()
        for name, value in {"level": "1", "type": kind, "size": size}.items():
            (tmp_path / f"index{index}" / name).write_text(f"{value}\n")
    assert processor.kind(False, path, tmp_path) == ZEN4 | {"l1d_kib": 48}
    assert processor.kind(True, path, tmp_path) == {"vendor": "AuthenticAMD"}  # so that the record is that of another
    path.write_text(CPUINFO.replace(" avx512f", ""))
    assert processor.kind(False, path)["instructions"] == "AVX2"
    elsewhere = processor.kind(False, tmp_path / "none", tmp_path / "none")  # as on macOS
    assert elsewhere["instructions"]
    assert elsewhere["l1d_kib"] is None


PROGRAM = """
import os, sys
from redacoes import processor
print("begun", sys.argv[1], flush=True)
processor.settle(sys.argv[1] == "true")
print({name: os.environ.get(name) for name in processor.PORTABLE} == processor.PORTABLE)
"""


@pytest.mark.parametrize(("portable", "starts"), [("true", 2), ("false", 1)])
def test_a_stage_begins_anew_in_the_portable_environment(portable: str, starts: int) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in processor.PORTABLE}
    command = [sys.executable, "-c", PROGRAM, portable]
    said = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == [*[f"begun {portable}"] * starts, str(portable == "true")]


@pytest.mark.parametrize(("width", "covered"), [(16, False), (128, True), (384, True), (512, False), (768, True), (1024, False)])  # fmt: skip
def test_an_encoder_whose_small_products_are_summed_by_the_cache_is_named(width: int, covered: bool) -> None:
    assert (processor.uncovered(width) == "") == covered
