"""The benchmarks of growth at a small size: what they run, and what they measure."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import growth
from tests.support import PARAMS_FILE, ROOT


def test_memory_and_processor_of_a_process_are_those_that_it_took(tmp_path: Path) -> None:
    small = growth.used(["-c", "import time; time.sleep(0.3)"], tmp_path)
    large = growth.used(["-c", "import time; held = b'x' * 200_000_000; time.sleep(0.3)"], tmp_path)
    for name in ("peak", "own"):
        assert getattr(large, name) - getattr(small, name) == pytest.approx(200_000_000, rel=0.05)
    assert small.processor < small.wall
    with pytest.raises(SystemExit, match="no such thing"):
        growth.used(["-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_stages_before_training_are_run_and_told_of_at_each_size(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.growth", "--essays", "60", "120", "--folder", str(tmp_path)]
    command += ["--params", str(PARAMS_FILE)]
    done = subprocess.run(
        [*command, "--stages", "prepare", "tokenize", "bare", "baseline"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    rows = [line.split(" | ")[:2] for line in done.stdout.splitlines()[3:]]
    wanted = ["prepare", "tokenize", "bare", "baseline"]
    assert rows == [[f"| {name}", count] for count in ("60", "120") for name in wanted]
    assert (tmp_path / "120/metrics/baseline.json").is_file()
