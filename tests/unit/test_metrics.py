"""Metrics against scikit-learn, bootstrap intervals against the rows they stand for, and the decision rule."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, log_loss, mean_absolute_error

from redacoes.evaluation import metrics
from redacoes.evaluation.decision import Decision, expected_score, softmax
from tests.support import PARAMS

BOOTSTRAP = PARAMS.evaluate.bootstrap.model_copy(update={"samples": 300})


def draw(seed: int, rows: int = 60, classes: int = 11):
    random = np.random.default_rng(seed)
    scores = random.integers(0, classes, rows)
    return scores, softmax(random.normal(size=(rows, classes)) + 2 * np.eye(classes)[scores])


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_metrics_equal_those_of_scikit_learn(seed: int) -> None:
    scores, probabilities = draw(seed)
    predicted = probabilities.argmax(axis=1)
    report = metrics.report(scores, predicted, probabilities, 10)
    expected = {
        "loss": log_loss(scores, probabilities, labels=range(11)),
        "accuracy": accuracy_score(scores, predicted),
        "qwk": cohen_kappa_score(scores, predicted, weights="quadratic", labels=range(11)),
        "mae": mean_absolute_error(scores, predicted),
        "rmse": float(np.sqrt(((scores - predicted) ** 2).mean())),
        "macro_f1": f1_score(scores, predicted, average="macro"),
        "weighted_f1": f1_score(scores, predicted, average="weighted"),
        "adjacent_accuracy": (abs(scores - predicted) <= 1).mean(),
        "off_by_more_than_two": (abs(scores - predicted) > 2).mean(),
    }
    assert {name: report[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_a_sample_of_weights_is_the_metric_of_the_rows_drawn() -> None:
    scores, probabilities = draw(1)
    predicted = probabilities.argmax(axis=1)
    drawn = np.random.default_rng(0).integers(0, len(scores), len(scores))
    weights = np.bincount(drawn, minlength=len(scores)).astype(float)[None]
    weighted = metrics.compute(scores, predicted, probabilities, 10, weights)
    direct = metrics.compute(scores[drawn], predicted[drawn], probabilities[drawn], 10)
    for name, value in direct.items():
        assert weighted[name] == pytest.approx(value), name


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    scores = np.array([0, 1, 1, 1])
    report = metrics.report(scores, probabilities.argmax(axis=1), probabilities, 10)
    assert report["ece"] == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)


def test_reliability_by_hand() -> None:
    probabilities = np.array([[0.2, 0.0, 0.8], [0.1, 0.75, 0.15], [0.1, 0.1, 0.8]])
    bins = metrics.reliability(np.array([2, 1, 0]), probabilities, 10)
    by_number = [(found["statements"], found["probability"], found["frequency"]) for found in bins]
    # at least 1: 0.8 (true), 0.9 (true), 0.9 (false); at least 2: 0.8 (true), 0.15 (false), 0.8 (false)
    np.testing.assert_allclose(by_number, [(1, 0.15, 0), (3, 0.8, 2 / 3), (2, 0.9, 1 / 2)])


def test_a_calibrated_model_is_reliable() -> None:
    random = np.random.default_rng(5)
    probabilities = softmax(random.normal(size=(4000, 11)) * 2)
    scores = np.array([random.choice(11, p=row) for row in probabilities])
    for found in metrics.reliability(scores, probabilities, 10):
        assert found["frequency"] == pytest.approx(found["probability"], abs=0.04)
    assert metrics.report(scores, probabilities.argmax(axis=1), probabilities, 10)["ece"] < 0.03


def test_memory_of_a_kappa_does_not_grow_with_the_pairs_of_scores() -> None:
    scores = np.arange(20_000) % 101
    tracemalloc.start()
    try:
        kappas = metrics.kappa(scores, scores[::-1], 101, np.ones((2, len(scores))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kappas == pytest.approx([cohen_kappa_score(scores, scores[::-1], weights="quadratic")] * 2)
    assert peak < 50_000_000  # a table of essays and pairs would take 1.6 GB


def test_confusion_has_every_pair_of_scores() -> None:
    cells = metrics.confusion(np.array([0, 2, 2]), np.array([0, 1, 1]), 3)
    assert [(cell["score"], cell["predicted"]) for cell in cells] == [(t, p) for t in range(3) for p in range(3)]
    assert {(c["score"], c["predicted"]): c["essays"] for c in cells if c["essays"]} == {(0, 0): 1, (2, 1): 2}


def test_an_undefined_metric_is_null_with_the_reason() -> None:
    probabilities = np.tile([0.2, 0.8], (5, 1))
    ones = np.ones(5, dtype=int)
    report = metrics.report(ones, ones, probabilities, 10)
    assert report["qwk"] is None
    assert "one and the same score" in report["undefined"]["qwk"]
    intervals = metrics.intervals(ones, ones, probabilities, 10, BOOTSTRAP)
    assert intervals["qwk"] is None
    assert intervals["undefined"] == report["undefined"]
    json.dumps(report, allow_nan=False)


def test_intervals_hold_the_point_and_are_seeded() -> None:
    scores, probabilities = draw(2, rows=200)
    values = (scores, probabilities.argmax(axis=1), probabilities, 10)
    point, intervals = metrics.report(*values), metrics.intervals(*values, BOOTSTRAP)
    for name in ("qwk", "accuracy", "mae", "loss"):
        assert intervals[name]["low"] < point[name] < intervals[name]["high"]
    assert intervals == metrics.intervals(*values, BOOTSTRAP)


def test_linear_equating_gives_validation_the_mean_and_spread_of_its_scores() -> None:
    scores, probabilities = draw(3, rows=400)
    decision = Decision.fit("linear", probabilities, scores)
    stretched = decision.slope * expected_score(probabilities) + decision.intercept
    assert (stretched.mean(), stretched.std()) == pytest.approx((scores.mean(), scores.std()))
    constant = np.tile([0.5, 0.5], (4, 1))
    assert Decision.fit("linear", constant, np.array([0, 1, 1, 1])).apply(constant).tolist() == [1] * 4


def test_rules() -> None:
    probabilities = np.array([[0.4, 0.0, 0.6], [0.5, 0.0, 0.5]])
    assert Decision("argmax").apply(probabilities).tolist() == [2, 0]
    assert Decision("expected").apply(probabilities).tolist() == [1, 1]
