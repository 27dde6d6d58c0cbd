"""Cross-validation of every way of grading on your own essays: python -m benchmarks.quality CSV [options].

It prints one table in Markdown. Every essay is graded once, by a model that has not seen it. Of the essays outside the
test fold, a part is for validation and the rest for training; all splits are at random or by group. Vocabulary, TF-IDF,
penalty, head, layers and decision are fitted anew in each fold; a frozen encoder embeds the essays once.

A row is a baseline. --encoder adds the recipe `probe`, --tune `pretrained`, and --scratch the defaults. QWK and loss
are over all essays, with bootstrap intervals. QWK is compared, essay by essay, with the best of prior, tfidf and
surface, and with tfidf. Minutes are wall-clock and CPU time, GB the peak of the process.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from redacoes import parameters_file, params, recipes
from redacoes.errors import exit_on_user_error
from redacoes.evaluation import metrics
from redacoes.evaluation.comparison import arrays, paired
from redacoes.evaluation.decision import Rule
from redacoes.learning import crossval
from redacoes.learning.baseline import Floats
from redacoes.learning.crossval import BASELINES, Essays, Fold, Grader
from redacoes.params import By, Params

SIMPLE = "prior", "tfidf", "surface"  # all rows are compared with the best of these
MODELS = "probe", "pretrained", "scratch"  # models that are also tried with the rule ordinal
WAYS: tuple[By, ...] = ("random", "group")


@dataclass
class Cost:
    """Wall-clock minutes, CPU minutes, and peak memory in GB (0 if Linux does not report it)."""

    minutes: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Add the cost of the block."""
        begin, cpu = time.perf_counter(), time.process_time()
        if linux := sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak: proc(5)
        yield
        self.minutes += (time.perf_counter() - begin) / 60
        self.cpu += (time.process_time() - cpu) / 60
        if linux and (peak := re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())):
            self.memory = max(self.memory, int(peak[1]) * 1024 / 1e9)


def costed(graders: Mapping[str, Grader], costs: Mapping[str, Cost]) -> dict[str, Grader]:
    """Wrap graders, by name: each prints what it does, and adds its cost to `costs`."""

    def wrapped(name: str, grader: Grader) -> Grader:
        def grade(fold: Fold) -> Mapping[str, Floats]:
            print(f"  {name}", file=sys.stderr, flush=True)
            with costs[name].counted():
                return grader(fold)

        return grade

    return {name: wrapped(name, grader) for name, grader in graders.items()}


def out_of_fold(
    graders: Mapping[str, Grader], essays: Essays, units: Any, divided: Sequence[Mapping[str, Any]], settings: Params
) -> dict[str, pd.DataFrame]:
    """Return a table like `metrics/predictions.csv` per grader and rule: each essay as graded in its test fold."""
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    rules: dict[str, tuple[Rule, ...]] = {
        name: ("linear", "ordinal") if name in MODELS else ("linear",) for name in graders
    }
    for number, places in enumerate(divided, 1):
        print(f"fold {number} of {len(divided)}", file=sys.stderr, flush=True)
        fold = Fold.of(essays, units, places, settings.baseline)
        for (name, rule), table in crossval.grade(essays, fold, graders, rules).items():
            tables[f"{name}, {rule}" if name in MODELS else name].append(table)
    return {name: pd.concat(parts).set_index("row").loc[essays.lines] for name, parts in tables.items()}


def measured(
    way: str, tables: Mapping[str, pd.DataFrame], units: Any, costs: Mapping[str, Cost], settings: Params
) -> list[Any]:
    """Return the table's rows for one way to divide the essays into folds; no fold splits a unit."""
    bins, bootstrap = settings.evaluate.calibration_bins, settings.evaluate.bootstrap
    rows = []
    for name, table in tables.items():
        values = metrics.report(*arrays(table), bins)
        ends = metrics.intervals(*arrays(table), bins, bootstrap, units)
        figures = {metric: {"value": values[metric], **(ends[metric] or {})} for metric in ("qwk", "loss")}
        rows.append({"row": name, "folds": way, **figures, **asdict(costs[name.partition(",")[0]])})
    best = max(SIMPLE, key=lambda name: next(row["qwk"]["value"] or -1 for row in rows if row["row"] == name))
    for row in rows:
        for key, other in (("less_best", best), ("less_tfidf", "tfidf")):
            results = paired(tables[other], tables[row["row"]], bins, bootstrap, units)
            qwk = next(comparison for comparison in results if comparison.metric == "qwk")
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
    """Return the parameters, changed by a recipe."""
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
    parser.add_argument("--by", choices=WAYS, help="one kind of folds alone")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", type=Path, help="a pretrained checkpoint: a folder in the Hugging Face layout")
    parser.add_argument(
        "--keep",
        type=Path,
        help="a folder for what the encoder gives of the essays, for the next time",
    )
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
    essays = Essays.read(settings.data.model_copy(update={"csv": str(asked.csv), "duplicates": "drop", **given}))
    costs: dict[str, Cost] = defaultdict(Cost)
    rows, graders = [], dict(BASELINES)
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as work:  # Keras prints epochs to stdout
        if asked.encoder or asked.scratch:
            from redacoes.learning import model, refit, resume  # TensorFlow is slow to import

            model.configure(settings.train.threads, settings.train.seed)
        if asked.encoder:
            for name in ("probe", "pretrained")[: 1 + asked.tune]:
                of = recipe(name)
                with costs[f"the pass for {name}"].counted():
                    made_of = [of.tokenize.model_dump(), of.train.model_dump()]
                    kept = (asked.keep or Path(work)) / resume.key(made_of, essays.texts, asked.encoder)
                    known = asked.encoder, of.tokenize, of.train, of.evaluate.batch_size
                    pretrained = refit.Pretrained(*known, essays, kept)
                graders |= {"hybrid": crossval.hybrid(pretrained.vectors), name: pretrained}
        if asked.scratch:
            of = recipe("scratch")
            graders["scratch"] = refit.from_scratch(of.checkpoint, of.tokenize, of.train, of.evaluate.batch_size)
        share = crossval.share_of_rest(settings.split.validation_size, asked.folds)
        for way in WAYS if asked.group_column else WAYS[:1]:
            if asked.by not in (None, way):
                continue
            units = essays.units(way)
            divided = list(crossval.divide(units, asked.folds, share, asked.seed))
            of_way: dict[str, Cost] = defaultdict(Cost)
            tables = out_of_fold(costed(graders, of_way), essays, units, divided, settings)
            rows += measured(asked.group_column if way == "group" else way, tables, units, of_way, settings)
            print(shown(rows), file=sys.stderr, flush=True)  # the next rows may take hours
    if asked.json:
        print(json.dumps({"rows": rows, "once": {name: asdict(cost) for name, cost in costs.items()}}, indent=2))
        return
    print(shown(rows))
    for name, cost in costs.items():
        print(f"\n{name}: {cost.minutes:.1f} min, {cost.cpu:.1f} CPU min, {cost.memory:.1f} GB, once for all folds")


if __name__ == "__main__":
    with exit_on_user_error():
        main()
