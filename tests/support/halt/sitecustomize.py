"""Halts a stage just before its outputs take their place, so that a test can kill it there.

The interpreter imports this module if PYTHONPATH names its folder. The file HALT appears when the stage has halted.
"""

import os
import signal
from pathlib import Path

replace = Path.replace


def halt(self: Path, target: Path) -> Path:
    if Path(".work") not in self.parents:
        return replace(self, target)
    Path(os.environ["HALT"]).touch()
    while True:
        signal.pause()


# outputs take their place only by this method; mypy forbids replacing a method, which is this file's purpose
Path.replace = halt  # type: ignore[method-assign, assignment]
