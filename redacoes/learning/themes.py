"""What of an essay's vector is its theme: to be taken out where themes are to be graded that training has not seen.

Vectors of texts tell themes apart better than anything else, and which theme got which scores is of no use for another
theme. So the widest directions between the means of groups are projected out (nuisance attribute projection:
Solomonoff, Campbell and Boardman, 2005, "Advances in Channel Compensation for SVM Speaker Recognition").
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

DIRECTIONS = 30  # at most: found on real essays on 85 themes, of which 20 do as well
ALIKE = 2.0  # essays of a group, on average, from which on groups are themes, and not copies of an essay


def directions(vectors: Floats, groups: Integers) -> Floats:
    """Return the widest directions between the means of groups, float64 ``(directions, width)``, of length 1.

    There are at most half as many as groups, so that what all groups share stays, and none where groups are not themes:
    where each essay is one of its own.

    Args:
        vectors: float64 ``(rows, width)``.
        groups: int64 ``(rows,)``: the number of each row's group.
    """
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(groups) < ALIKE * len(sizes):
        return np.empty((0, vectors.shape[1]))
    sums = np.zeros((len(sizes), vectors.shape[1]))
    np.add.at(sums, place, vectors - vectors.mean(axis=0))
    _, _, axes = np.linalg.svd(sums / np.sqrt(sizes)[:, None], full_matrices=False)
    found: Floats = axes[: min(DIRECTIONS, len(sizes) // 2)]
    return found


def without(vectors: Floats, taken: Floats) -> Floats:
    """Return vectors ``(rows, width)`` without what they have along directions ``(directions, width)``."""
    return vectors - (vectors @ taken.T) @ taken
