"""A training by several processes, each of which has a copy of the model and its share of every batch.

`workers` starts them, and `accumulation` has their step; a training in one process is a team of one.
"""

import sys
from typing import Any


class Team:
    """The processes that train together: this one alone. `workers` has one of several.

    Attributes:
        worker: The number of this one, counted from 0.
        workers: How many there are.
    """

    worker, workers = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this one writes progress and learning curves."""
        return self.worker == 0

    @property
    def verbose(self) -> int:
        """How `fit` tells of its progress."""
        return 1 if sys.stderr.isatty() else 2

    def begin(self, batches: Any, epoch: int) -> None:
        """Prepare for an epoch, counted from 0."""
        batches.begin(epoch)

    def feed(self, batches: Any, validation: Any, done: int) -> dict[str, Any]:
        """Return the arguments of `fit` that give it the batches after so many epochs."""
        return {"x": batches.dataset(), "validation_data": validation.dataset()}


ALONE = Team()
