"""Collect what splits and statistics need while essays stream into Arrow, without keeping their texts."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from datasets import ClassLabel, Features, Value
from numpy.typing import NDArray

from redacoes.essays.training_csv import Dropped, Essay

Integers = NDArray[np.int64]
Written = TypeVar("Written")

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True)
class RowCounts:
    """Counts of rows read, and of rows dropped by reason."""

    read: int
    dropped: Mapping[str, int]


@dataclass(frozen=True)
class Prepared:
    """The essays of a file, without their texts. Each array is int64 ``(essays,)``, in the file's order.

    Attributes:
        lines: The line on which each essay begins.
        scores: The class of each.
        groups: The number of the group of each.
        copies: The index of the first essay with the same text.
        characters: Length of each text.
        words: Number of words of each text.
        counted: Rows read and dropped.
    """

    lines: Integers
    scores: Integers
    groups: Integers
    copies: Integers
    characters: Integers
    words: Integers
    counted: RowCounts

    def summary(self, max_score: int, parts: Mapping[str, Integers]) -> dict[str, Any]:
        """Return rows read, kept and dropped by reason, class counts by split, and quantiles of the lengths."""
        counts = {part: np.bincount(self.scores[rows], minlength=max_score + 1) for part, rows in parts.items()}
        return {
            "rows": {
                "read": self.counted.read,
                "kept": len(self.scores),
                "dropped": sum(self.counted.dropped.values()),
                "dropped_by_reason": dict(sorted(self.counted.dropped.items())),
            },
            "splits": {part: len(rows) for part, rows in parts.items()},
            "scores": {part: {str(k): int(n) for k, n in enumerate(count)} for part, count in counts.items()},
            "characters": _quantiles(self.characters),
            "words": _quantiles(self.words),
        }


def features(max_score: int) -> Features:
    """Return the columns of a split.

    They are `row` (int64), the line on which the essay begins; `essay` (string); `score` (ClassLabel 0 to `max_score`);
    and `group` (int64), the unit that must stay on one side: the number of the row's group if the split is grouped,
    else the line of the first essay with the same text.
    """
    labels = ClassLabel(names=[str(score) for score in range(max_score + 1)])
    return Features({"row": Value("int64"), "essay": Value("string"), "score": labels, "group": Value("int64")})


def gather(
    rows: Iterable[Essay | Dropped], grouped: bool, write: Callable[[Iterator[dict[str, Any]]], Written]
) -> tuple[Written, Prepared]:
    """Write the essays, one at a time, and return their statistics.

    Args:
        rows: What :func:`redacoes.essays.training_csv.read` yields.
        grouped: Whether the split keeps groups together.
        write: Consumes the rows, with the columns of :func:`features`.

    Returns:
        The result of `write`, and the statistics.
    """
    columns = {name: array("q") for name in ("line", "first", "score", "group", "characters", "words")}
    numbers: dict[str, int] = {}
    dropped: Counter[str] = Counter()

    def essays() -> Iterator[dict[str, Any]]:
        for row in rows:
            if isinstance(row, Dropped):
                dropped[row.reason] += 1
                continue
            group = numbers.setdefault(row.group, len(numbers))
            values = (row.line, row.first, row.score, group, len(row.text), len(row.text.split()))
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
            together = group if grouped else row.first
            yield {"row": row.line, "essay": row.text, "score": row.score, "group": together}

    written = write(essays())
    lines, first, scores, groups, characters, words = (np.array(column, dtype=np.int64) for column in columns.values())
    counted = RowCounts(len(lines) + dropped.total(), dropped)
    return written, Prepared(lines, scores, groups, np.searchsorted(lines, first), characters, words, counted)


def _quantiles(values: Integers) -> dict[str, float]:
    points = np.quantile(values, list(QUANTILES.values()))
    return {name: round(float(point), 1) for name, point in zip(QUANTILES, points, strict=True)}
