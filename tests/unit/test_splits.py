"""Splits: every row on one side, copies and groups together, sizes as asked."""

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redacoes.errors import UserError
from redacoes.essays.splits import assign
from tests.support import PARAMS

SPLIT = PARAMS.split


def divide(scores: list[int], groups: list[int] | None = None, copies: list[int] | None = None, **changes: object):
    rows = len(scores)
    return assign(
        np.array(scores),
        np.array(groups or [0] * rows),
        np.array(copies if copies is not None else range(rows)),
        SPLIT.model_copy(update=changes),
    )


@given(
    st.lists(st.integers(0, 3), min_size=20, max_size=80),
    st.sampled_from(["sequential", "shuffled"]),
    st.integers(0, 99),
    st.data(),
)
def test_every_row_is_on_one_side_and_copies_stay_together(scores, strategy, seed, data) -> None:
    firsts = [data.draw(st.integers(0, row)) // 5 * 5 for row in range(len(scores))]
    copies = [firsts[row] if row % 5 == 4 else row for row in range(len(scores))]
    alone = divide(scores, strategy=strategy, seed=seed)  # as if every essay stood there once
    side = {row: name for name, rows in alone.items() for row in rows.tolist()}
    assert sorted(side) == list(range(len(scores)))
    expected = {name: [row for row in side if side[copies[row]] == name] for name in alone}
    if empty := [name for name, rows in expected.items() if not rows]:
        with pytest.raises(UserError, match=f"no row is left for {empty[0]}"):
            divide(scores, copies=copies, strategy=strategy, seed=seed)
        return
    parts = divide(scores, copies=copies, strategy=strategy, seed=seed)
    assert {name: rows.tolist() for name, rows in parts.items()} == {n: sorted(rows) for n, rows in expected.items()}


def test_the_notebooks_split_to_the_letter() -> None:
    parts = divide([1] * 4570, strategy="sequential", validation="test", duplicates="allow")
    assert parts["test"].tolist() == list(range(4570 - 914, 4570))
    assert parts["train"].tolist() == list(range(4570 - 914))
    assert parts["validation"] is parts["test"]


def test_stratified_keeps_the_shares_of_scores() -> None:
    parts = divide([0] * 100 + [1] * 300, strategy="stratified")
    assert [int((rows >= 100).sum()) for rows in parts.values()] == [195, 45, 60]
    with pytest.raises(UserError, match="score 1 has too few rows"):
        divide([0] * 100 + [1], strategy="stratified")


@pytest.mark.parametrize("seed", range(10))  # with some, the two groups are on one side by chance
def test_groups_stay_together_even_when_they_share_an_essay(seed: int) -> None:
    groups = [row % 12 for row in range(120)]
    copies = list(range(120))
    copies[13] = 0  # an essay of theme 1 is a copy of one of theme 0
    parts = divide([1] * 120, groups=groups, copies=copies, strategy="grouped", seed=seed)
    sides = [{name for name, rows in parts.items() if set(rows) & {r for r in range(120) if r % 12 == g}} for g in range(12)]  # fmt: skip
    assert all(len(side) == 1 for side in sides)
    assert sides[0] == sides[1]
    with pytest.raises(UserError, match="group cannot be divided"):
        divide([1] * 40, groups=[0, 1] * 20, strategy="grouped")


@given(
    st.lists(st.integers(1, 40), min_size=8, max_size=30),
    st.sampled_from([0.1, 0.15, 0.2, 0.25, 0.3]),
    st.sampled_from([0.1, 0.15, 0.2, 0.25, 0.3]),
    st.integers(0, 99),
)
def test_shares_of_a_grouped_split_are_of_groups_however_large_they_are(
    sizes, test_size, validation_size, seed
) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    parts = divide(
        [1] * len(groups),
        groups=groups.tolist(),
        strategy="grouped",
        seed=seed,
        test_size=test_size,
        validation_size=validation_size,
    )
    for name, share in (("test", test_size), ("validation", validation_size)):
        assert len(set(groups[parts[name]])) == ceil(round(share * len(sizes), 9))


def test_more_scores_than_rows_of_a_part_are_not_blamed_on_one_score() -> None:
    with pytest.raises(UserError, match="11 scores cannot stand on both sides where test is taken from 50 rows"):
        divide([row % 11 for row in range(50)], strategy="stratified")


def test_too_few_rows() -> None:
    with pytest.raises(UserError, match="too few"):
        divide([1, 2])
    with pytest.raises(UserError, match="only 1 row is left for train"):
        divide([1, 2, 3], strategy="shuffled", test_size=0.3, validation_size=0.3)
