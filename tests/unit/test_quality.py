"""The table of `benchmarks.quality`: nothing that is tested has a part in what grades it."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest

from benchmarks import quality
from benchmarks.quality import BASELINES, Cost, Essays, Fold, folds, measured, out_of_fold, shown
from redacoes.metrics import compute
from tests.support import PARAMS

CLASSES, GROUPS, EACH = 5, 24, 6
WORDS = PARAMS.baseline.model_copy(update={"min_document_frequency": 1})
Divided = list[dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def essays() -> Essays:
    """Essays that say nothing but their group, which all have the score of that group."""
    random = np.random.default_rng(0)
    groups = random.permutation(np.repeat(np.arange(GROUPS), EACH))
    of_groups = random.permutation(np.arange(GROUPS) % CLASSES)
    texts = [
        f"O tema {chr(97 + group) * 5} e o texto {chr(97 + place % 26) * 3}." for place, group in enumerate(groups)
    ]
    return Essays(np.arange(len(groups)) + 2, texts, of_groups[groups], groups, CLASSES)


@pytest.fixture(scope="module")
def by_group(essays: Essays) -> Divided:
    return list(folds(essays.groups, 4, 0.2, 0))


def qwk(graders: Mapping[str, quality.Grader], essays: Essays, divided: Divided) -> dict[str, float]:
    tables = out_of_fold(graders, essays, divided, WORDS, defaultdict(Cost))
    return {name: float(compute(*quality.arrays(table), bins=10)["qwk"][0]) for name, table in tables.items()}


def test_folds_by_group_keep_groups_together(essays: Essays, by_group: Divided) -> None:
    for places in by_group:
        sides = [set(essays.groups[part]) for part in places.values()]
        assert sum(map(len, sides)) == GROUPS
        assert len(set.union(*sides)) == GROUPS
        assert sorted(np.concatenate(list(places.values()))) == list(range(len(essays.rows)))


def test_each_essay_is_tested_once(essays: Essays, by_group: Divided) -> None:
    random = list(folds(np.arange(len(essays.rows)), 4, 0.2, 0))
    for divided in (by_group, random):
        tested = np.concatenate([places["test"] for places in divided])
        assert sorted(tested) == list(range(len(essays.rows)))
    table = out_of_fold({"prior": BASELINES["prior"]}, essays, random, WORDS, defaultdict(Cost))["prior"]
    assert sorted(table.index) == list(essays.rows)
    assert (table["score"].loc[essays.rows] == essays.scores).all()
    assert len(random[0]["validation"]) == np.ceil(0.2 * (len(tested) - len(random[0]["test"])))


def test_another_seed_divides_otherwise(essays: Essays, by_group: Divided) -> None:
    again, other = (next(folds(essays.groups, 4, 0.2, seed)) for seed in (0, 1))
    assert np.array_equal(again["test"], by_group[0]["test"])
    assert not np.array_equal(other["test"], by_group[0]["test"])


def test_a_grader_is_not_shown_the_scores_of_the_test(essays: Essays, by_group: Divided) -> None:
    seen: list[Fold] = []

    def grade(fold: Fold) -> Mapping[str, np.ndarray]:
        seen.append(fold)
        return quality.prior(fold)

    out_of_fold({"prior": grade}, essays, by_group, WORDS, defaultdict(Cost))
    assert [set(fold.scores) for fold in seen] == [{"train", "validation"}] * 4


def test_a_leak_would_be_found(essays: Essays, by_group: Divided) -> None:
    """Words that tell the group are worth nothing by group, and all there is where the test fold is in the training."""
    graders = {"tfidf": BASELINES["tfidf"], "text": BASELINES["text"]}
    honest = qwk(graders, essays, by_group)
    leaking = [{**places, "train": np.concatenate([places["train"], places["test"]])} for places in by_group]
    planted = qwk(graders, essays, leaking)
    for name in graders:
        assert honest[name] < 0.3
        assert planted[name] > 0.6


def test_the_table_compares_with_the_best_simple_baseline(essays: Essays) -> None:
    divided = list(folds(np.arange(len(essays.rows)), 4, 0.2, 0))
    costs: dict[str, Cost] = defaultdict(Cost)
    tables = out_of_fold(BASELINES, essays, divided, WORDS, costs)
    rows = {row["row"]: row for row in measured("random", tables, costs, PARAMS)}
    assert {row["less_best"]["than"] for row in rows.values()} == {"tfidf"}
    assert rows["tfidf"]["less_best"]["value"] == rows["tfidf"]["less_best"]["high"] == 0
    less = rows["surface"]["less_best"]
    assert less["value"] == pytest.approx(rows["surface"]["qwk"]["value"] - rows["tfidf"]["qwk"]["value"], abs=2e-6)
    assert less["low"] < less["value"] < less["high"] < 0
    assert rows["tfidf"]["qwk"]["low"] <= rows["tfidf"]["qwk"]["value"] <= rows["tfidf"]["qwk"]["high"]
    assert shown(list(rows.values())).count("\n") == 1 + len(rows)
    assert costs["tfidf"].minutes > 0
