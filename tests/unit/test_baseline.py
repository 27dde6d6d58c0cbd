"""Baselines: probabilities over all classes, C chosen on validation alone."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from redacoes.errors import UserError
from redacoes.learning import baseline
from tests.support import PARAMS

BASELINE = PARAMS.baseline.model_copy(update={"min_document_frequency": 1})
TEXTS = {
    "train": ["muito bom"] * 6 + ["muito ruim"] * 6,
    "validation": ["bom", "ruim"],
    "test": ["ruim", "bom", "outro"],
}
SCORES = {"train": np.array([9] * 6 + [2] * 6), "validation": np.array([9, 2])}


def test_prior_is_the_training_frequencies_with_one_row_more_of_each() -> None:
    prior = baseline.class_prior(np.array([0, 0, 2]), 4, 2)
    np.testing.assert_allclose(prior, [[3 / 7, 1 / 7, 2 / 7, 1 / 7]] * 2)


def test_tfidf_learns_and_gives_every_class_a_probability() -> None:
    probabilities, c = baseline.tfidf(TEXTS, SCORES, 11, BASELINE)
    assert probabilities["test"].shape == (3, 11)
    np.testing.assert_allclose(probabilities["test"].sum(axis=1), 1)
    assert (probabilities["test"] > 0).all()
    assert probabilities["test"].argmax(axis=1).tolist()[:2] == [2, 9]
    assert c == max(BASELINE.c)  # validation is separable, so the weakest regularisation is best
    reversed_, c = baseline.tfidf(TEXTS, SCORES | {"validation": np.array([2, 9])}, 11, BASELINE)
    assert c == min(BASELINE.c)  # and the strongest where it misleads
    assert reversed_["test"].shape == (3, 11)


def test_one_score_alone_is_what_is_answered() -> None:
    scores = {"train": np.array([5] * 12), "validation": np.array([5, 5])}
    probabilities, _ = baseline.tfidf(TEXTS, scores, 11, BASELINE)
    assert probabilities["test"].argmax(axis=1).tolist() == [5, 5, 5]


def test_too_rare_words_are_said() -> None:
    with pytest.raises(UserError, match="leaves no n-gram"):
        baseline.tfidf(TEXTS, SCORES, 11, BASELINE.model_copy(update={"min_document_frequency": 100}))


def test_the_fit_runs_on_one_thread_whatever_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    class Watched(LogisticRegression):
        def fit(self, *arguments: Any) -> Any:
            threads.update(pool["num_threads"] for pool in threadpool_info())
            return super().fit(*arguments)

    monkeypatch.setattr(baseline, "LogisticRegression", Watched)
    baseline.tfidf(TEXTS, SCORES, 11, BASELINE)
    assert threads == {1}
