"""Baselines: the class prior, TF-IDF, the text's surface, and the surface with the frozen encoder's vectors."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from redacoes.essays import surface
from redacoes.evaluation.ordinal import ProportionalOdds
from redacoes.learning import themes
from redacoes.learning.text_regression import TextRegression, penalised, squared, vectorise
from redacoes.params import Baseline

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
OTHERS = ("validation", "test")
ENCODER_SHARE = 0.5  # scale of an encoder axis relative to a surface feature, tuned on real essays


class ByText(NamedTuple):
    """A text regression, and what it makes of the essays.

    Attributes:
        regression: The regression.
        numbers: Its scores, float64 ``(rows,)`` in points, of validation and test, and of train, each essay left out.
        probabilities: Float64 ``(rows, classes)``, of validation and test.
    """

    regression: TextRegression
    numbers: dict[str, Floats]
    probabilities: dict[str, Floats]


def class_prior(scores: Integers, classes: int, rows: int) -> Floats:
    """Return the training frequencies of the classes, with one row added to each, for `rows` rows.

    The added row (Laplace) keeps the loss finite when a test essay has a score that training never saw.
    """
    counts = np.bincount(scores, minlength=classes) + 1.0
    return np.tile(counts / counts.sum(), (rows, 1))


def tfidf(
    texts: Mapping[str, Sequence[str]], scores: Mapping[str, Integers], classes: int, baseline: Baseline
) -> tuple[dict[str, Floats], float]:
    """Fit TF-IDF with logistic regression on train, and choose its C by the loss on validation.

    Args:
        texts: The essays of train, validation and test.
        scores: int64 ``(rows,)``: the scores of train and validation.
        classes: Number of classes.
        baseline: n-grams, vocabulary and the values of C to try.

    Returns:
        Probabilities ``(rows, classes)`` of validation and test, and the chosen C.

    Raises:
        UserError: No n-gram is in enough training essays.
    """
    vectorizer = vectorise(texts["train"], baseline)
    train = vectorizer.transform(texts["train"])
    others = {name: vectorizer.transform(texts[name]) for name in OTHERS}
    several = len(np.unique(scores["train"])) > 1  # with one score there is nothing to fit
    tried: dict[float, tuple[float, dict[str, Floats]]] = {}
    for c in baseline.c:
        regression = LogisticRegression(C=c, max_iter=baseline.max_iterations)
        # one thread: two take longer on products this small, and the bytes must not depend on the processors
        with threadpool_limits(1):
            model = (regression if several else DummyClassifier()).fit(train, scores["train"])
        probabilities = {name: _all_classes(model, features, classes) for name, features in others.items()}
        right = probabilities["validation"][np.arange(len(scores["validation"])), scores["validation"]]
        tried[c] = (float(-np.log(right).mean()), probabilities)
    best = min(tried, key=lambda c: tried[c][0])
    return tried[best][1], best


def by_text(
    texts: Mapping[str, Sequence[str]],
    scores: Mapping[str, Integers],
    classes: int,
    words: Baseline | None,
    groups: Integers | None = None,
) -> ByText:
    """Fit a text regression on train.

    Its scores become probabilities by its odds, which are fitted on left-out training essays: validation is not used.

    Args:
        texts: The essays of train, validation and test.
        scores: int64 ``(rows,)``: the scores of train.
        classes: Number of classes.
        words: n-grams and vocabulary of TF-IDF; None for the surface alone.
        groups: int64 ``(rows,)``: the groups of train, as `TextRegression.fit` takes them.

    Returns:
        The regression, and what it makes of the essays.
    """
    regression, left_out = TextRegression.fit(texts["train"], scores["train"], classes - 1, words, groups)
    numbers = {name: regression.predict(texts[name]) for name in OTHERS}
    assert regression.odds
    probabilities = {name: regression.odds.probabilities(found[:, None]) for name, found in numbers.items()}
    return ByText(regression, {"train": left_out, **numbers}, probabilities)


def by_encoder(
    texts: Mapping[str, Sequence[str]],
    scores: Mapping[str, Integers],
    classes: int,
    vectors: Mapping[str, Floats],
    groups: Integers | None = None,
) -> dict[str, Floats]:
    """Fit a regression on the surface and a frozen encoder's vectors, as :func:`by_text` does on the text.

    Args:
        texts: The essays of train, validation and test.
        scores: int64 ``(rows,)``: the scores of train.
        classes: Number of classes.
        vectors: Of each part, ``(rows, width)``.
        groups: int64 ``(rows,)``: the groups of train, as in :func:`by_text`.

    Returns:
        Probabilities ``(rows, classes)`` of validation and test.
    """
    numbers = {name: surface.features(part) for name, part in texts.items()}
    surfaces = _scale(numbers["train"])
    mean, spread = _scale(vectors["train"])
    of = np.arange(len(scores["train"])) if groups is None else groups
    taken = themes.directions((vectors["train"] - mean) / spread, of)

    def known(name: str) -> Floats:
        of_encoder = themes.without((vectors[name] - mean) / spread, taken)
        return np.hstack([squared(numbers[name], *surfaces), ENCODER_SHARE * of_encoder])

    ridge, left_out = penalised(known("train"), scores["train"], of)
    odds = ProportionalOdds.fit(left_out[:, None], scores["train"], classes)
    return {name: odds.probabilities(ridge.predict(known(name))[:, None]) for name in OTHERS}


def _scale(numbers: Floats) -> tuple[Floats, Floats]:
    spread = numbers.std(axis=0)
    return numbers.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)


def _all_classes(model: LogisticRegression | DummyClassifier, features: csr_matrix, classes: int) -> Floats:
    """Spread the model's columns over all classes, with a small probability for classes that training lacks."""
    probabilities = np.full((features.shape[0], classes), 1e-6)
    probabilities[:, model.classes_] += model.predict_proba(features)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
