"""What each way of grading is worth on essays of your own: python -m benchmarks.quality CSV [options].

Prints one table, in Markdown. Every essay is graded once, by what has not seen it: of the essays that a fold does not
test, a part validates and the rest train, divided as the folds are, at random or by group. Vocabulary, TF-IDF, penalty,
head, layers and decision are fitted in each fold anew; what a frozen encoder makes of the essays is found once.

A row is a baseline or, with --encoder, the recipe `probe`, with --tune `pretrained`, and with --scratch the defaults.
QWK and loss are of all essays together, with bootstrap intervals; QWK is compared, essay by essay, with the best of
prior, tfidf and surface, and with tfidf. Minutes are those on the clock and of processors, GB the process's peak.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, GroupShuffleSplit

from redacoes import baseline, compare, corpus, metrics, parameters_file, params, recipes
from redacoes.baseline import OTHERS, Floats, Integers
from redacoes.errors import UserError, told
from redacoes.params import Baseline, Data, Params
from redacoes.scoring import Decision

SIMPLE = "prior", "tfidf", "surface"  # the best of them is what all rows are compared with
MODELS = "probe", "pretrained", "scratch"  # for which the rule ordinal is tried as well


class Essays(NamedTuple):
    """All essays of a file: their lines there, texts, scores and the numbers of their groups."""

    rows: Integers
    texts: list[str]
    scores: Integers
    groups: Integers
    classes: int


@dataclass
class Fold:
    """What may be known in a fold: places and texts of train, validation and test, and no score of test."""

    places: Mapping[str, Integers]
    texts: Mapping[str, list[str]]
    scores: Mapping[str, Integers]
    classes: int
    words: Baseline

    @cached_property
    def text(self) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """The numbers of the text that the rule ordinal takes, and what they are as probabilities."""
        regression, probabilities = baseline.by_text(self.texts, self.scores, self.classes, self.words)
        return {name: regression.predict(self.texts[name]) for name in OTHERS}, probabilities


Grader = Callable[[Fold], Mapping[str, Floats]]  # to the probabilities of validation and test


@dataclass
class Cost:
    """Minutes on the clock, minutes of processors, and the most memory, in GB (0 where Linux does not tell it)."""

    minutes: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add what the block costs."""
        begin, cpu = time.perf_counter(), time.process_time()
        if linux := sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
        yield
        self.minutes += (time.perf_counter() - begin) / 60
        self.cpu += (time.process_time() - cpu) / 60
        if linux and (peak := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())):
            self.memory = max(self.memory, int(peak[1]) * 1024 / 1e9)


def read(path: Path, data: Data) -> Essays:
    found = list(corpus.read(path, data, corpus.Tally()))
    rows, scores = (np.array([getattr(essay, name) for essay in found]) for name in ("row", "score"))
    groups = np.unique([essay.group for essay in found], return_inverse=True)[1]
    return Essays(rows, [essay.text for essay in found], scores, groups, data.max_score + 1)


def folds(groups: Integers, count: int, share: float, seed: int) -> Iterator[dict[str, Integers]]:
    """Yield train, validation (`share` of what is not tested) and test of each fold, no group on two sides."""
    outer = GroupKFold(count, shuffle=True, random_state=seed)
    inner = GroupShuffleSplit(1, test_size=share, random_state=seed)
    for rest, test in outer.split(groups, groups=groups):
        train, validation = next(inner.split(rest, groups=groups[rest]))
        yield {"train": rest[train], "validation": rest[validation], "test": test}


def prior(fold: Fold) -> dict[str, Floats]:
    return {name: baseline.class_prior(fold.scores["train"], fold.classes, len(fold.texts[name])) for name in OTHERS}


BASELINES: dict[str, Grader] = {
    "prior": prior,
    "tfidf": lambda fold: baseline.tfidf(fold.texts, fold.scores, fold.classes, fold.words)[0],
    "surface": lambda fold: baseline.by_text(fold.texts, fold.scores, fold.classes, words=None)[1],
    "text": lambda fold: fold.text[1],
}


def out_of_fold(
    graders: Mapping[str, Grader],
    essays: Essays,
    divided: Sequence[Mapping[str, Integers]],
    words: Baseline,
    costs: Mapping[str, Cost],
) -> dict[str, pd.DataFrame]:
    """Return a table like `metrics/predictions.csv` for each grader and rule: each essay as it was tested.

    Args:
        graders: By name.
        essays: All of them.
        divided: The folds.
        words: TF-IDF of the text regression and the baselines.
        costs: To be added to, by the grader's name.
    """
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    for number, places in enumerate(divided, 1):
        texts = {part: [essays.texts[place] for place in of_part] for part, of_part in places.items()}
        scores = {part: essays.scores[places[part]] for part in ("train", "validation")}
        fold, test = Fold(places, texts, scores, essays.classes, words), places["test"]
        for name, grade in graders.items():
            print(f"fold {number} of {len(divided)}: {name}", file=sys.stderr, flush=True)
            with costs[name].counted():
                found = grade(fold)
            for rule in ("matched", "ordinal") if name in MODELS else ("matched",):
                numbers = fold.text[0] if rule == "ordinal" else dict.fromkeys(OTHERS)
                decision = Decision.fit(rule, found["validation"], scores["validation"], numbers["validation"])
                columns = metrics.predictions(
                    essays.rows[test], essays.scores[test], *decision.decide(found["test"], numbers["test"])
                )
                tables[f"{name}, {rule}" if name in MODELS else name].append(pd.DataFrame(columns))
    whole = {name: pd.concat(parts).set_index("row") for name, parts in tables.items()}
    assert all(sorted(table.index) == sorted(essays.rows) for table in whole.values())  # each essay is tested once
    return whole


def arrays(table: pd.DataFrame) -> tuple[Integers, Integers, Floats]:
    return table["score"].to_numpy(), table["predicted"].to_numpy(), table.filter(regex=r"^p_\d+$").to_numpy()


def measured(way: str, tables: Mapping[str, pd.DataFrame], costs: Mapping[str, Cost], settings: Params) -> list[Any]:
    """Return the rows of the table that tell of one way to divide the essays into folds."""
    bins, bootstrap = settings.evaluate.calibration_bins, settings.evaluate.bootstrap
    rows = []
    for name, table in tables.items():
        values = metrics.report(*arrays(table), bins)
        ends = metrics.intervals(*arrays(table), bins, bootstrap)
        figures = {metric: {"value": values[metric], **(ends[metric] or {})} for metric in ("qwk", "loss")}
        rows.append({"row": name, "folds": way, **figures, **asdict(costs[name.partition(",")[0]])})
    best = max(SIMPLE, key=lambda name: next(row["qwk"]["value"] or -1 for row in rows if row["row"] == name))
    for row in rows:
        for key, other in (("less_best", best), ("less_tfidf", "tfidf")):
            paired = compare.paired(tables[other], tables[row["row"]], bins, bootstrap)
            qwk = next(comparison for comparison in paired if comparison.metric == "qwk")
            row[key] = {"than": other, "value": qwk.difference, "low": qwk.low, "high": qwk.high}
    return rows


def shown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""

    def figure(found: Mapping[str, Any], sign: str = "") -> str:
        if found["value"] is None:
            return "-"
        return f"{found['value']:{sign}.3f} ({found['low']:{sign}.3f} to {found['high']:{sign}.3f})"

    columns = "folds", "QWK", "loss", "QWK less the best simple one's", "less tfidf's", "min", "CPU min", "GB"
    lines = [f"| | {' | '.join(columns)} |", "|" + " --- |" * (1 + len(columns))]
    for row in rows:
        less = ["" if row["row"] == row[key]["than"] else figure(row[key], "+") for key in ("less_best", "less_tfidf")]
        costs = [f"{row[unit]:.1f}" for unit in ("minutes", "cpu", "memory")]
        cells = [row["row"], row["folds"], figure(row["qwk"]), figure(row["loss"]), *less, *costs]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def recipe(name: str) -> Params:
    """Return the parameters with those of a recipe among them."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy("params.yaml", folder))
        parameters_file.edit(copy, recipes.load(name).values)
        return params.load(copy)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("csv", type=Path)
    parser.add_argument("--essay-column")
    parser.add_argument("--score-column")
    parser.add_argument("--group-column", help="such as the theme; folds by group are then made as well")
    parser.add_argument("--score-scale", type=float, help="the highest score that the file can hold")
    parser.add_argument("--rounding", choices=("error", "half_up", "half_even"))
    parser.add_argument("--by", choices=("random", "group"), help="one kind of folds alone")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", type=Path, help="a pretrained checkpoint: a folder in the Hugging Face layout")
    parser.add_argument("--keep", type=Path, help="a folder for what the encoder gives as it is, for the next time")
    parser.add_argument("--tune", action="store_true", help="tune the encoder's upper layers as well (long)")
    parser.add_argument("--scratch", action="store_true", help="the defaults as well: an encoder from scratch (long)")
    parser.add_argument("--json", action="store_true", help="print JSON in the place of the table")
    asked = parser.parse_args()
    if asked.tune and not asked.encoder:
        parser.error("--tune needs --encoder")
    if asked.by == "group" and not asked.group_column:
        parser.error("--by group needs --group-column")
    return asked


def main() -> None:
    asked, settings = options(), params.load("params.yaml")
    names = "essay_column", "score_column", "group_column", "score_scale", "rounding"
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    essays = read(asked.csv, settings.data.model_copy(update={"duplicates": "drop", **given}))
    ways = {"random": np.arange(len(essays.rows))} | ({"group": essays.groups} if asked.group_column else {})
    costs: dict[str, Cost] = defaultdict(Cost)
    rows, graders = [], dict(BASELINES)
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as work:  # Keras tells of epochs on stdout
        if asked.encoder or asked.scratch:
            from benchmarks import encoders  # TensorFlow takes its time

            encoders.begin(settings.train)
        if asked.encoder:
            of_recipe = recipe("pretrained" if asked.tune else "probe")
            encoder = encoders.Encoder(asked.encoder, essays, of_recipe, Path(work), asked.keep or Path(work), costs)
            graders |= {"hybrid": encoder.hybrid, "probe": encoder.probe}
            graders |= {"pretrained": encoder.tune} if asked.tune else {}
        if asked.scratch:
            graders["scratch"] = encoders.from_scratch(recipe("scratch"))
        share = settings.split.validation_size / (1 - 1 / asked.folds)
        for way, groups in ways.items():
            if asked.by not in (None, way):
                continue
            if len(np.unique(groups)) < asked.folds + 1:
                raise UserError(f"{len(np.unique(groups))} groups are too few for {asked.folds} folds: lower --folds")
            divided = list(folds(groups, asked.folds, share, asked.seed))
            of_way: dict[str, Cost] = defaultdict(Cost)
            tables = out_of_fold(graders, essays, divided, settings.baseline, of_way)
            rows += measured(asked.group_column if way == "group" else way, tables, of_way, settings)
            print(shown(rows), file=sys.stderr, flush=True)  # what comes next may take hours
    if asked.json:
        print(json.dumps({"rows": rows, "once": {name: asdict(cost) for name, cost in costs.items()}}, indent=2))
        return
    print(shown(rows))
    for name, cost in costs.items():
        print(f"\n{name}: {cost.minutes:.1f} min, {cost.cpu:.1f} CPU min, {cost.memory:.1f} GB, once for all folds")


if __name__ == "__main__":
    with told():
        main()
