"""`redacoes score` as a process: killed and stopped, and in level memory."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from redacoes.cli.main import main
from redacoes.essays import synthetic
from tests.support import BIN
from tests.support.processes import SECONDS
from tests.support.tiny import tiny_model

SCORE = [str(BIN / "redacoes"), "score", "--backend", "onnx"]
ESSAYS = [row["essay"] for row in synthetic.essays(1000, 8)]
PEAK = """
import re, sys
from pathlib import Path
from redacoes.cli.main import main
main(sys.argv[1:])
# not getrusage, whose peak begins with that of the process that forked this one
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_model(tmp_path_factory.mktemp("modelo") / "onnx"))


def essays(path: Path, times: int) -> str:
    pd.DataFrame({"id": range(len(ESSAYS) * times), "essay": ESSAYS * times}).to_csv(path, index=False)
    return str(path)


@contextmanager
def started(parts: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, once it has written two more parts than there were."""
    wanted = len(list(parts.glob("*.arrow"))) + 2
    deadline = time.monotonic() + SECONDS
    with subprocess.Popen([*SCORE, *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            while len(list(parts.glob("*.arrow"))) < wanted:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_killed_and_stopped_it_ends_with_the_same_bytes(model: str, tmp_path: Path) -> None:
    source, whole, out = essays(tmp_path / "a.csv", 14), tmp_path / "whole.parquet", tmp_path / "o.parquet"
    assert main(["score", source, "--out", str(whole), "--model", model, "--backend", "onnx"]) == 0
    arguments = (source, "--out", str(out), "--model", model, "--resume")
    parts = tmp_path / ".o.parquet.parts"
    for end, status in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        with started(parts, *arguments) as process:
            process.send_signal(end)
            said = process.communicate()[1]
            assert process.returncode == status
        assert not out.exists()
    assert said.splitlines()[-1] == f"interrupted; nothing was written to {out}, and --resume goes on"
    last = subprocess.run([*SCORE, *arguments], capture_output=True, text=True, check=True)
    assert "of them before" in last.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "o.parquet", "whole.parquet"}


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(model: str, tmp_path: Path) -> None:
    peaks = []
    for times in (10, 50):
        source = essays(tmp_path / f"{times}.csv", times)
        arguments = ("score", source, "--out", f"{source}.parquet", "--model", model, "--backend", "onnx")
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True, timeout=600
        )
        peaks.append(int(done.stdout))
    print(f"peak memory: {peaks[0] / 1024:.0f} MB of 10,000 essays, {peaks[1] / 1024:.0f} MB of 50,000")
    assert peaks[1] - peaks[0] < 100 * 1024  # KiB: the tenth of what TensorFlow took, which ONNX Runtime does not
