"""The head of a classifier of any family: a hidden layer on the first token, and the layer of the classes.

Both are set so that they compute a softmax regression on the first token's standardised vector. The hidden layer has a
nonlinearity, so the regression is fitted on the output of the hidden layer; then it is exactly what the model computes.
To lose little, the hidden layer is made nearly linear: a tanh stays near 0, and a ReLU or GELU on the positive side.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from redacoes.learning.framework import tf

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from transformers.activations_tf import get_tf_activation

from redacoes.learning import themes
from redacoes.learning.probe import Regression, fit

Floats = NDArray[np.float32]

SQUASHED = 0.5  # one standard deviation before a tanh: at 3 of them it is not yet flat
FOLDS, SEED = 5, 0  # of `left_out`
SHIFTED = 3.0  # standard deviations added before a ReLU or GELU, which is flat below 0


class Head(NamedTuple):
    """The layers of a head.

    Attributes:
        hidden: The dense layer on the first token's hidden state.
        activation: The activation after it, in the layer or in the model.
        classes: The dense layer that gives the logits.
    """

    hidden: Any
    activation: Callable[[Any], Any]
    classes: Any

    @property
    def gain(self) -> float:
        """One standard deviation of the first token after the hidden layer, where that is linear."""
        return SQUASHED if float(self.activation(tf.constant(1e3))) < 2 else 1.0


class Probed(NamedTuple):
    """The result of fitting a head.

    Attributes:
        metrics: Losses and accuracies; empty if it was not fitted.
        left_out: Logits of the training rows, float64 ``(rows, classes)``, each by a head fitted without the row; None
            if more than the head is trained, so that the model has seen them all.
    """

    metrics: dict[str, float]
    left_out: NDArray[np.float64] | None


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
    """Return the names of the head's variables: those of the classifier and of a pooler."""
    encoder = f"/{model.base_model_prefix}/"
    return {weight.name for weight in model.weights if encoder not in weight.name or "/pooler/" in weight.name}


def standardise(model: Any, vectors: Floats, groups: NDArray[np.int64] | None = None) -> None:
    """Write the hidden layer of the head, so that it standardises first tokens by the mean and spread of `vectors`.

    Args:
        model: A classifier, which is changed.
        vectors: float32 ``(rows, width)``: the last hidden states of the first tokens of the training essays.
        groups: int64 ``(rows,)``: their groups. Themes are then projected out as well; see `themes`.
    """
    hidden, gain = of(model).hidden, of(model).gain
    mean, spread = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 1e-6 * (1 + np.abs(mean)), spread, np.inf)  # constant features have no weight
    kernel, shift = np.diag(gain / spread), 0.0 if gain == SQUASHED else SHIFTED
    if groups is not None:
        kernel = themes.without(kernel, themes.directions((vectors - mean) / spread, groups))
    bias = shift - mean @ kernel
    units = hidden.kernel.shape[1]  # a narrower layer leaves out the encoder's last units
    hidden.set_weights([kernel[:, :units], bias[:units]])


def features(model: Any, vectors: Floats) -> Floats:
    """Return the hidden layer's output for first tokens ``(rows, width)``, float32 ``(rows, units)``.

    It is computed in float32, as in a loaded model, whatever the precision of training. It is divided by the head's
    gain, so that a penalty has the same effect in every family.
    """
    layers = of(model)
    kernel, bias = layers.hidden.get_weights()
    outcome: Floats = layers.activation(tf.constant(vectors) @ kernel + bias).numpy()
    return outcome / np.float32(layers.gain)


def left_out(
    model: Any,
    vectors: Floats,
    targets: NDArray[np.floating],
    weights: NDArray[np.floating],
    penalty: float,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float64] | None:
    """Return the logits of each training essay by a head that was fitted without it, float64 ``(rows, classes)``.

    The essays are divided into `FOLDS` folds, at random or by group.

    Args:
        model: A classifier, whose hidden layer is changed.
        vectors: float32 ``(rows, width)``: the last hidden states of the first tokens of the training essays.
        targets: ``(rows, classes)``: their target distributions.
        weights: ``(rows,)``: their weights.
        penalty: That of the head itself.
        groups: int64 ``(rows,)``: their groups, as in `standardise`. None is returned if there is only one.
    """
    units = np.arange(len(vectors)) if groups is None else groups
    if (count := len(np.unique(units))) < 2:
        return None
    logits = np.empty(targets.shape, np.float64)
    folds = GroupKFold(min(FOLDS, count), shuffle=True, random_state=SEED)
    for rest, out in folds.split(vectors, groups=units):
        standardise(model, vectors[rest], None if groups is None else groups[rest])
        known = features(model, vectors)
        logits[out] = fit(known[rest], targets[rest], weights[rest], penalty).logits(known[out])
    return logits


def write(model: Any, regression: Regression) -> None:
    """Write a regression, fitted on the result of `features`, into the layer that gives the logits."""
    layers = of(model)
    layers.classes.set_weights([regression.coefficients / layers.gain, regression.intercepts])
