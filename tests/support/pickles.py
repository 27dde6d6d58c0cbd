"""A pickle as an attacker writes it, for tests that nothing unpickles it."""

import pickle
from pathlib import Path


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return open, (str(self.marker), "w")


def evil(marker: Path) -> bytes:
    """Return a pickle that creates the file `marker` in whatever loads it. It is only ever written, never loaded."""
    return pickle.dumps(_Evil(marker))
