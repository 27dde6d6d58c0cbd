"""What a model must beat: the class prior, and TF-IDF with logistic regression. Metrics live elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from redacoes.errors import UserError
from redacoes.params import Baseline

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        UserError: No n-gram stands in as many training essays as it must.
    """
    vectorizer = TfidfVectorizer(
        ngram_range=(1, baseline.ngrams),
        min_df=baseline.min_document_frequency,
        max_features=baseline.max_features,
        sublinear_tf=True,
    )
    try:
        train = vectorizer.fit_transform(texts["train"])
    except ValueError as error:
        raise UserError(f"baseline.min_document_frequency or max_features leaves no n-gram ({error})") from error
    others = {name: vectorizer.transform(texts[name]) for name in ("validation", "test")}
    several = len(np.unique(scores["train"])) > 1  # one score alone is all there is to answer
    tried: dict[float, tuple[float, dict[str, Floats]]] = {}
    for c in baseline.c:
        regression = LogisticRegression(C=c, max_iter=baseline.max_iterations)
        model = (regression if several else DummyClassifier()).fit(train, scores["train"])
        probabilities = {name: _all_classes(model, features, classes) for name, features in others.items()}
        right = probabilities["validation"][np.arange(len(scores["validation"])), scores["validation"]]
        tried[c] = (float(-np.log(right).mean()), probabilities)
    best = min(tried, key=lambda c: tried[c][0])
    return tried[best][1], best


def _all_classes(model: LogisticRegression | DummyClassifier, features: csr_matrix, classes: int) -> Floats:
    """Spread the model's columns over all classes, with a little for those that training never saw."""
    probabilities = np.full((features.shape[0], classes), 1e-6)
    probabilities[:, model.classes_] += model.predict_proba(features)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
