"""Training on several devices, of which there is one here: logical ones stand for GPUs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


def test_two_devices_train_as_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.two_devices", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("same")
    one = found.pop("1 in 1")
    two = found.pop("2 in 2")  # with each device's share of a batch in two parts
    for part, losses in one.items():
        assert two[part] == pytest.approx(losses, abs=1e-4)
