"""Divide rows into train, validation and test. The functions work on arrays, and read or write no file."""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from redacoes.errors import UserError
from redacoes.params import Split

Indices = NDArray[np.int64]

LEAST = {"train": 2}  # rows of a part, where it is not 1: a penalty is chosen by leaving out each training essay
MORE = "add rows or change the sizes"


def assign(scores: Indices, groups: Indices, copies: Indices, split: Split) -> dict[str, Indices]:
    """Divide rows into train, validation and test.

    Args:
        scores: int64 ``(rows,)``: the class of each row.
        groups: int64 ``(rows,)``: the number of the group of each row. Only the grouped strategy uses it.
        copies: int64 ``(rows,)``: the index of the first row with the same essay; of most rows, their own.
        split: Strategy, sizes, seed, and whether copies of an essay stay together.

    Returns:
        Increasing int64 row indices under ``train``, ``validation`` and ``test``. Each row is in one part. With
        ``split.validation: test``, validation and test are the same rows.

    Raises:
        UserError: The rows cannot be divided as asked.
    """
    together = split.duplicates == "together"
    if split.strategy == "grouped" and together:
        groups = linked(groups, copies)
    everything = np.arange(len(scores))
    rest, test = _divide(everything, split.test_size, "test", scores, groups, split)
    if split.validation == "test":
        train, validation = rest, test
    else:
        # sizes are shares of all units, so the second cut takes a larger share of the rest
        units = groups if split.strategy == "grouped" else everything
        share = split.validation_size * len(np.unique(units)) / len(np.unique(units[rest]))
        if share >= 1:
            raise UserError(f"split: {len(everything)} rows are too few for three parts; {MORE}")
        train, validation = _divide(rest, share, "validation", scores, groups, split)
    parts = {"train": train, "validation": validation, "test": test}
    if together:
        parts = _follow_first_copy(parts, copies)
    for name, rows in parts.items():
        if len(rows) < LEAST.get(name, 1):
            left = f"only {len(rows)} row is" if len(rows) else "no row is"
            raise UserError(f"split: {left} left for {name}; {MORE}")
    return parts


def _divide(
    rows: Indices, share: float, name: str, scores: Indices, groups: Indices, split: Split
) -> tuple[Indices, Indices]:
    count = _part(share, len(rows))
    if not 0 < count < len(rows):
        raise UserError(f"split: {len(rows)} rows are too few to take {name} from; {MORE}")
    if split.strategy == "sequential":
        return rows[: len(rows) - count], rows[len(rows) - count :]
    if split.strategy == "grouped":
        number = len(np.unique(groups[rows]))
        if not 0 < (taken_groups := _part(share, number)) < number:
            raise UserError(
                f"split: {number} group{'s' * (number != 1)} cannot be divided to take {name} from; "
                "use another data.group_column or split.strategy, or change the sizes"
            )
        cut = GroupShuffleSplit(n_splits=1, test_size=taken_groups, random_state=split.seed)
        kept, taken = next(cut.split(rows, groups=groups[rows]))
        return np.sort(rows[kept]), np.sort(rows[taken])
    stratify = None
    if split.strategy == "stratified":
        stratify = scores[rows]
        classes, sizes = np.unique(stratify, return_counts=True)
        if sizes.min() < 2:
            raise UserError(
                f"split: score {classes[sizes.argmin()]} has too few rows ({sizes.min()} of {len(rows)}) to stratify "
                f"{name}; set split.strategy to shuffled, or add rows of that score"
            )
        if (least := min(count, len(rows) - count)) < len(classes):
            raise UserError(
                f"split: {len(classes)} scores cannot stand on both sides where {name} is taken from {len(rows)} rows "
                f"and one side has {least}; set split.strategy to shuffled, or {MORE}"
            )
    kept, taken = train_test_split(rows, test_size=count, random_state=split.seed, stratify=stratify)
    return np.sort(kept), np.sort(taken)


def _part(share: float, whole: int) -> int:
    """Return how many of `whole` a share is, as datasets.train_test_split counts; 0.1 + 0.2 must not add one."""
    return ceil(round(share * whole, 9))


def linked(groups: Indices, copies: Indices) -> Indices:
    """Join groups that share an essay, so that neither the essay nor a group is on two sides.

    Args:
        groups: int64 ``(rows,)``: the number of the group of each row.
        copies: int64 ``(rows,)``: the index of the first row with the same essay.

    Returns:
        The number of the joined group of each row, int64 ``(rows,)``.
    """
    count = int(groups.max()) + 1
    links = coo_array((np.ones(len(copies)), (groups, groups[copies])), shape=(count, count))
    return connected_components(links, directed=False)[1][groups]


def _follow_first_copy(parts: dict[str, Indices], copies: Indices) -> dict[str, Indices]:
    names = list(parts)
    side = np.empty(len(copies), dtype=np.int64)
    for number, name in enumerate(names):
        side[parts[name]] = number
    side = side[copies]
    moved = {name: np.flatnonzero(side == number) for number, name in enumerate(names)}
    if np.array_equal(parts["validation"], parts["test"]):
        moved["validation"] = moved["test"]
    return moved
