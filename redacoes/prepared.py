"""What is kept of the essays while they stream into Arrow: enough to split and to count, and never the texts."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from datasets import ClassLabel, Features, Value
from numpy.typing import NDArray

from redacoes.corpus import Essay, Tally

Integers = NDArray[np.int64]

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


class Prepared:
    """Streams essays as rows for Arrow, and remembers of each a handful of numbers, in flat arrays.

    Attributes:
        features: The columns of a split: `row` (int64), `essay` (string), `score` (ClassLabel 0 to `max_score`), and
            `group` (int64), the number of what must stay on one side: of the row's group where the split is grouped,
            else of the first row with the same essay.
    """

    def __init__(self, max_score: int, grouped: bool) -> None:
        """Begin with no rows.

        Args:
            max_score: The highest class.
            grouped: Whether the split is to keep groups together.
        """
        labels = ClassLabel(names=[str(score) for score in range(max_score + 1)])
        kinds = {"row": Value("int64"), "essay": Value("string"), "score": labels, "group": Value("int64")}
        self.features, self._grouped = Features(kinds), grouped
        self._columns = {name: array("q") for name in ("row", "first", "score", "group", "characters", "words")}
        self._group_numbers: dict[str, int] = {}

    def rows(self, essays: Iterable[Essay]) -> Iterator[dict[str, Any]]:
        """Yield the columns of `features` of each essay."""
        for essay in essays:
            group = self._group_numbers.setdefault(essay.group, len(self._group_numbers))
            numbers = (essay.row, essay.first, essay.score, group, len(essay.text), len(essay.text.split()))
            for column, number in zip(self._columns.values(), numbers, strict=True):
                column.append(number)
            together = group if self._grouped else essay.first
            yield {"row": essay.row, "essay": essay.text, "score": essay.score, "group": together}

    def _column(self, name: str) -> Integers:
        return np.array(self._columns[name], dtype=np.int64)

    @property
    def scores(self) -> Integers:
        """The score of each row, int64 ``(rows,)``."""
        return self._column("score")

    @property
    def groups(self) -> Integers:
        """The number of each row's group, int64 ``(rows,)``."""
        return self._column("group")

    @property
    def copies(self) -> Integers:
        """The index of the first row with the same essay, int64 ``(rows,)``."""
        return np.searchsorted(self._column("row"), self._column("first"))

    def summary(self, tally: Tally, parts: Mapping[str, Integers]) -> dict[str, Any]:
        """Return rows read, kept and dropped by reason, class counts by split, and quantiles of the lengths."""
        names = self.features["score"].names
        scores = self.scores
        counts = {part: np.bincount(scores[rows], minlength=len(names)) for part, rows in parts.items()}
        return {
            "rows": {
                "read": tally.read,
                "kept": len(scores),
                "dropped": sum(tally.dropped.values()),
                "dropped_by_reason": dict(sorted(tally.dropped.items())),
            },
            "splits": {part: len(rows) for part, rows in parts.items()},
            "scores": {part: dict(zip(names, map(int, count), strict=True)) for part, count in counts.items()},
            **{unit: _quantiles(self._column(unit)) for unit in ("characters", "words")},
        }


def _quantiles(values: Integers) -> dict[str, float]:
    points = np.quantile(values, list(QUANTILES.values()))
    return {name: round(float(point), 1) for name, point in zip(QUANTILES, points, strict=True)}
