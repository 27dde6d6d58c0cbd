"""Paired comparison of two tables of predictions: what is better, worse, or cannot be told."""

import numpy as np
import pandas as pd
import pytest

from redacoes.errors import UserError
from redacoes.evaluation import metrics
from redacoes.evaluation.comparison import SIGN, crossed, paired
from redacoes.evaluation.decision import softmax
from tests.support import PARAMS

BOOTSTRAP = PARAMS.evaluate.bootstrap.model_copy(update={"samples": 400})
SCORES = np.random.default_rng(0).integers(0, 11, 300)


def table(sharpness: float, seed: int, rows: int = 300) -> pd.DataFrame:
    """Predictions that are the better, the sharper they are."""
    noise = np.random.default_rng(seed).normal(size=(300, 11))
    probabilities = softmax(noise + sharpness * np.eye(11)[SCORES])
    columns = metrics.predictions(np.arange(2, 302), SCORES, probabilities.argmax(axis=1), probabilities)
    return pd.DataFrame(columns).set_index("row").head(rows)


def verdicts(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, str]:
    return {result.metric: result.verdict for result in paired(a, b, 10, BOOTSTRAP)}


def test_every_metric_has_a_direction() -> None:
    assert [result.metric for result in paired(table(1, 1), table(1, 2), 10, BOOTSTRAP)] == list(SIGN)


def test_a_clear_difference_is_said_in_its_direction() -> None:
    good, bad = table(3, 1), table(1, 2)
    names = set(SIGN) - {"ece"}
    upwards, downwards = verdicts(bad, good), verdicts(good, bad)
    assert {upwards[name] for name in names} == {"better"}
    assert {downwards[name] for name in names} == {"worse"}


def test_noise_is_not_called_progress() -> None:
    found = verdicts(table(2, 1), table(2, 2))
    assert found["qwk"] == "not distinguishable on 300 essays"
    assert verdicts(table(2, 1), table(2, 1)) == dict.fromkeys(SIGN, "not distinguishable on 300 essays")


def test_values_are_those_of_the_reports_and_rows_are_paired_by_id() -> None:
    a, b = table(2, 1), table(2.5, 2)
    results = {result.metric: result for result in paired(a, b, 10, BOOTSTRAP)}
    for values, side in ((a, "a"), (b, "b")):
        probabilities = values.filter(like="p_").drop(columns="predicted", errors="ignore").to_numpy()
        report = metrics.report(SCORES, values["predicted"].to_numpy(), probabilities, 10)
        assert {name: getattr(result, side) for name, result in results.items()} == pytest.approx(
            {name: report[name] for name in results}, abs=1e-6
        )
    assert results["loss"].low < results["loss"].difference < results["loss"].high
    shuffled = b.sample(frac=1, random_state=3)
    assert paired(a, shuffled, 10, BOOTSTRAP) == list(results.values())


def test_pairing_narrows_the_interval() -> None:
    a = table(2, 1)
    b = a.copy()
    b.loc[b.index[:10], "predicted"] = b["score"].iloc[:10]  # ten essays graded right, all else alike
    [qwk] = [result for result in paired(a, b, 10, BOOTSTRAP) if result.metric == "qwk"]
    alone = metrics.intervals(SCORES, a["predicted"].to_numpy(), a.filter(regex="p_[0-9]").to_numpy(), 10, BOOTSTRAP)
    assert qwk.high - qwk.low < (alone["qwk"]["high"] - alone["qwk"]["low"]) / 2


def test_other_essays_are_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match=r"different essays \(300 and 200, 200 of them the same\)"):
        paired(table(2, 1), table(2, 1, rows=200), 10, BOOTSTRAP)
    other = table(2, 1)
    other.iloc[:3, other.columns.get_loc("score")] += 1
    with pytest.raises(UserError, match="true scores of 3 test essays differ"):
        paired(table(2, 1), other, 10, BOOTSTRAP)
    with pytest.raises(UserError, match="different classes"):
        paired(table(2, 1), table(2, 1).drop(columns="p_10"), 10, BOOTSTRAP)


def test_an_undefined_metric_is_said() -> None:
    same = table(2, 1)
    same["score"] = same["predicted"] = 5
    [qwk] = [result for result in paired(same, same, 10, BOOTSTRAP) if result.metric == "qwk"]
    assert (qwk.a, qwk.difference, qwk.verdict) == (None, None, "undefined on 300 essays")


def crossval(sharpness: float, seed: int, repeats: int = 1) -> pd.DataFrame:
    """As `Revision.crossval` returns it: two folds, ten units, every repeat the same."""
    once = table(sharpness, seed, rows=200).reset_index(names="row")
    once = once.assign(fold=once["row"] % 2 + 1, unit=once["row"] % 10)
    return pd.concat(once.assign(repeat=number + 1) for number in range(repeats)).set_index(["repeat", "row"])


def test_cross_validations_are_paired_and_repeats_are_no_further_essays() -> None:
    once, twice = (crossed(crossval(1, 1, n), crossval(3, 2, n), 10, BOOTSTRAP) for n in (1, 2))
    assert [result.metric for result in once] == list(SIGN)
    for one, two in zip(once, twice, strict=True):
        assert (one.essays, one.verdict) == (two.essays, two.verdict)
        assert (one.a, one.low, one.high) == pytest.approx((two.a, two.low, two.high))
    qwk = next(result for result in once if result.metric == "qwk")
    assert (qwk.essays, qwk.verdict) == (200, "better")
    same = crossed(crossval(1, 1, 2), crossval(1, 1, 2), 10, BOOTSTRAP)
    assert {result.verdict for result in same} == {"not distinguishable on 200 essays"}


def test_other_folds_are_refused() -> None:
    other = crossval(1, 1).assign(fold=1)
    with pytest.raises(UserError, match="different folds"):
        crossed(crossval(1, 1), other, 10, BOOTSTRAP)
