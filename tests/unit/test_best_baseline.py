"""Whether a model is better than the best baseline, and who is told when it is not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from redacoes.cli.commands import inspect
from redacoes.evaluation import comparison
from redacoes.evaluation.decision import Decision
from redacoes.evaluation.metrics import compute
from redacoes.evaluation.ordinal import ProportionalOdds
from redacoes.params import Bootstrap
from redacoes.release import card
from redacoes.web import model_view
from tests.support import PARAMS

BOOTSTRAP = Bootstrap(samples=300, confidence=0.95, seed=1)


def near(scores: np.ndarray, spread: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, spread, len(scores))
    return np.clip((scores + noise).round(), 0, 10).astype(int)


def drawn(model: float, good: float, bad: float, rows: int = 300) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """A model and two baselines that are off by so much, of which `surface` is better on validation."""
    predicted, tables = {}, []
    for seed, part in enumerate(("validation", "test")):
        scores = np.random.default_rng(seed).integers(0, 11, rows)
        predicted[part] = near(scores, model, 10 + seed)
        others = {"tfidf": near(scores, bad, 20 + seed), "surface": near(scores, good, 30 + seed)}
        tables.append(pd.DataFrame({"part": part, "row": np.arange(rows), "score": scores, **others}))
    return predicted, pd.concat(tables)


def qwk(scores: np.ndarray, predicted: np.ndarray) -> float:
    return float(compute(scores, predicted, np.full((len(scores), 11), 1 / 11), 10)["qwk"][0])


def test_the_difference_is_that_to_the_baseline_that_is_best_on_validation() -> None:
    predicted, baselines = drawn(1.0, 2.0, 4.0)
    found = comparison.with_best_baseline(predicted, baselines, 11, BOOTSTRAP)
    assert found["name"] == "surface"
    for part, table in baselines.groupby("part"):
        scores = table["score"].to_numpy()
        ours, its = qwk(scores, predicted[part]), qwk(scores, table["surface"].to_numpy())
        assert found[part]["qwk"] == pytest.approx(ours, abs=1e-6)
        assert found[part]["baseline_qwk"] == pytest.approx(its, abs=1e-6)
        assert found[part]["difference"] == pytest.approx(ours - its, abs=2e-6)
        assert 0 < found[part]["low"] < found[part]["difference"] < found[part]["high"]
    assert comparison.shortfall(found) == ""


def test_the_interval_is_paired() -> None:
    """What is the same for both is no chance: a model that is its baseline differs by exactly nothing."""
    _, baselines = drawn(1.0, 2.0, 4.0)
    same = {part: table["surface"].to_numpy() for part, table in baselines.groupby("part")}
    found = comparison.with_best_baseline(same, baselines, 11, BOOTSTRAP)
    assert found["test"]["difference"] == found["test"]["low"] == found["test"]["high"] == 0
    assert comparison.shortfall(found)


def test_a_kappa_that_is_undefined_is_null_and_told_of() -> None:
    _, baselines = drawn(1.0, 2.0, 4.0, rows=6)
    constant = baselines.assign(score=5, tfidf=5, surface=5)
    found = comparison.with_best_baseline({"validation": np.full(6, 5), "test": np.full(6, 5)}, constant, 11, BOOTSTRAP)
    assert found["test"] == {"qwk": None, "baseline_qwk": None, "difference": None, "low": None, "high": None}
    assert "cannot be compared with TF-IDF" in comparison.shortfall(found)
    assert "undefined" in comparison.shown(found)


@pytest.fixture
def worse() -> dict:
    return comparison.with_best_baseline(*drawn(4.0, 2.0, 5.0), 11, BOOTSTRAP)


def test_a_model_that_is_no_better_is_told_of_in_a_sentence(worse: dict) -> None:
    mine, its = (f"{worse['validation'][key]:.2f}" for key in ("qwk", "baseline_qwk"))
    assert comparison.shortfall(worse) == (
        f"on validation the model is not better than the text's surface ({mine} against {its}): see docs/real-essays.md"
    )


def run_of(best: dict | None) -> dict:
    return {
        "revision": "workspace",
        "commit": {"hash": "0" * 40, "date": "2026-01-01T00:00:00", "subject": "One"},
        "parameters": PARAMS.model_dump(mode="json"),
        "data": {"file": "a.csv", "md5": "1", "from": "b", "rows": {"read": 1, "kept": 1}, "splits": {"test": 1}},
        "environment": dict.fromkeys(("transformers", "tensorflow", "tf-keras"), "1"),
        "metrics": {name: {"value": 0.1, "low": 0.0, "high": 0.2} for name in card.METRICS},
        "best_baseline": best,
    }


def card_of(found: dict, decision: Decision) -> list[str]:
    """The Portuguese and the English part of the card."""
    made_by = {"commit": "0" * 40, "splits_md5": "1", "params_sha256": "2"}
    return card.write(card.Run("ana/redacoes", "main", found, {}, {}, decision, made_by)).split("## English")


def test_inspect_page_and_card_tell_of_it(worse: dict) -> None:
    better = comparison.with_best_baseline(*drawn(1.0, 2.0, 4.0), 11, BOOTSTRAP)
    decision = Decision("expected")
    for best, warns in ((worse, True), (better, False), (None, False)):
        found = run_of(best)
        text = inspect._page(found)
        assert ("warning      on validation the model is not better" in text) == warns
        known = {"run": found, "unknown": "", "confusion": None, "missing": False, "points": 1.0}
        service = SimpleNamespace(model="models/scorer", **known)
        for language, says in (("pt", "não é melhor que a superfície do texto"), ("en", "not better than the text")):
            assert (says in model_view.model(service, language)) == warns
        portuguese, english = card_of(found, decision)
        assert ("não é melhor que a superfície" in portuguese) == warns
        assert ("not better than the text's surface" in english) == warns
        if best:
            sign = f"{best['test']['difference']:+.3f}"
            assert sign in text
            assert sign.replace(".", ",").replace("-", "−") in model_view.model(service, "pt")
            assert sign.replace(".", ",") in portuguese
            assert sign in english


def test_the_card_says_how_ordinal_decides() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(11), 40)
    scores = np.arange(40) % 11
    odds = ProportionalOdds.fit(scores[:, None] * 0.5, scores, 11)
    decision = Decision.fit("ordinal", probabilities, scores, scores * 0.5, odds)
    for part, says in zip(card_of(run_of(None), decision), ("chances proporcionais", "proportional odds"), strict=True):
        assert says in part
        assert "surface.safetensors" in part
