"""Halts a stage of this project when what it has written is about to take its place: for a test to kill it there.

An interpreter imports this by itself where PYTHONPATH names its folder. HALT names the file that says that it is so far.
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


# outputs take their place by this method alone; mypy wants no method replaced, which is all that this file is for
Path.replace = halt  # type: ignore[method-assign, assignment]
