"""Whether one revision's scorer grades better than another's, or whether the test essays are too few to tell.

Both are measured on the same essays, so the difference is resampled essay by essay (a paired bootstrap: Koehn, 2004,
"Statistical Significance Tests for Machine Translation Evaluation"): what makes an essay hard for both cancels out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from redacoes import metrics
from redacoes.errors import UserError
from redacoes.params import Bootstrap

SIGN = {  # of a difference for the better
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


@dataclass(frozen=True)
class Comparison:
    """One metric of two revisions.

    Attributes:
        metric: Its name.
        a: Its value for the first revision, None where it is undefined.
        b: Its value for the second.
        difference: b - a.
        low: Lower end of the interval of the difference.
        high: Upper end.
        essays: Test essays.
        verdict: better or worse, of the second, or not distinguishable.
    """

    metric: str
    a: float | None
    b: float | None
    difference: float | None
    low: float | None
    high: float | None
    essays: int
    verdict: str


def paired(a: pd.DataFrame, b: pd.DataFrame, bins: int, bootstrap: Bootstrap) -> list[Comparison]:
    """Compare two tables of predictions, metric by metric.

    Args:
        a: Indexed by row id, with the columns of ``predictions.csv``: score, predicted, p_0, p_1 and so on.
        b: The same of the other revision.
        bins: Bins of the calibration error.
        bootstrap: Samples, confidence and seed.

    Returns:
        A comparison for each metric of `metrics.compute`, in its order.

    Raises:
        UserError: The two were not tested on the same essays with the same scores.
    """
    _same_essays(a, b)
    b = b.loc[a.index]
    points = [metrics.compute(*_arrays(table), bins) for table in (a, b)]
    differences: dict[str, list[metrics.Floats]] = {name: [] for name in points[0]}
    for weights in metrics.resamples(len(a), bootstrap):
        of_a, of_b = (metrics.compute(*_arrays(table), bins, weights) for table in (a, b))
        for name, chunks in differences.items():
            chunks.append(of_b[name] - of_a[name])
    result = []
    for name, chunks in differences.items():
        first, second = (None if np.isnan(point[name][0]) else float(point[name][0]) for point in points)
        if first is None or second is None:
            verdict = f"undefined on {len(a)} essays"
            result.append(Comparison(name, first, second, None, None, None, len(a), verdict))
            continue
        low, high = metrics.percentiles(chunks, bootstrap)
        verdict = _verdict(name, low, high, len(a))
        result.append(Comparison(name, first, second, second - first, low, high, len(a), verdict))
    return result


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


def _arrays(table: pd.DataFrame) -> tuple[metrics.Integers, metrics.Integers, metrics.Floats]:
    probabilities = table[[name for name in table.columns if name.startswith("p_")]].to_numpy(np.float64)
    return table["score"].to_numpy(np.int64), table["predicted"].to_numpy(np.int64), probabilities
