"""Compare two scorers, or a scorer and a baseline: is one better, or are the essays too few to tell?

Both are measured on the same essays, so the difference is resampled by essay (a paired bootstrap: Koehn, 2004,
"Statistical Significance Tests for Machine Translation Evaluation"). The difficulty of an essay cancels out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from redacoes.errors import UserError
from redacoes.evaluation import metrics
from redacoes.params import Bootstrap

SIGN = {  # of the change that is an improvement
    "loss": -1,
    "accuracy": 1,
    "adjacent_accuracy": 1,
    "qwk": 1,
    "mae": -1,
    "rmse": -1,
    "macro_f1": 1,
    "weighted_f1": 1,
    "off_by_more_than_two": -1,
    "ece": -1,
}


KEY = "best_baseline"  # in metrics/evaluation.json and metrics/headline.json
NAMES = {  # names of baselines in messages
    "prior": "the class prior",
    "tfidf": "TF-IDF",
    "surface": "the text's surface",
    "text": "surface and TF-IDF",
    "hybrid": "the hybrid baseline",
}


@dataclass(frozen=True)
class Comparison:
    """One metric of two revisions.

    Attributes:
        metric: Name of the metric.
        a: Its value for the first revision; None if undefined.
        b: Its value for the second revision; None if undefined.
        difference: b - a; None, like `low` and `high`, if a value is undefined.
        low: Lower end of the interval of the difference.
        high: Upper end of that interval.
        essays: Number of essays.
        verdict: The second revision is better, worse, or not distinguishable; or a value is undefined.
    """

    metric: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    essays: int
    verdict: str


def paired(
    a: pd.DataFrame, b: pd.DataFrame, bins: int, bootstrap: Bootstrap, units: metrics.Integers | None = None
) -> list[Comparison]:
    """Compare two tables of predictions, metric by metric.

    Args:
        a: Indexed by row id, or by repeat and row id, with the columns of ``predictions.csv``: score, predicted, p_0,
            p_1 and so on.
        b: The same for the other revision.
        bins: Bins of the calibration error.
        bootstrap: Samples, confidence and seed.
        units: The unit of each row of `a`, as in `metrics.resamples`.

    Returns:
        A comparison for each metric of `metrics.compute`, in its order.

    Raises:
        UserError: The two were not tested on the same essays with the same scores.
    """
    _same_essays(a, b)
    b = b.loc[a.index]
    points = [metrics.compute(*arrays(table), bins) for table in (a, b)]
    differences: dict[str, list[metrics.Floats]] = {name: [] for name in points[0]}
    essays = a.index.get_level_values("row").nunique()  # with repeats, an essay has several rows
    for weights in metrics.resamples(len(a), bootstrap, units):
        of_a, of_b = (metrics.compute(*arrays(table), bins, weights) for table in (a, b))
        for name, chunks in differences.items():
            chunks.append(of_b[name] - of_a[name])
    result = []
    for name, chunks in differences.items():
        first, second = (None if np.isnan(point[name][0]) else float(point[name][0]) for point in points)
        if first is None or second is None:
            verdict = f"undefined on {essays} essays"
            result.append(Comparison(name, first, second, None, None, None, essays, verdict))
            continue
        low, high = metrics.percentiles(chunks, bootstrap)
        verdict = _verdict(name, low, high, essays)
        result.append(Comparison(name, first, second, second - first, low, high, essays, verdict))
    return result


def crossed(a: pd.DataFrame, b: pd.DataFrame, bins: int, bootstrap: Bootstrap) -> list[Comparison]:
    """Compare two cross-validations as :func:`paired` compares predictions.

    Args:
        a: The table of one revision, as `revisions.Revision.crossval` returns it.
        b: The same for the other revision.
        bins: Bins of the calibration error.
        bootstrap: Samples, confidence and seed.

    Raises:
        UserError: The two differ in their essays or in their folds.
    """
    divided = ["fold", "unit"]
    if not a[divided].sort_index().equals(b[divided].sort_index()):
        raise UserError(
            "the two were cross-validated in different folds, which cannot be paired; give both the same data, "
            "crossval and split.validation_size, and run them again"
        )
    return paired(a.drop(columns=divided), b.drop(columns=divided), bins, bootstrap, a["unit"].to_numpy())


def _verdict(name: str, low: float, high: float, essays: int) -> str:
    if low <= 0 <= high:
        return f"not distinguishable on {essays} essays"
    return "better" if low * SIGN[name] > 0 else "worse"


def _same_essays(a: pd.DataFrame, b: pd.DataFrame) -> None:
    common = a.index.intersection(b.index)
    if len(common) < len(a) or len(common) < len(b):
        raise UserError(
            f"the two were tested on different essays ({len(a)} and {len(b)}, {len(common)} of them the same), so "
            "their metrics cannot be paired; give both the same data.csv and split parameters, and run them again"
        )
    if list(a.columns) != list(b.columns):
        raise UserError("the two have different classes (data.max_score), so their metrics cannot be paired")
    other = int((a["score"] != b["score"].loc[a.index]).sum())
    if other:
        raise UserError(
            f"the true scores of {other} test essays differ between the two (data.score_scale or data.rounding), so "
            "their metrics cannot be paired"
        )


def arrays(table: pd.DataFrame) -> tuple[metrics.Integers, metrics.Integers, metrics.Floats]:
    """Return true and predicted scores ``(rows,)`` and probabilities ``(rows, classes)`` of a table of predictions."""
    probabilities = table.filter(regex=r"^p_\d+$").to_numpy(np.float64)
    return table["score"].to_numpy(np.int64), table["predicted"].to_numpy(np.int64), probabilities


def with_best_baseline(
    predicted: Mapping[str, metrics.Integers], baselines: pd.DataFrame, classes: int, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Compare a model's quadratic weighted kappa with that of the baseline that is best on validation.

    Args:
        predicted: The model's decided scores of validation and test.
        baselines: ``baseline_predictions.csv``: part, row, score, and the decided scores of each baseline, with the
            essays of each part in the model's order.
        classes: Number of classes.
        bootstrap: Samples, confidence and seed.

    Returns:
        ``name`` of the baseline, and for each part ``qwk`` (the model's), ``baseline_qwk``, ``difference``, and ``low``
        and ``high``, the ends of its paired bootstrap interval: JSON values, null where undefined.
    """
    parts = {part: table.reset_index(drop=True) for part, table in baselines.groupby("part", sort=False)}

    def on_validation(name: str) -> float:
        scores, its = (parts["validation"][column].to_numpy() for column in ("score", name))
        return float(np.nan_to_num(metrics.kappa(scores, its, classes, np.ones((1, len(its))))[0], nan=-1))

    best = max(list(baselines.columns[3:]), key=on_validation)
    found: dict[str, Any] = {"name": best}
    for part, mine in predicted.items():
        scores, its = (parts[part][column].to_numpy() for column in ("score", best))
        found[part] = difference(scores, mine, its, classes, bootstrap)
    return found


def difference(
    scores: metrics.Integers,
    mine: metrics.Integers,
    its: metrics.Integers,
    classes: int,
    bootstrap: Bootstrap,
    units: metrics.Integers | None = None,
) -> dict[str, float | None]:
    """Return a model's quadratic weighted kappa minus a baseline's, on the same essays.

    Args:
        scores: int64 ``(rows,)``: true scores.
        mine: The model's decided scores.
        its: The baseline's decided scores.
        classes: Number of classes.
        bootstrap: Samples, confidence and seed.
        units: As in `metrics.resamples`.

    Returns:
        ``qwk``, ``baseline_qwk``, ``difference``, and ``low`` and ``high``, the ends of its paired bootstrap interval;
        None where undefined.
    """
    once = np.ones((1, len(scores)))
    ours, other = (float(metrics.kappa(scores, of, classes, once)[0]) for of in (mine, its))
    chunks = [
        metrics.kappa(scores, mine, classes, weights) - metrics.kappa(scores, its, classes, weights)
        for weights in metrics.resamples(len(scores), bootstrap, units)
    ]
    low, high = (None, None) if np.isnan(ours - other) else metrics.percentiles(chunks, bootstrap)
    values = {"qwk": ours, "baseline_qwk": other, "difference": ours - other, "low": low, "high": high}
    return {key: None if value is None or np.isnan(value) else round(value, 6) for key, value in values.items()}


def headline(
    evaluation: Mapping[str, Any], intervals: Mapping[str, Any], best: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return `metrics/headline.json`, the few figures of a run that DVC shows and compares.

    Args:
        evaluation: `metrics.report` of each part.
        intervals: `metrics.intervals` of each part.
        best: The result of :func:`with_best_baseline`.
    """
    ends = intervals["test"]["qwk"] or {"low": None, "high": None}
    qwk = {"qwk": evaluation["test"]["qwk"], "qwk_low": ends["low"], "qwk_high": ends["high"]}
    return {
        "test": qwk | {name: evaluation["test"][name] for name in ("loss", "mae", "accuracy")},
        "validation": {name: evaluation["validation"][name] for name in ("qwk", "loss")},
        KEY: {"name": best["name"], **{name: best["test"][name] for name in ("difference", "low", "high")}},
    }


def shortfall(best: Mapping[str, Any]) -> str:
    """Return a warning if the model is not better than the best baseline on validation, else an empty string."""
    if not falls_short(best):
        return ""
    name = NAMES.get(best["name"], best["name"])
    if best["validation"]["difference"] is None:
        return (
            f"on validation the model cannot be compared with {name}: their kappas are not both defined, "
            "as where all essays have one score and were given it"
        )
    mine, its = figures(best)
    return f"on validation the model is not better than {name} ({mine} against {its}): see docs/real-essays.md"


def figures(best: Mapping[str, Any]) -> tuple[str, str]:
    """Return both kappas on validation, with two decimals, or three if two do not show the difference."""
    values = [best["validation"][key] for key in ("qwk", "baseline_qwk")]
    if None in values:
        return "-", "-"
    places = 2 if f"{values[0]:.2f}" != f"{values[1]:.2f}" else 3
    return f"{values[0]:.{places}f}", f"{values[1]:.{places}f}"


def shown(best: Mapping[str, Any]) -> str:
    """Return the difference to the best baseline on the test essays, in one line."""
    found = best["test"]
    if found["difference"] is None:
        return f"against {NAMES.get(best['name'], best['name'])}: qwk is undefined"
    return (
        f"qwk less that of {NAMES.get(best['name'], best['name'])}: {found['difference']:+.3f} "
        f"({found['low']:+.3f} to {found['high']:+.3f})"
    )


def falls_short(best: Mapping[str, Any]) -> bool:
    """Return whether the model is not better than the best baseline on validation, or the kappas are undefined."""
    difference = best["validation"]["difference"]
    return difference is None or difference <= 0
