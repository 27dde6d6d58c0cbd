"""What is kept of the essays while they stream into Arrow: enough to split and to count, and never the texts."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from datasets import ClassLabel, Features, Value
from numpy.typing import NDArray

from redacoes.corpus import Essay, Tally

BATCH = 1000  # essays in memory at once
QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


class Prepared:
    """Streams essays as Arrow batches, and remembers of each its score, group, lengths and first copy.

    Attributes:
        features: The columns of a split: `row` (int64), `essay` (string), `score` (ClassLabel 0 to `max_score`).
    """

    def __init__(self, max_score: int) -> None:
        """Begin with no rows.

        Args:
            max_score: The highest class.
        """
        labels = ClassLabel(names=[str(score) for score in range(max_score + 1)])
        self.features = Features({"row": Value("int64"), "essay": Value("string"), "score": labels})
        self._columns: dict[str, list[Any]] = {name: [] for name in ("score", "group", "copy", "characters", "words")}
        self._first: dict[bytes, int] = {}

    def batches(self, essays: Iterator[Essay]) -> Iterator[Mapping[str, Any]]:
        """Yield the columns of `features` for every `BATCH` essays."""
        while batch := list(islice(essays, BATCH)):
            for essay in batch:
                index = len(self._columns["score"])
                self._columns["score"].append(essay.score)
                self._columns["group"].append(essay.group)
                self._columns["copy"].append(self._first.setdefault(essay.key, index))
                self._columns["characters"].append(len(essay.text))
                self._columns["words"].append(len(essay.text.split()))
            yield {
                "row": [essay.row for essay in batch],
                "essay": [essay.text for essay in batch],
                "score": [essay.score for essay in batch],
            }

    @property
    def scores(self) -> NDArray[np.int64]:
        """The score of each row, int64 ``(rows,)``."""
        return np.array(self._columns["score"], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each row, str ``(rows,)``."""
        return np.array(self._columns["group"], dtype=np.str_)

    @property
    def copies(self) -> NDArray[np.int64]:
        """The index of the first row with the same essay, int64 ``(rows,)``."""
        return np.array(self._columns["copy"], dtype=np.int64)

    def summary(self, tally: Tally, parts: Mapping[str, NDArray[np.int64]]) -> dict[str, Any]:
        """Return rows read, kept and dropped by reason, class counts by split, and quantiles of the lengths."""
        names = self.features["score"].names
        counts = {part: np.bincount(self.scores[rows], minlength=len(names)) for part, rows in parts.items()}
        return {
            "rows": {
                "read": tally.read,
                "kept": len(self.scores),
                "dropped": sum(tally.dropped.values()),
                "dropped_by_reason": dict(sorted(tally.dropped.items())),
            },
            "splits": {part: len(rows) for part, rows in parts.items()},
            "scores": {part: dict(zip(names, map(int, count), strict=True)) for part, count in counts.items()},
            **{unit: _quantiles(self._columns[unit]) for unit in ("characters", "words")},
        }


def _quantiles(values: list[int]) -> dict[str, float]:
    points = np.quantile(values, list(QUANTILES.values()))
    return {name: round(float(point), 1) for name, point in zip(QUANTILES, points, strict=True)}
