"""Look inside a classifier: gradients of the expected score, and the encoder's vectors of essays."""

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from redacoes.learning.framework import tf

import numpy as np
from numpy.typing import NDArray

from redacoes.errors import UserError
from redacoes.learning.model import graph

Floats = NDArray[np.float32]


def embed(classifier: Any, ids: list[int]) -> Floats:
    """Return the word embeddings of token ids, float32 ``(tokens, hidden_size)``, without positions."""
    return np.asarray(tf.gather(classifier.get_input_embeddings().weight, ids), np.float32)


@lru_cache(maxsize=1)
def gradient(classifier: Any) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from word embeddings to the expected score and its gradient.

    It takes embeddings without padding, float32 ``(rows, tokens, hidden_size)``, and returns points of score, float32
    ``(rows,)``, and points per unit of embedding, float32 ``(rows, tokens, hidden_size)``. It is thread-safe.

    Raises:
        UserError: TensorFlow's model of this family does not accept embeddings instead of token ids.
    """
    if "inputs_embeds" not in inspect.signature(classifier.call).parameters:
        raise UserError(
            f"{type(classifier).__name__} takes no embeddings in the place of token ids, so that words cannot be told "
            "apart; use --by sentence"
        )
    width = classifier.get_input_embeddings().weight.shape[1]
    scores = tf.range(classifier.config.num_labels, dtype=tf.float32)

    @graph(classifier, [tf.TensorSpec([None, None, width], tf.float32)])
    def traced(embeddings: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            mask = tf.ones(tf.shape(embeddings)[:2], tf.int32)
            outputs = classifier({"inputs_embeds": embeddings, "attention_mask": mask}, training=False)
            expected = tf.linalg.matvec(tf.nn.softmax(outputs.logits), scores)
        return expected, tape.gradient(expected, embeddings)

    def run(embeddings: Floats) -> tuple[Floats, Floats]:
        expected, slope = traced(tf.constant(embeddings))
        return expected.numpy(), slope.numpy()

    return run


@lru_cache(maxsize=1)
def pooled(classifier: Any) -> Callable[[Mapping[str, NDArray[np.int32]]], Floats]:
    """Return a function from ``input_ids`` and ``attention_mask``, int32 ``(rows, length)``, to vectors of essays.

    A vector, float32 ``(hidden_size,)``, is the mean of the last hidden states over the essay's tokens, special ones
    included, scaled to length 1.
    """
    encoder = getattr(classifier, classifier.base_model_prefix)
    names = ("input_ids", "attention_mask")

    @graph(classifier, [dict.fromkeys(names, tf.TensorSpec([None, None], tf.int32))])
    def traced(inputs: Any) -> Any:
        states = encoder(inputs, training=False).last_hidden_state
        mask = tf.cast(inputs["attention_mask"], states.dtype)[:, :, None]
        return tf.math.l2_normalize(tf.reduce_sum(states * mask, axis=1), axis=1)

    return lambda inputs: traced({name: inputs[name] for name in names}).numpy()
