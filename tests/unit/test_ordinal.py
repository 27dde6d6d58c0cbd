"""Proportional odds and the rule ordinal: recovered, calibrated, monotone, and steady where essays are few."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from redacoes.errors import UserError
from redacoes.evaluation import ordinal
from redacoes.evaluation.decision import Decision, alone, expected_score, known
from redacoes.evaluation.metrics import compute
from redacoes.evaluation.ordinal import ProportionalOdds
from redacoes.inference import metadata

TRUE = ProportionalOdds((1.5, 0.7), (-3.0, -1.0, 0.0, 2.0))


def draw(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, 2))
    below = TRUE.probabilities(numbers).cumsum(axis=1)
    return numbers, (random.random((rows, 1)) > below).sum(axis=1)


def test_what_drew_the_scores_is_found_again() -> None:
    found = ProportionalOdds.fit(*draw(20_000), 5)
    assert found.weights == pytest.approx(TRUE.weights, abs=0.1)
    assert found.thresholds == pytest.approx(TRUE.thresholds, abs=0.1)


def test_the_probabilities_are_those_of_the_formula() -> None:
    numbers = np.array([[0.5, -1.0], [3.0, 2.0]])
    below = 1 / (1 + np.exp(numbers @ TRUE.weights - np.array(TRUE.thresholds)[:, None]))
    assert TRUE.probabilities(numbers).cumsum(axis=1)[:, :-1] == pytest.approx(below.T)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000), st.integers(1, 40))
def test_any_few_essays_give_probabilities_that_rise_with_the_numbers(classes: int, seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    numbers, scores = random.normal(5, 2, (rows, 2)).round(1), random.integers(0, classes, rows)
    found = ProportionalOdds.fit(numbers, scores, classes)
    assert min(found.weights) >= 0
    assert np.all(np.diff(found.thresholds) > 0)
    line = np.linspace(-1e4, 1e4, 41)[:, None] * np.ones(2)
    probabilities = found.probabilities(np.vstack([line, numbers]))
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities[41:] > 0).all()  # of every class, also those that none has
    assert (np.diff(expected_score(probabilities[:41])) >= -1e-9).all()


def test_the_fit_is_an_optimum() -> None:
    """The penalised likelihood, written down again without any trick, is flat where the fit has ended."""
    numbers, scores = draw(60)
    found = ProportionalOdds.fit(numbers, scores, 6)  # no essay has the last class

    def likelihood(values: np.ndarray) -> float:
        odds = ProportionalOdds(tuple(values[:2]), tuple(values[2:]))
        mean = odds.probabilities(numbers.mean(axis=0)[None])[0]
        own = odds.probabilities(numbers)[np.arange(60), scores]
        penalty = ordinal.PENALTY / 2 * ((values[:2] * numbers.std(axis=0)) ** 2).sum()
        return float(np.log(own).sum() + ordinal.UNSEEN * np.log(mean).sum() - penalty)

    assert approx_fprime(np.array([*found.weights, *found.thresholds]), likelihood, 1e-6) == pytest.approx(0, abs=1e-3)


def test_what_is_a_little_different_by_chance_is_not_blown_up() -> None:
    """The expected scores of a model that has learnt nothing are all nearly the same."""
    numbers, scores = draw(100)
    found = ProportionalOdds.fit(np.column_stack([numbers[:, 0] * 1e-3, numbers[:, 1]]), scores, 5)
    assert found.weights[0] * 1e-3 < 0.02  # by standard deviation; it would be 1.5


def test_numbers_that_tell_nothing_weigh_nothing() -> None:
    scores = np.array([0, 1, 1, 2] * 20)
    found = ProportionalOdds.fit(np.column_stack([np.full(80, 3.0), -scores]), scores, 4)
    assert found.weights == (0.0, 0.0)  # the same for all; and higher for the worse
    shares = found.probabilities(np.array([[3.0, 0.0]]))[0]
    assert shares == pytest.approx((np.array([20, 40, 20, 0]) + ordinal.UNSEEN) / (80 + 4 * ordinal.UNSEEN), abs=1e-4)


@pytest.mark.parametrize("change", [{}, {"STEADY": 1e-3, "PENALTY": 1e-3}])
def test_what_extends_odds_is_an_optimum(change: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in change.items():
        monkeypatch.setattr(ordinal, name, value)
    numbers, scores = draw(80)
    numbers = numbers * 2 + 5
    alone = ProportionalOdds.fit(numbers[:, 1:], scores, 5)
    found = alone.extended(numbers, scores)
    mean = numbers.mean(axis=0)
    known = np.array(alone.thresholds) - alone.weights[0] * mean[1]

    def likelihood(values: np.ndarray) -> float:
        factor, shift, *weights = values
        odds = ProportionalOdds(tuple(weights), tuple(np.exp(factor) * known + shift + weights @ mean))
        own = odds.probabilities(numbers)[np.arange(80), scores]
        changed = (np.array(weights) - [0.0, *alone.weights]) * numbers.std(axis=0)
        penalty = ordinal.STEADY / 2 * (factor**2 + shift**2) + ordinal.PENALTY / 2 * (changed**2).sum()
        return float(np.log(own).sum() - penalty)

    distances = np.array(found.thresholds) - found.weights @ mean
    factor = np.ptp(distances) / np.ptp(known)
    optimum = np.array([np.log(factor), distances[0] - factor * known[0], *found.weights])
    assert distances == pytest.approx(factor * known + optimum[1])
    assert approx_fprime(optimum, likelihood, 1e-6) == pytest.approx(0, abs=1e-3)


def test_with_few_essays_it_is_better_to_extend_odds_than_to_fit_them_anew() -> None:
    """On average over twenty draws of 40 essays, whether the new number tells something or nothing."""
    numbers, scores = draw(2000)
    alone = ProportionalOdds.fit(numbers[:, 1:], scores, 5)
    for told in ([1, 1], [0, 1]):
        new, true = draw(2000, 1)
        losses = []
        for seed in range(20):
            known, few = draw(40, 2 + seed)
            odds = alone.extended(known * told, few), ProportionalOdds.fit(known * told, few, 5)
            losses.append([-np.log(one.probabilities(new * told)[np.arange(2000), true]).mean() for one in odds])
        extended, anew = np.mean(losses, axis=0)
        assert extended < anew - 0.01


def of_text(rows: int, seed: int) -> ProportionalOdds:
    """The odds of the text alone, from essays of their own."""
    _, numbers, scores = halves(rows, seed)
    return ProportionalOdds.fit(numbers[:, None], scores, 11)


def halves(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two halves: a model's probabilities tell the one, a text's numbers the other."""
    random = np.random.default_rng(seed)
    of_model, of_text = random.normal(size=rows), random.normal(size=rows)
    scores = np.clip((5 + 1.3 * (of_model + of_text) + random.normal(0, 0.5, rows)).round(), 0, 10).astype(int)
    distance = (np.arange(11) - (5 + 1.3 * of_model[:, None])) ** 2
    probabilities = np.exp(-distance / 2)
    return probabilities / probabilities.sum(axis=1, keepdims=True), 5 + 1.3 * of_text, scores


def kappa(decision: Decision, of: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    predicted, probabilities = decision.decide(of[0], of[1])
    return float(compute(of[2], predicted, probabilities, 10)["qwk"][0])


def test_ordinal_knows_what_model_and_text_know_by_halves() -> None:
    validation, test = halves(150, 1), halves(2000, 2)
    odds = of_text(600, 6)
    fitted = Decision.fit("ordinal", validation[0], validation[2], validation[1], odds)
    text_alone = Decision.fit("ordinal", np.full_like(validation[0], 1 / 11), validation[2], validation[1], odds)
    blind = (np.full_like(test[0], 1 / 11), *test[1:])
    linear = kappa(Decision.fit("linear", validation[0], validation[2]), test)
    assert kappa(fitted, test) > max(linear, kappa(text_alone, blind)) + 0.15
    # calibrated: what it holds for probable is so
    predicted, probabilities = fitted.decide(test[0], test[1])
    measured = compute(test[2], predicted, probabilities, 10)
    assert measured["ece"][0] < 0.06
    assert measured["loss"][0] < compute(test[2], predicted, test[0], 10)["loss"][0] - 0.2
    # its scores have the mean and the spread of the true ones
    on_validation = fitted.decide(validation[0], validation[1])[0]
    assert on_validation.std() == pytest.approx(validation[2].std(), rel=0.1)


def test_ordinal_is_fitted_on_training_essays_too_if_it_is_known_what_they_get_unseen() -> None:
    parts = {"train": halves(300, 7), "validation": halves(100, 1), "test": halves(50, 2)}
    probabilities, numbers, scores = ({name: part[place] for name, part in parts.items()} for place in range(3))
    for rule, rows in (("ordinal", 400), ("linear", 100), ("argmax", 100)):
        of_all = known(rule, probabilities, scores, numbers)
        assert [len(values) for values in of_all[:2]] == [rows, rows]
        np.testing.assert_array_equal(of_all[1][-100:], scores["validation"])
    np.testing.assert_array_equal(known("ordinal", probabilities, scores, numbers)[2][:300], numbers["train"])
    del probabilities["train"]  # the model has seen them
    of_validation = known("ordinal", probabilities, scores, numbers)
    for found, of in zip(of_validation, (probabilities, scores, numbers), strict=True):
        np.testing.assert_array_equal(found, of["validation"])


def test_without_numbers_ordinal_is_refused_and_baselines_are_equated() -> None:
    probabilities, numbers, scores = halves(30, 3)
    with pytest.raises(ValueError, match="text regression"):
        Decision.fit("ordinal", probabilities, scores, numbers)
    with pytest.raises(ValueError, match="text regression"):
        Decision.fit("ordinal", probabilities, scores, None, of_text(30, 3))
    with pytest.raises(ValueError, match="text regression"):
        Decision.fit("ordinal", probabilities, scores, numbers, of_text(30, 3)).decide(probabilities)
    assert [alone(rule) for rule in ("argmax", "expected", "linear", "ordinal")] == [
        "argmax",
        "expected",
        "linear",
        "linear",
    ]


@pytest.mark.parametrize("rule", ["argmax", "expected", "linear"])
def test_other_rules_are_as_they_were(rule: str, tmp_path) -> None:
    probabilities, numbers, scores = halves(50, 4)
    decision = Decision.fit(rule, probabilities, scores, numbers)
    assert decision.to_dict().keys() == {"rule", "slope", "intercept"}
    predicted, kept = decision.decide(probabilities, numbers)
    assert kept is probabilities
    assert (predicted == decision.apply(probabilities)).all()
    (tmp_path / "scorer").mkdir()
    (tmp_path / "decision.json").write_text(json.dumps(decision.to_dict()))
    assert metadata.load_decision(tmp_path / "scorer") == decision
    assert metadata.load_text(tmp_path / "scorer", decision) is None


def test_ordinal_is_read_as_it_was_written(tmp_path) -> None:
    probabilities, numbers, scores = halves(50, 5)
    decision = Decision.fit("ordinal", probabilities, scores, numbers, of_text(50, 5))
    (tmp_path / "decision.json").write_text(json.dumps(decision.to_dict()))
    assert metadata.load_decision(tmp_path) == decision
    with pytest.raises(UserError, match=r"surface\.json and surface\.safetensors"):
        metadata.load_text(tmp_path, decision)


@pytest.mark.parametrize(
    "change",
    [{"odds": None}, {"odds": {"weights": [1.0], "thresholds": [0.0]}}, {"odds": {"weights": [1.0, 1.0]}}, {"rule": "linear"}],
)  # fmt: skip
def test_a_damaged_rule_is_refused(change: dict, tmp_path) -> None:
    values = {"rule": "ordinal", "slope": 1.0, "intercept": 0.0, "odds": {"weights": [1.0, 2.0], "thresholds": [0.0]}}
    (tmp_path / "decision.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(UserError, match=r"decision\.json"):
        metadata.load_decision(tmp_path)
