"""Frozen layers: run once, with their output kept on disk for every epoch.

A frozen layer has no dropout, so its output is the same in each epoch. One pass writes two things for each part of the
data: the last hidden state of each essay's first token, on which the head is fitted, and the output of the uppermost
frozen layer, on which the layers above are trained.
"""

import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from redacoes.learning.framework import tf

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from tqdm import tqdm
from transformers.modeling_tf_outputs import TFBaseModelOutput

from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.learning.batching import Ragged, padded_mask, sorted_batches
from redacoes.learning.model import Layers, graph, stack_of
from redacoes.params import Settled

Floats = NDArray[np.float32]

BATCH = 16  # essays; larger batches do not fit into the processor's cache, and are slower
BYTES = np.dtype(np.float32).itemsize


class Pass(NamedTuple):
    """How to run frozen layers.

    Attributes:
        layers: How many of the lowest layers are frozen; their output is kept.
        multiple: Lengths are padded to a multiple of this many tokens.
        threads: Batches at once.
    """

    layers: Layers
    multiple: int
    threads: int

    @classmethod
    def of(cls, train: Settled) -> "Pass":
        """Return the pass for these settings."""
        return cls(train.frozen_layers, train.pad_to_multiple_of, train.threads)


@dataclass(frozen=True, eq=False)
class States:
    """Hidden states of essays in a memory-mapped file, with the interface of `batching.Ragged`.

    Attributes:
        path: The file: float32 ``(tokens, width)``.
        tokens: Number of tokens in it.
        starts: int64 ``(rows,)``: the first token of each essay in it.
        lengths: int64 ``(rows,)``: tokens of each essay.
        width: Size of a hidden state.
    """

    path: Path
    tokens: int
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    width: int

    def select(self, rows: NDArray[np.int64]) -> "States":
        """Return those of some rows."""
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows])

    def pad(self, rows: NDArray[np.int64], pad_id: int, multiple: int, longest: int) -> dict[str, NDArray[Any]]:
        """Return ``inputs_embeds``, float32 ``(len(rows), length, width)``, and ``attention_mask``; see `Ragged.pad`.

        Padding is 0 and has no effect, since attention is masked. The file is mapped anew each time, so that only one
        batch counts as memory of this process.
        """
        mask = padded_mask(self.lengths[rows], multiple, longest)
        values = np.zeros((*mask.shape, self.width), np.float32)
        mapped = np.memmap(self.path, np.float32, "r", shape=(self.tokens, self.width))
        for place, row in enumerate(rows):
            values[place, : self.lengths[row]] = mapped[self.starts[row] :][: self.lengths[row]]
        return {"inputs_embeds": values, "attention_mask": mask.astype(np.int32)}


@dataclass(frozen=True, eq=False)
class Outputs:
    """The output of one pass for a part of the data.

    Attributes:
        vectors: float32 ``(rows, width)``: the last hidden states of the first tokens.
        states: The input of the layers above the frozen ones; None if no layer is frozen.
    """

    vectors: Floats
    states: States | None

    @classmethod
    def read(cls, folder: Path, name: str, lengths: NDArray[np.int64], layers: Layers) -> "Outputs":
        """Return what `run` wrote into `folder` for the part `name`."""
        vectors: Floats = np.load(folder / f"{name}.npy")
        if layers == 0:
            return cls(vectors, None)
        kept = np.ones_like(lengths) if layers == "all" else lengths
        ends = np.cumsum(kept)
        return cls(vectors, States(folder / f"{name}.f32", int(ends[-1]), ends - kept, kept, vectors.shape[1]))

    def select(self, rows: NDArray[np.int64]) -> "Outputs":
        """Return those of some rows."""
        return Outputs(self.vectors[rows], self.states and self.states.select(rows))


@contextmanager
def upper(model: Any, layers: Layers) -> Iterator[None]:
    """Cut `model` down to the layers above the frozen ones, whose output it takes as ``inputs_embeds``.

    It then has only the weights that an optimizer, or a copy of the best weights, needs. The model is whole again when
    the block ends.
    """
    if not layers:
        yield
        return
    encoder, name = stack_of(model)
    stack = getattr(encoder, name)

    def given(input_ids: Any = None, inputs_embeds: Any = None, **_: Any) -> Any:
        return tf.cast(inputs_embeds, encoder.compute_dtype)

    changes: list[tuple[Any, str, Any]] = [(encoder, "embeddings", given)]
    if hasattr(encoder, "embeddings_project"):
        changes.append((encoder, "embeddings_project", lambda states, **_: states))
    if hasattr(stack, "layer"):
        changes.append((stack, "layer", list(stack.layer)[len(stack.layer) if layers == "all" else layers :]))
        if hasattr(stack, "rel_embeddings"):  # of DeBERTa; frozen and other layers share them
            changes.append((stack, "rel_embeddings", tf.constant(stack.get_rel_embedding())))
            if hasattr(stack, "LayerNorm"):
                changes.append((stack, "LayerNorm", lambda normalised: normalised))
    else:
        changes.append((encoder, name, lambda hidden_states, **_: TFBaseModelOutput(last_hidden_state=hidden_states)))
    kept = [(owner, part, getattr(owner, part)) for owner, part, _ in changes]
    try:
        for change in changes:
            setattr(*change)
        yield
    finally:
        for was in kept:
            setattr(*was)


def forward(model: Any, layers: Layers) -> Callable[[Mapping[str, NDArray[np.int32]]], tuple[NDArray[Any], Floats]]:
    """Return a function from ``input_ids`` and ``attention_mask`` to the frozen layers' output and the first tokens.

    It returns float32 ``(rows, length, width)`` and, from the last layer, float32 ``(rows, width)``. If `layers` is 0
    or all, the former has length 0.
    """
    encoder, _ = stack_of(model)
    names = ("input_ids", "attention_mask")

    @graph(model, [dict.fromkeys(names, tf.TensorSpec([None, None], tf.int32))])
    def traced(inputs: Any) -> Any:
        outputs = encoder(inputs, training=False, output_hidden_states=True)
        first = tf.cast(outputs.last_hidden_state[:, 0], tf.float32)
        states = outputs.last_hidden_state[:, :0] if layers in (0, "all") else outputs.hidden_states[layers]
        return tf.cast(states, tf.float32), first

    def run(inputs: Mapping[str, NDArray[np.int32]]) -> tuple[NDArray[Any], Floats]:
        states, first = traced({name: inputs[name] for name in names})
        return states.numpy(), first.numpy()

    return run


def run(model: Any, parts: Mapping[str, Dataset], pad_id: int, how: Pass, folder: Path) -> dict[str, Outputs]:
    """Run every essay through the encoder once, and return the outputs; they are read from `folder` if they exist.

    Args:
        model: A classifier.
        parts: Tokenized rows by the name of the part, with `input_ids`.
        pad_id: The tokenizer's id for padding.
        how: Which layers, and how.
        folder: Appears whole or not at all. It must exist as long as the outputs are used.

    Raises:
        UserError: The disk has no room.
    """
    rows = {name: Ragged(*arrow.lists(part, "input_ids")) for name, part in parts.items()}
    if not folder.is_dir():
        draft = folder.with_name(f"{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        _require_room(draft, room(rows, model.config.hidden_size, how.layers))
        compute = forward(model, how.layers)
        for name, ids in rows.items():
            _write(compute, ids, pad_id, how, model.config, draft / name)
        draft.rename(folder)
    return {name: Outputs.read(folder, name, ids.lengths, how.layers) for name, ids in rows.items()}


def predict(model: Any, outputs: Outputs, pad_id: int, train: Settled) -> Floats:
    """Return logits ``(rows, classes)``, computed by the layers above the frozen ones from their outputs.

    Raises:
        ValueError: No layer is frozen.
    """
    states = outputs.states
    if states is None:
        raise ValueError("no layer is frozen")
    logits = np.empty((len(states.lengths), model.config.num_labels), np.float32)
    with upper(model, train.frozen_layers):
        for rows in sorted_batches(states.lengths, BATCH):
            inputs = states.pad(rows, pad_id, train.pad_to_multiple_of, model.config.max_position_embeddings)
            logits[rows] = model(inputs, training=False).logits.numpy()
    return logits


def room(rows: Mapping[str, Ragged], width: int, layers: Layers) -> int:
    """Return the bytes that `run` writes."""
    essays = sum(len(ids.lengths) for ids in rows.values())
    tokens = sum(int(ids.lengths.sum()) for ids in rows.values())
    kept = {0: 0, "all": essays}.get(layers, tokens)
    return BYTES * width * (essays + kept)


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"train: what comes out of the frozen layers needs {needed / 1e9:.1f} GB in {folder.parent.parent}, and "
            f"{free / 1e9:.1f} GB are free there: make room, lower tokenize.max_length, or set train.frozen_layers to "
            "0 or all"
        )


def _write(
    compute: Callable[[Mapping[str, NDArray[np.int32]]], tuple[NDArray[Any], Floats]],
    ids: Ragged,
    pad_id: int,
    how: Pass,
    config: Any,
    path: Path,
) -> None:
    """Write the outputs of a part beside `path`: vectors as .npy, states as raw numbers."""
    vectors = np.empty((len(ids.lengths), config.hidden_size), np.float32)
    token = BYTES * config.hidden_size
    batches = sorted_batches(ids.lengths, BATCH)
    with (
        path.with_suffix(".f32").open("wb") as file,
        tqdm(total=len(batches), unit="batch", disable=not sys.stderr.isatty()) as progress,
    ):
        padded = ((rows, ids.pad(rows, pad_id, how.multiple, config.max_position_embeddings)) for rows in batches)
        for rows, computed in _ahead(compute, padded, how.threads):
            states, vectors[rows] = computed.result()
            if states.shape[1]:
                for row, values in zip(rows, states, strict=True):
                    file.seek(int(ids.offsets[row]) * token)
                    file.write(values[: ids.lengths[row]].tobytes())
            progress.update()
        if how.layers == "all":
            file.write(vectors.tobytes())
        _to_disk(file)
    with path.with_suffix(".npy").open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
        _to_disk(file)


def _ahead(
    compute: Callable[[Any], Any], batches: Iterable[tuple[Any, Any]], threads: int
) -> Iterator[tuple[Any, Future[Any]]]:
    """Yield the rows of each batch, and its result to come, in their order, while the batches after it are computed.

    One batch more than there are threads is under way, so that none waits for the disk; more would wait in memory.
    """
    with ThreadPoolExecutor(threads) as pool:
        running: deque[tuple[Any, Future[Any]]] = deque()
        for rows, inputs in batches:
            running.append((rows, pool.submit(compute, inputs)))
            if len(running) > threads:
                yield running.popleft()
        yield from running


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
