"""Batches of essays, and their padding. Only NumPy, no TensorFlow."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

WINDOW = 50  # batches sorted together: long enough to pad little, short enough that epochs still differ


class Ragged:
    """Lists of token ids, stored flat.

    Attributes:
        values: int32 ``(tokens,)``: an array, or the `arrow.Values` of a memory map.
        offsets: int64 ``(rows + 1,)``: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
        lengths: int64 ``(rows,)``.
    """

    def __init__(self, values: Any, offsets: NDArray[np.int64]) -> None:
        """Keep values and offsets, and derive the lengths."""
        self.values, self.offsets = values, offsets
        self.lengths = np.diff(offsets)

    def pad(self, rows: NDArray[np.int64], pad_id: int, multiple: int, longest: int) -> dict[str, NDArray[np.int32]]:
        """Return ``input_ids`` and ``attention_mask``, int32 ``(len(rows), length)``.

        Args:
            rows: int64 ``(rows,)``.
            pad_id: The tokenizer's id for padding.
            multiple: The length is rounded up to a multiple of it, so that few shapes occur.
            longest: The most positions of the model, which the length never exceeds.
        """
        mask = padded_mask(self.lengths[rows], multiple, longest)
        ids = np.full(mask.shape, pad_id, dtype=np.int32)
        if len(rows):
            ids[mask] = np.concatenate([self.values[self.offsets[row] : self.offsets[row + 1]] for row in rows])
        return {"input_ids": ids, "attention_mask": mask.astype(np.int32)}


def padded_mask(lengths: NDArray[np.int64], multiple: int, longest: int) -> NDArray[np.bool_]:
    """Return the mask of tokens in padded rows, bool ``(rows, length)``; see `Ragged.pad`."""
    most = int(lengths.max(initial=1))  # a worker's share of a batch can have no row
    width = min(-(-most // multiple) * multiple, max(longest, most))
    return np.arange(width) < lengths[:, None]


def epoch_batches(
    lengths: NDArray[np.int64],
    batch_size: int,
    batching: Literal["random", "length"],
    drop_last: bool,
    seed: int,
    epoch: int,
) -> list[NDArray[np.int64]]:
    """Return the rows of each batch of one epoch, in an order that depends on the seed and the epoch alone.

    ``length`` sorts windows of a shuffled order by length, makes batches of neighbours, and shuffles them: little is
    padded, and batches still differ between epochs.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    if batching == "length":
        size = WINDOW * batch_size
        windows = [order[start : start + size] for start in range(0, len(order), size)]
        order = np.concatenate([window[np.argsort(lengths[window], kind="stable")] for window in windows])
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if drop_last and len(batches[-1]) < batch_size:
        batches.pop()
    if batching == "length":
        batches = [batches[index] for index in random.permutation(len(batches))]
    return batches


def share(rows: NDArray[np.int64], worker: int, workers: int) -> NDArray[np.int64]:
    """Return the rows of a batch that a worker, counted from 0, computes.

    The shares of all workers, one after another, are the batch. Their sizes differ by one at most, so a small batch
    leaves some workers without any row.
    """
    return np.array_split(rows, workers)[worker]


def sorted_batches(lengths: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Return the rows of each batch for prediction. The longest come first, so that a lack of memory shows at once."""
    order = np.argsort(-lengths, kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
