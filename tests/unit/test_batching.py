"""Which rows are in a batch, and how they are padded."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from redacoes.learning.batching import Ragged, epoch_batches, share


@given(st.lists(st.integers(1, 50), min_size=1, max_size=80), st.integers(1, 9), st.sampled_from(["random", "length"]))
def test_an_epoch_has_every_row_once(lengths: list[int], batch_size: int, batching) -> None:
    batches = epoch_batches(np.array(lengths), batch_size, batching, False, 3, 1)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    again = epoch_batches(np.array(lengths), batch_size, batching, False, 3, 1)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))


def test_padding() -> None:
    ids = Ragged(np.arange(1, 7, dtype=np.int32), np.array([0, 2, 6]))
    padded = ids.pad(np.array([1, 0]), 0, 8, 512)
    assert padded["input_ids"].tolist() == [[3, 4, 5, 6, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0]]
    assert padded["attention_mask"].sum(axis=1).tolist() == [4, 2]
    assert ids.pad(np.array([1]), 0, 8, 5)["input_ids"].shape == (1, 5)


@given(st.integers(1, 40), st.integers(1, 9))
def test_the_shares_of_all_workers_are_the_batch(size: int, workers: int) -> None:
    rows = np.random.default_rng(size).permutation(size)
    shares = [share(rows, worker, workers) for worker in range(workers)]
    assert np.concatenate(shares).tolist() == rows.tolist()
    sizes = [len(of_worker) for of_worker in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_without_any_row_can_be_padded() -> None:
    ids = Ragged(np.arange(3, dtype=np.int32), np.array([0, 3]))
    padded = ids.pad(share(np.array([0]), 1, 2), 0, 8, 512)
    assert padded["input_ids"].shape == padded["attention_mask"].shape == (0, 8)
