"""The head of a classifier, whatever its family calls it: a hidden layer on the first token, and the classes' layer.

Both are written here so that they compute a softmax regression on the first token's standardised vector. The hidden
layer of a family has a nonlinearity, so the regression is to be fitted on what the hidden layer gives, and is then
exactly what the model computes. That no more is lost than must be, the hidden layer is made nearly linear: a tanh is
kept in its middle, and a ReLU or GELU on its right.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from redacoes.learning.framework import tf

import numpy as np
from numpy.typing import NDArray
from transformers.activations_tf import get_tf_activation

from redacoes.learning import themes
from redacoes.learning.probe import Regression

Floats = NDArray[np.float32]

SQUASHED = 0.5  # standard deviations become this much before a tanh: what is 3 of them away is still told apart
SHIFTED = 3.0  # standard deviations added before a ReLU or GELU, left of which it tells nothing apart


class Head(NamedTuple):
    """The layers of a head.

    Attributes:
        hidden: The dense layer on the first token's hidden state.
        activation: What is applied to its outcome, whether the layer itself does so or the model.
        classes: The dense layer from there to the logits.
    """

    hidden: Any
    activation: Callable[[Any], Any]
    classes: Any

    @property
    def gain(self) -> float:
        """What a standard deviation of the first token is after the hidden layer, where that is linear."""
        return SQUASHED if float(self.activation(tf.constant(1e3))) < 2 else 1.0


def of(model: Any) -> Head:
    """Return the head of a sequence classifier of any of `checkpoint.FAMILIES`."""
    kind = model.config.model_type
    if kind == "distilbert":
        return Head(model.pre_classifier, model.pre_classifier.activation, model.classifier)
    if kind == "bert":
        return Head(model.bert.pooler.dense, model.bert.pooler.dense.activation, model.classifier)
    if kind == "albert":
        return Head(model.albert.pooler, model.albert.pooler.activation, model.classifier)
    if kind in ("deberta", "deberta-v2"):
        return Head(model.pooler.dense, get_tf_activation(model.config.pooler_hidden_act), model.classifier)
    hidden, classes = model.classifier.dense, model.classifier.out_proj
    return Head(hidden, get_tf_activation("gelu") if kind == "electra" else hidden.activation, classes)


def variables(model: Any) -> set[str]:
    """Return the names of the variables that are not the encoder's: those of the classifier, and of a pooler."""
    encoder = f"/{model.base_model_prefix}/"
    return {weight.name for weight in model.weights if encoder not in weight.name or "/pooler/" in weight.name}


def standardise(model: Any, vectors: Floats, groups: NDArray[np.int64] | None = None) -> None:
    """Write the hidden layer of the head, so that it standardises first tokens by the mean and spread of `vectors`.

    Args:
        model: A classifier, which is changed.
        vectors: float32 ``(rows, width)``: the last hidden states of the first tokens of the training essays.
        groups: int64 ``(rows,)``: their groups. What tells themes apart is then taken out as well; see `themes`.
    """
    hidden, gain = of(model).hidden, of(model).gain
    mean, spread = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 1e-6 * (1 + np.abs(mean)), spread, np.inf)  # what never differs tells nothing
    kernel, shift = np.diag(gain / spread), 0.0 if gain == SQUASHED else SHIFTED
    if groups is not None:
        kernel = themes.without(kernel, themes.directions((vectors - mean) / spread, groups))
    bias = shift - mean @ kernel
    units = hidden.kernel.shape[1]  # where the layer is narrower than the encoder, its last units are left out
    hidden.set_weights([kernel[:, :units], bias[:units]])


def features(model: Any, vectors: Floats) -> Floats:
    """Return what the hidden layer of the head gives for first tokens ``(rows, width)``, float32 ``(rows, units)``.

    In float32, with which models are loaded, whatever the training computes in; and divided by the head's gain, so that
    a penalty means the same in every family.
    """
    layers = of(model)
    kernel, bias = layers.hidden.get_weights()
    outcome: Floats = layers.activation(tf.constant(vectors) @ kernel + bias).numpy()
    return outcome / np.float32(layers.gain)


def write(model: Any, regression: Regression) -> None:
    """Write a regression, fitted on what `features` returns, as the layer that gives the logits."""
    layers = of(model)
    layers.classes.set_weights([regression.coefficients / layers.gain, regression.intercepts])
