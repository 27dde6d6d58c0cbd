"""Cross-validation: nothing that is tested has a part in what grades it, and what is told of it is what it says."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import quality
from redacoes.errors import UserError
from redacoes.evaluation import metrics
from redacoes.evaluation.decision import Rule
from redacoes.learning import crossval
from redacoes.learning.crossval import BASELINES, MODEL, Essays, Fold, Grader, divide
from redacoes.params import Bootstrap
from tests.support import PARAMS

CLASSES, GROUPS, EACH = 5, 24, 6
WORDS = PARAMS.baseline.model_copy(update={"min_document_frequency": 1})
SETTINGS = PARAMS.model_copy(update={"baseline": WORDS})
LINEAR: tuple[Rule, ...] = ("linear",)
BOOTSTRAP = Bootstrap(samples=400, confidence=0.95, seed=1)
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
    places = np.arange(len(groups))
    return Essays(places + 2, texts, of_groups[groups], groups, places, CLASSES)


@pytest.fixture(scope="module")
def by_group(essays: Essays) -> Divided:
    return list(divide(essays.units("group"), 4, 0.2, 0))


@pytest.fixture(scope="module")
def at_random(essays: Essays) -> Divided:
    return list(divide(essays.units("random"), 4, 0.2, 0))


def graded(
    graders: Mapping[str, Grader], essays: Essays, units: np.ndarray, divided: Divided
) -> dict[str, pd.DataFrame]:
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for places in divided:
        fold = Fold.of(essays, units, places, WORDS)
        for (name, _), table in crossval.grade(essays, fold, graders, dict.fromkeys(graders, LINEAR)).items():
            tables[name].append(table)
    return {name: pd.concat(parts) for name, parts in tables.items()}


def qwk(table: pd.DataFrame) -> float:
    return float(metrics.compute(*crossval.comparison.arrays(table), bins=10)["qwk"][0])


def test_folds_by_group_keep_groups_together(essays: Essays, by_group: Divided) -> None:
    for places in by_group:
        sides = [set(essays.groups[part]) for part in places.values()]
        assert sum(map(len, sides)) == GROUPS
        assert len(set.union(*sides)) == GROUPS
        assert sorted(np.concatenate(list(places.values()))) == list(range(len(essays.lines)))


def test_copies_are_never_on_two_sides(essays: Essays) -> None:
    copies = np.arange(len(essays.lines)) // 2 * 2
    for places in divide(essays._replace(copies=copies).units("random"), 3, 0.2, 0):
        sides = [set(copies[part]) for part in places.values()]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(copies) / 2


def test_each_essay_is_tested_once(essays: Essays, by_group: Divided, at_random: Divided) -> None:
    for divided in (by_group, at_random):
        tested = np.concatenate([places["test"] for places in divided])
        assert sorted(tested) == list(range(len(essays.lines)))
    table = graded({"prior": BASELINES["prior"]}, essays, essays.copies, at_random)["prior"].set_index("row")
    assert sorted(table.index) == list(essays.lines)
    assert (table["score"].loc[essays.lines] == essays.scores).all()
    assert len(at_random[0]["validation"]) == np.ceil(0.2 * (len(tested) - len(at_random[0]["test"])))


def test_another_seed_divides_otherwise(essays: Essays, by_group: Divided) -> None:
    again, other = (next(divide(essays.groups, 4, 0.2, seed)) for seed in (0, 1))
    assert np.array_equal(again["test"], by_group[0]["test"])
    assert not np.array_equal(other["test"], by_group[0]["test"])


@pytest.mark.parametrize(("units", "folds", "share"), [(24, 25, 0.2), (3, 2, 0.3), (10, 2, 0.9)])
def test_too_few_groups_are_said(units: int, folds: int, share: float) -> None:
    with pytest.raises(
        UserError, match=rf"crossval\.folds is {folds}, and {units} essays, or groups of them, are too few"
    ):
        next(divide(np.repeat(np.arange(units), 5), folds, share, 0))


@given(st.integers(2, 30), st.integers(2, 8), st.floats(0.02, 0.9))
def test_units_are_divided_or_too_few(units: int, folds: int, share: float) -> None:
    try:
        divided = list(divide(np.arange(units), folds, share, 0))
    except UserError:
        left = units - np.ceil(units / folds)
        assert units < folds or left * (1 - share) < 1 + 1e-9  # validation would leave none of them
    else:
        assert all(len(part) for places in divided for part in places.values())


def test_what_is_tested_has_no_part_in_its_grades(essays: Essays, by_group: Divided) -> None:
    """Other scores of the tested essays, and every baseline grades them as before."""
    test = by_group[0]["test"]
    others = essays.scores.copy()
    others[test] = (others[test] + 2) % CLASSES
    before, after = (
        graded(BASELINES, known, known.groups, by_group[:1]) for known in (essays, essays._replace(scores=others))
    )
    for name, table in before.items():
        assert (table["score"] != after[name]["score"]).all()
        pd.testing.assert_frame_equal(table.drop(columns="score"), after[name].drop(columns="score"))


def test_a_grader_is_not_shown_the_scores_of_the_test(essays: Essays, by_group: Divided) -> None:
    seen: list[Fold] = []

    def grade(fold: Fold) -> Mapping[str, np.ndarray]:
        seen.append(fold)
        return crossval.prior(fold)

    graded({"prior": grade}, essays, essays.groups, by_group)
    assert [set(fold.scores) for fold in seen] == [{"train", "validation"}] * 4


def test_a_leak_would_be_found(essays: Essays, by_group: Divided) -> None:
    """Words that tell the group are worth nothing by group, and all there is where the test fold is in the training."""
    graders = {"tfidf": BASELINES["tfidf"], "text": BASELINES["text"]}
    honest = graded(graders, essays, essays.groups, by_group)
    leaking = [{**places, "train": np.concatenate([places["train"], places["test"]])} for places in by_group]
    planted = graded(graders, essays, essays.copies, leaking)
    for name in graders:
        assert qwk(honest[name]) < 0.3
        assert qwk(planted[name]) > 0.6


def rows_of(essays: Essays, divided: Divided, units: np.ndarray) -> pd.DataFrame:
    """Rows as `metrics/crossval.csv` has them, of a model that grades as TF-IDF does."""
    graders = BASELINES | {MODEL: BASELINES["tfidf"]}
    tables = []
    for number, places in enumerate(divided, 1):
        fold = Fold.of(essays, units, places, WORDS)
        found = crossval.grade(essays, fold, graders, dict.fromkeys(graders, LINEAR))
        tables.append(crossval.table(fold, found, 1, number))
    return crossval.joined(tables)


def test_the_report_compares_the_model_with_each_baseline(essays: Essays, at_random: Divided) -> None:
    whole = rows_of(essays, at_random, essays.units("random"))
    assert list(whole["row"]) == list(essays.lines)
    found = crossval.report(whole, 10, BOOTSTRAP)
    assert found["essays"] == len(essays.lines)
    value = found["model"]["qwk"]
    assert value["value"] == pytest.approx(qwk(whole), abs=1e-6)
    assert value["low"] < value["value"] < value["high"]
    assert set(found["baselines"]) == set(BASELINES)
    same, surface = found["baselines"]["tfidf"], found["baselines"]["surface"]
    assert (same["difference"], same["low"], same["high"]) == (0, 0, 0)
    assert 0 < surface["low"] < surface["difference"] < surface["high"]
    assert surface["difference"] == pytest.approx(surface["qwk"] - surface["baseline_qwk"], abs=2e-6)


def test_intervals_by_group_are_as_wide_as_what_the_groups_tell(essays: Essays, at_random: Divided) -> None:
    """Essays of a group have one score, so there is as much to learn from 144 of them as from 24."""
    whole = rows_of(essays, at_random, essays.units("random"))
    by_essay, by_group = (
        crossval.report(whole.assign(unit=units), 10, BOOTSTRAP)["model"]["accuracy"]
        for units in (essays.units("random"), essays.units("group"))
    )
    assert by_essay["value"] == by_group["value"]
    assert by_group["high"] - by_group["low"] > 1.3 * (by_essay["high"] - by_essay["low"])


def test_repeats_do_not_make_more_essays_of_the_same(essays: Essays, at_random: Divided) -> None:
    whole = rows_of(essays, at_random, essays.units("random"))
    twice = crossval.joined([whole, whole.assign(repeat=2)])
    assert crossval.report(twice, 10, BOOTSTRAP) == crossval.report(whole, 10, BOOTSTRAP)


def test_essays_are_read_as_prepare_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "br.csv"
    file.write_text("essay,score,prompt\nUm texto.,7,b\nOutro texto.,3,a\num  TEXTO.,7,a\n", encoding="utf-8")
    data = PARAMS.data.model_copy(update={"csv": str(file), "group_column": "prompt", "duplicates": "keep"})
    essays = Essays.read(data)
    assert (essays.lines.tolist(), essays.scores.tolist(), essays.copies.tolist()) == ([2, 3, 4], [7, 3, 7], [0, 1, 0])
    assert essays.texts[1] == "Outro texto."
    assert len(set(essays.units("random"))) == 2
    assert len(set(essays.units("group"))) == 1  # the copies join both groups


def test_the_table_compares_with_the_best_simple_baseline(essays: Essays, at_random: Divided) -> None:
    costs: dict[str, quality.Cost] = defaultdict(quality.Cost)
    tables = quality.out_of_fold(quality.costed(BASELINES, costs), essays, essays.copies, at_random, SETTINGS)
    rows = {row["row"]: row for row in quality.measured("random", tables, essays.units("random"), costs, SETTINGS)}
    assert {row["less_best"]["than"] for row in rows.values()} == {"tfidf"}
    assert rows["tfidf"]["less_best"]["value"] == rows["tfidf"]["less_best"]["high"] == 0
    less = rows["surface"]["less_best"]
    assert less["value"] == pytest.approx(rows["surface"]["qwk"]["value"] - rows["tfidf"]["qwk"]["value"], abs=2e-6)
    assert less["low"] < less["value"] < less["high"] < 0
    assert rows["tfidf"]["qwk"]["low"] <= rows["tfidf"]["qwk"]["value"] <= rows["tfidf"]["qwk"]["high"]
    assert quality.shown(list(rows.values())).count("\n") == 1 + len(rows)
    assert costs["tfidf"].minutes > 0
