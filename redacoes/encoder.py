"""What is inside a classifier, trained or not: gradients of the expected score, and the encoder's vectors of essays."""

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from datasets import Dataset
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import TFAutoModelForSequenceClassification, logging

from redacoes import arrow
from redacoes.batching import Ragged, sorted_batches
from redacoes.checkpoint import load_config, positions
from redacoes.errors import MEND, UserError, first_line
from redacoes.model import UNFIT

Floats = NDArray[np.float32]


def embed(classifier: Any, ids: list[int]) -> Floats:
    """Return the word embeddings of token ids, float32 ``(tokens, width)``, without positions."""
    return np.asarray(tf.gather(classifier.get_input_embeddings().weight, ids), np.float32)


@lru_cache(maxsize=1)
def gradient(classifier: Any) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from word embeddings to the expected score and its gradient.

    It takes float32 ``(rows, tokens, width)``, no token of which is padding, and returns points of score, float32
    ``(rows,)``, and points by unit of embedding, float32 ``(rows, tokens, width)``. Any thread may call it.

    Raises:
        UserError: TensorFlow's model of this family takes no embeddings in the place of token ids.
    """
    if "inputs_embeds" not in inspect.signature(classifier.call).parameters:
        raise UserError(
            f"{type(classifier).__name__} takes no embeddings in the place of token ids, so that words cannot be told "
            "apart; use --by sentence"
        )
    width = classifier.get_input_embeddings().weight.shape[1]
    scores = tf.range(classifier.config.num_labels, dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, None, width], tf.float32)])
    def traced(embeddings: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            mask = tf.ones(tf.shape(embeddings)[:2], tf.int32)
            outputs = classifier({"inputs_embeds": embeddings, "attention_mask": mask}, training=False)
            expected = tf.linalg.matvec(tf.nn.softmax(outputs.logits), scores)
        return expected, tape.gradient(expected, embeddings)

    def run(embeddings: Floats) -> tuple[Floats, Floats]:
        expected, slope = traced(embeddings)
        return expected.numpy(), slope.numpy()

    return run


@lru_cache(maxsize=1)
def pooled(classifier: Any) -> Callable[[Mapping[str, NDArray[np.int32]]], Floats]:
    """Return a function from ``input_ids`` and ``attention_mask``, int32 ``(rows, length)``, to vectors of essays.

    A vector, float32 ``(width,)``, is the mean of the encoder's last hidden states over the essay's tokens, special
    ones included, scaled to the length of 1.
    """
    encoder = getattr(classifier, classifier.base_model_prefix)
    names = ("input_ids", "attention_mask")

    @tf.function(input_signature=[dict.fromkeys(names, tf.TensorSpec([None, None], tf.int32))])
    def traced(inputs: Any) -> Any:
        states = encoder(inputs, training=False).last_hidden_state
        mask = tf.cast(inputs["attention_mask"], states.dtype)[:, :, None]
        return tf.math.l2_normalize(tf.reduce_sum(states * mask, axis=1), axis=1)

    return lambda inputs: traced({name: inputs[name] for name in names}).numpy()


def frozen(
    folder: Path, parts: Mapping[str, Dataset], pad_id: int, batch_size: int, multiple: int
) -> dict[str, Floats]:
    """Return the vectors of essays, as :func:`pooled` has them, of an encoder as it is, float32 ``(rows, width)``.

    Args:
        folder: A checkpoint with weights.
        parts: Tokenized rows by the name of the part, with `input_ids`.
        pad_id: The tokenizer's id for padding.
        batch_size: Essays at once.
        multiple: Lengths are padded to a multiple of it, in tokens.

    Raises:
        UserError: A file in `folder` is damaged, or TensorFlow has no such architecture.
    """
    config = load_config(folder)
    logging.set_verbosity_error()  # of weights of a head, which are not used
    try:
        classifier = TFAutoModelForSequenceClassification.from_pretrained(
            folder, config=config, ignore_mismatched_sizes=True, use_safetensors=True, trust_remote_code=False
        )
    except UNFIT as error:
        raise UserError(f"{folder}: {first_line(error)}; {MEND}") from error
    traced = pooled(classifier)
    vectors = {}
    for name, part in parts.items():
        ids = Ragged(*arrow.lists(part, "input_ids"))
        vectors[name] = np.empty((len(part), config.hidden_size), np.float32)
        for rows in tqdm(sorted_batches(ids.lengths, batch_size), unit="batch", disable=not sys.stderr.isatty()):
            vectors[name][rows] = traced(ids.pad(rows, pad_id, multiple, positions(config)))
    return vectors
