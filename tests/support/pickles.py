"""A pickle that leaves a trace when it is loaded, so that tests can prove that nothing loads it."""

import pickle  # to write one; no code of the project loads any by this module or pandas, which `make lint` holds (S301)
from pathlib import Path


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return open, (str(self.marker), "x")  # a builtin, so that it would run in any process, without this module


def evil(marker: Path) -> bytes:
    """Return a pickle whose loading makes the empty file `marker`, which must not be there yet, and nothing else.

    A reader that loads it would run any code. A test puts it where a careless reader looks for weights or a tokenizer,
    and then checks that the file is missing.
    """
    return pickle.dumps(_Evil(marker))
