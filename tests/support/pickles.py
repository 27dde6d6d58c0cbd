"""A pickle that gives away whatever loads it, for the tests that prove that this project loads none."""

import pickle  # to write one: ruff's S301 keeps all of this project from reading any
from pathlib import Path


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return open, (str(self.marker), "w")  # a builtin, so that it would run in any process, without this module


def evil(marker: Path) -> bytes:
    """Return a pickle that leaves the empty file `marker` where anything unpickles it, and does no other harm.

    A test puts it where a careless reader would load it, and then looks for the file.
    """
    return pickle.dumps(_Evil(marker))
