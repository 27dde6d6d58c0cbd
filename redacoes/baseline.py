"""What a model must beat: the class prior, and TF-IDF with logistic regression. Metrics live elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from redacoes.params import Baseline

Floats = NDArray[np.float64]


def class_prior(scores: NDArray[np.int64], classes: int, rows: int) -> Floats:
    """Return the training frequencies of the classes, with one row added to each, for `rows` rows.

    The added row (Laplace) keeps the loss finite when a test essay has a score that training never saw.
    """
    counts = np.bincount(scores, minlength=classes) + 1.0
    return np.tile(counts / counts.sum(), (rows, 1))


def tfidf(
    texts: Sequence[str],
    scores: NDArray[np.int64],
    validation: tuple[Sequence[str], NDArray[np.int64]],
    test: Sequence[str],
    classes: int,
    baseline: Baseline,
) -> tuple[Floats, Floats, float]:
    """Fit TF-IDF with logistic regression, and choose its C by the loss on validation.

    Args:
        texts: Training essays.
        scores: int64 ``(rows,)``: their scores.
        validation: Essays and scores that C is chosen on.
        test: Essays to predict.
        classes: Number of classes.
        baseline: n-grams, vocabulary and the values of C to try.

    Returns:
        Probabilities ``(rows, classes)`` of validation and of test, and the chosen C.
    """
    best: tuple[float, Any, Floats, float] | None = None
    for c in baseline.c:
        model = make_pipeline(
            TfidfVectorizer(
                ngram_range=(1, baseline.ngrams),
                min_df=baseline.min_document_frequency,
                max_features=baseline.max_features,
                sublinear_tf=True,
            ),
            LogisticRegression(C=c, max_iter=baseline.max_iterations),
        )
        model.fit(texts, scores)
        probabilities = _all_classes(model, validation[0], classes)
        loss = float(-np.log(probabilities[np.arange(len(probabilities)), validation[1]]).mean())
        if best is None or loss < best[0]:
            best = (loss, model, probabilities, c)
    assert best is not None  # baseline.c is never empty
    return best[2], _all_classes(best[1], test, classes), best[3]


def _all_classes(model: Any, texts: Sequence[str], classes: int) -> Floats:
    """Spread the model's columns over all classes, with a little for those that training never saw."""
    probabilities = np.full((len(texts), classes), 1e-6)
    probabilities[:, model.classes_] += model.predict_proba(texts)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
