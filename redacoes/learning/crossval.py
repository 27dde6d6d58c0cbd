"""Cross-validation: models that have not seen an essay grade it, and every fold fits everything anew.

Of the essays that a fold does not test, some validate and the rest train, as in the DAG. Graders get only the texts of
the test essays. `refit` trains the model of a fold.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from tqdm import tqdm

from redacoes.errors import UserError
from redacoes.essays import training_csv
from redacoes.essays.splits import linked
from redacoes.essays.summary import gather
from redacoes.evaluation import comparison, metrics
from redacoes.evaluation.decision import Decision, Rule, alone, known
from redacoes.files import write_whole
from redacoes.learning import baseline
from redacoes.learning.baseline import OTHERS, ByText, Floats, Integers
from redacoes.params import Baseline, Bootstrap, By, Crossval, Data

MODEL = "model"
COLUMNS = [
    "repeat",
    "fold",
    "row",
    "unit",
    "score",
    "predicted",
    "expected",
]  # of the table, followed by those of the classes


class Essays(NamedTuple):
    """All essays of a file.

    Attributes:
        lines: int64 ``(essays,)``: the line on which each begins.
        texts: Cleaned texts.
        scores: int64 ``(essays,)``.
        groups: int64 ``(essays,)``: the number of the group of each.
        copies: int64 ``(essays,)``: the index of the first essay with the same text.
        classes: Number of classes.
    """

    lines: Integers
    texts: list[str]
    scores: Integers
    groups: Integers
    copies: Integers
    classes: int

    @classmethod
    def read(cls, data: Data) -> "Essays":
        """Read the CSV of `data`, as the stage prepare does; see `training_csv.read`."""
        rows = training_csv.read(data.csv, data)
        texts, prepared = gather(rows, False, lambda essays: [essay["essay"] for essay in essays])
        return cls(prepared.lines, texts, prepared.scores, prepared.groups, prepared.copies, data.max_score + 1)

    def units(self, by: By) -> Integers:
        """Return the unit of each essay that must stay on one side: its copies, or its group with all copies."""
        return self.copies if by == "random" else linked(self.groups, self.copies)


@dataclass
class Fold:
    """The data of a fold that graders may see.

    Attributes:
        places: Indices of train, validation and test among all essays, int64.
        texts: Texts of the three parts.
        scores: Scores of train and validation. Those of test are withheld.
        groups: The unit of each essay of the three parts that must stay on one side.
        classes: Number of classes.
        words: TF-IDF of the baselines and the text regression.
    """

    places: Mapping[str, Integers]
    texts: Mapping[str, list[str]]
    scores: Mapping[str, Integers]
    groups: Mapping[str, Integers]
    classes: int
    words: Baseline

    @classmethod
    def of(cls, essays: Essays, units: Integers, places: Mapping[str, Integers], words: Baseline) -> "Fold":
        """Return the fold of the essays at `places`."""
        texts = {part: [essays.texts[place] for place in of_part] for part, of_part in places.items()}
        scores = {part: essays.scores[places[part]] for part in ("train", "validation")}
        groups = {part: units[of_part] for part, of_part in places.items()}
        return cls(places, texts, scores, groups, essays.classes, words)

    @cached_property
    def text(self) -> ByText:
        """The text regression, for the baseline and the rule ordinal."""
        return baseline.by_text(self.texts, self.scores, self.classes, self.words, self.groups["train"])


# returns the probabilities of validation and test, and those of train if each is of a model that has not seen the essay
Grader = Callable[[Fold], Mapping[str, Floats]]


def prior(fold: Fold) -> dict[str, Floats]:
    """Grade by the frequencies of the classes in train."""
    return {name: baseline.class_prior(fold.scores["train"], fold.classes, len(fold.texts[name])) for name in OTHERS}


BASELINES: dict[str, Grader] = {
    "prior": prior,
    "tfidf": lambda fold: baseline.tfidf(fold.texts, fold.scores, fold.classes, fold.words)[0],
    "surface": lambda fold: (
        baseline.by_text(fold.texts, fold.scores, fold.classes, None, fold.groups["train"]).probabilities
    ),
    "text": lambda fold: fold.text.probabilities,
}


def hybrid(vectors: Floats) -> Grader:
    """Return the baseline on the surface and the frozen encoder's vectors of all essays, ``(essays, width)``."""

    def grade(fold: Fold) -> Mapping[str, Floats]:
        known = {name: vectors[places] for name, places in fold.places.items()}
        return baseline.by_encoder(fold.texts, fold.scores, fold.classes, known, fold.groups["train"])

    return grade


def share_of_rest(validation_size: float, folds: int) -> float:
    """Return `validation_size`, a share of all essays, as a share of the essays that a fold does not test."""
    return validation_size / (1 - 1 / folds)


def divide(units: Integers, folds: int, share: float, seed: int) -> Iterator[dict[str, Integers]]:
    """Yield the places of train, validation and test of each fold, increasing int64, with no unit on two sides.

    Args:
        units: int64 ``(essays,)``: what must stay on one side.
        folds: Number of folds.
        share: Share of the units that a fold does not test, for validation.
        seed: Seed of the shuffling.

    Raises:
        UserError: There are too few units.
    """
    found = len(np.unique(units))
    left = found - ceil(found / folds)  # by the fold that tests the most
    if found < folds or ceil(share * left) >= left:
        raise UserError(
            f"crossval.folds is {folds}, and {found} essays, or groups of them, are too few to train, validate and "
            "test in each: add essays, or change crossval.folds or split.validation_size"
        )
    outer = GroupKFold(folds, shuffle=True, random_state=seed)
    inner = GroupShuffleSplit(1, test_size=share, random_state=seed)
    for rest, test in outer.split(units, groups=units):
        train, validation = next(inner.split(rest, groups=units[rest]))
        yield {"train": rest[train], "validation": rest[validation], "test": test}


def grade(
    essays: Essays, fold: Fold, graders: Mapping[str, Grader], rules: Mapping[str, Sequence[Rule]]
) -> dict[tuple[str, Rule], pd.DataFrame]:
    """Grade the test essays of a fold by each grader and by each of its rules, fitted on the others.

    Returns:
        Tables with the columns of `metrics/predictions.csv`, by grader and rule.
    """
    tables = {}
    test = fold.places["test"]
    for name, grader in graders.items():
        found = grader(fold)
        for rule in rules[name]:
            numbers, odds = {}, None
            if rule == "ordinal":
                numbers, odds = fold.text.numbers, fold.text.regression.odds
            decision = Decision.fit(rule, *known(rule, found, fold.scores, numbers), odds)
            decided = decision.decide(found["test"], numbers.get("test"))
            tables[name, rule] = pd.DataFrame(metrics.predictions(essays.lines[test], essays.scores[test], *decided))
    return tables


def table(
    fold: Fold,
    graded: Mapping[tuple[str, Rule], pd.DataFrame],
    repeat: int,
    number: int,
) -> pd.DataFrame:
    """Return the rows of a fold for `metrics/crossval.csv`.

    They are the rows of the model, preceded by repeat, fold and unit, and followed by the decided score of each
    baseline.
    """
    by_name = {name: of_grader for (name, _), of_grader in graded.items()}
    model = by_name.pop(MODEL)
    before: dict[str, Any] = {
        "repeat": repeat,
        "fold": number,
        "row": model.pop("row"),
        "unit": fold.groups["test"],
    }
    for place, (name, values) in enumerate(before.items()):
        model.insert(place, name, values)
    return model.assign(**{name: of_grader["predicted"] for name, of_grader in by_name.items()})


def report(whole: pd.DataFrame, bins: int, bootstrap: Bootstrap) -> dict[str, Any]:
    """Return `metrics/crossval.json` of the rows of all folds.

    With several repeats an essay has several rows. The bootstrap draws units with all their rows (Davison and Hinkley,
    1997, section 3.8), since essays of one group depend on each other.

    Returns:
        ``essays``; ``model``: each metric as ``value``, ``low`` and ``high``; ``baselines``: ``qwk`` of each, and the
        ``difference`` of the model's to it, with the ends of its paired interval. JSON values, null if undefined.
    """
    scores, predicted, probabilities = comparison.arrays(whole)
    units = whole["unit"].to_numpy()
    values = metrics.report(scores, predicted, probabilities, bins)
    ends = metrics.intervals(scores, predicted, probabilities, bins, bootstrap, units)
    columns = list(whole.columns)
    names = columns[
        columns.index(f"p_{probabilities.shape[1] - 1}") + 1 :
    ]  # `table` puts the baselines after the classes
    return {
        "essays": int(whole["row"].nunique()),
        "model": {name: {"value": values[name], **(ends[name] or {})} for name in comparison.SIGN},
        "baselines": {
            name: comparison.difference(
                scores, predicted, whole[name].to_numpy(), probabilities.shape[1], bootstrap, units
            )
            for name in names
        },
    }


def out_of_fold(
    essays: Essays,
    units: Integers,
    settings: Crossval,
    share: float,
    words: Baseline,
    graders: Mapping[str, Grader],
    rule: Rule,
    folder: Path,
) -> pd.DataFrame:
    """Return `metrics/crossval.csv`: the rows of all folds and repeats, in the order of repeat and line.

    Args:
        essays: All essays.
        units: The unit of each essay that must stay on one side.
        settings: Folds, repeats and seed.
        share: As for `divide`.
        words: TF-IDF of the baselines and the text regression.
        graders: The model's grader, under `MODEL`, and those of the baselines.
        rule: The decision rule of the model.
        folder: Keeps each graded fold, so that a stopped run resumes with the next one.
    """
    rules = {name: [rule if name == MODEL else alone(rule)] for name in graders}
    folds = [
        (repeat, number, places)
        for repeat in range(settings.repeats)
        for number, places in enumerate(divide(units, settings.folds, share, settings.seed + repeat))
    ]
    tables = []
    for repeat, number, places in tqdm(folds, unit="fold", disable=not sys.stderr.isatty()):
        done = folder / f"{repeat}-{number}.csv"
        if not done.is_file():
            print(f"crossval: repeat {repeat + 1}, fold {number + 1} of {settings.folds}", file=sys.stderr)
            fold = Fold.of(essays, units, places, words)
            rows = table(fold, grade(essays, fold, graders, rules), repeat + 1, number + 1)
            write_whole(done, rows.to_csv(index=False))
        tables.append(pd.read_csv(done, float_precision="round_trip"))  # so that a resumed fold is identical
    return joined(tables)


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all folds, in the order of repeat and line."""
    return pd.concat(tables).sort_values(["repeat", "row"], ignore_index=True)
