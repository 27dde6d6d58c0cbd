"""Metrics of predicted scores, and their bootstrap intervals: the same code for the model and for every baseline.

Every metric is a function of row weights. A bootstrap sample is a row of weights, so all samples are one matrix
product.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from redacoes.evaluation.decision import expected_score
from redacoes.params import Bootstrap

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CHUNK = 100  # bootstrap samples computed at once: keeps memory at CHUNK * rows

UNDEFINED = {"qwk": "all true and predicted scores are one and the same score"}


def compute(
    scores: Integers, predicted: Integers, probabilities: Floats, bins: int, weights: Floats | None = None
) -> dict[str, Floats]:
    """Return every metric, once for each row of weights.

    - ``loss``: mean negative log-likelihood of the true class, in nats.
    - ``accuracy``, ``adjacent_accuracy``, ``off_by_more_than_two``: share of rows whose prediction is 0, at most 1,
      more than 2 points off.
    - ``qwk``: quadratic weighted kappa (Cohen, 1968): 1 - observed / expected squared disagreement.
    - ``mae``, ``rmse``: in points of score.
    - ``macro_f1``, ``weighted_f1``: F1 by class, over classes that are true or predicted somewhere.
    - ``ece``: expected calibration error of the likeliest class, equal-width bins (Guo et al., 2017).

    Args:
        scores: int64 ``(rows,)``: true scores.
        predicted: int64 ``(rows,)``: decided scores.
        probabilities: float64 ``(rows, classes)``.
        bins: Bins of the calibration error.
        weights: float64 ``(samples, rows)``, not negative; one sample of ones when omitted.

    Returns:
        float64 ``(samples,)`` by name; NaN where a metric is undefined.
    """
    rows, classes = probabilities.shape
    if weights is None:
        weights = np.ones((1, rows))
    total = weights.sum(axis=1)
    error = np.abs(predicted - scores)
    with np.errstate(divide="ignore"):
        surprise = -np.log(probabilities[np.arange(rows), scores].clip(np.finfo(np.float64).tiny))

    def mean(values: NDArray[Any]) -> Floats:
        return weights @ values.astype(np.float64) / total

    confusion = _confusion(scores, predicted, classes, weights)
    macro, weighted = _f1(confusion)
    return {
        "loss": mean(surprise),
        "accuracy": mean(error == 0),
        "adjacent_accuracy": mean(error <= 1),
        "qwk": _quadratic_weighted_kappa(confusion),
        "mae": mean(error),
        "rmse": np.sqrt(mean(error**2)),
        "macro_f1": macro,
        "weighted_f1": weighted,
        "off_by_more_than_two": mean(error > 2),
        "ece": _calibration_error(scores, probabilities, bins, weights) / total,
    }


def kappa(scores: Integers, predicted: Integers, classes: int, weights: Floats) -> Floats:
    """Return the quadratic weighted kappa once for each row of weights, as :func:`compute` does."""
    return _quadratic_weighted_kappa(_confusion(scores, predicted, classes, weights))


def _confusion(scores: Integers, predicted: Integers, classes: int, weights: Floats) -> Floats:
    """Return the weight of each pair of true and predicted score, ``(samples, classes, classes)``."""
    cells = csr_array(  # sparse: a dense table of 20,000 essays and 101 classes would take 1.6 GB
        (np.ones(len(scores)), (np.arange(len(scores)), scores * classes + predicted)), (len(scores), classes * classes)
    )
    return (weights @ cells).reshape(-1, classes, classes)


def _quadratic_weighted_kappa(confusion: Floats) -> Floats:
    index = np.arange(confusion.shape[-1])
    cost = (index[:, None] - index) ** 2.0
    by_chance = confusion.sum(axis=2)[:, :, None] * confusion.sum(axis=1)[:, None, :]
    observed = (confusion * cost).sum(axis=(1, 2)) * confusion.sum(axis=(1, 2))
    expected = (by_chance * cost).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.where(expected > 0, 1 - observed / expected, np.nan)


def _f1(confusion: Floats) -> tuple[Floats, Floats]:
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, guessed = confusion.sum(axis=2), confusion.sum(axis=1)
    present = true + guessed > 0
    f1 = np.divide(2 * hits, true + guessed, out=np.zeros_like(hits), where=present)
    return f1.sum(axis=1) / present.sum(axis=1), (f1 * true).sum(axis=1) / true.sum(axis=1)


def _calibration_error(scores: Integers, probabilities: Floats, bins: int, weights: Floats) -> Floats:
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == scores
    members = _bin(confidence, bins)[:, None] == np.arange(bins)
    return np.abs(weights @ (members * (correct - confidence)[:, None])).sum(axis=1)


def _bin(probabilities: Floats, bins: int) -> Integers:
    return np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)


def reliability(scores: Integers, probabilities: Floats, bins: int) -> list[dict[str, float | int]]:
    """Return predicted and observed frequency of the statements "the score is at least k", by bin of probability.

    Scores are ordered, so these statements (``classes - 1`` for each row) say more than the likeliest class, whose
    probability is small if neighbouring scores are nearly as likely.

    Args:
        scores: int64 ``(rows,)``: true scores.
        probabilities: float64 ``(rows, classes)``.
        bins: Bins of equal width of the probability.

    Returns:
        For each bin with statements in it: their mean ``probability``, the ``frequency`` with which they are true, and
        their number, ``statements``.
    """
    at_least = 1 - probabilities.cumsum(axis=1)[:, :-1]
    true = scores[:, None] > np.arange(at_least.shape[1])
    place = _bin(at_least, bins)
    return [
        {
            "probability": float(at_least[place == number].mean()),
            "frequency": float(true[place == number].mean()),
            "statements": int((place == number).sum()),
        }
        for number in np.unique(place)
    ]


def confusion(scores: Integers, predicted: Integers, classes: int) -> list[dict[str, int]]:
    """Return the count of each pair of true and predicted score, including pairs that never occur."""
    counts = np.bincount(scores * classes + predicted, minlength=classes**2)
    return [
        {"score": pair // classes, "predicted": pair % classes, "essays": int(count)}
        for pair, count in enumerate(counts)
    ]


def report(scores: Integers, predicted: Integers, probabilities: Floats, bins: int) -> dict[str, Any]:
    """Return the metrics as JSON values: six decimals, and null, with the reason under ``undefined``, for NaN."""
    values = compute(scores, predicted, probabilities, bins)
    result = {name: None if np.isnan(value[0]) else _rounded(value[0]) for name, value in values.items()}
    return {**result, "essays": len(scores), **_undefined(result)}


def intervals(
    scores: Integers,
    predicted: Integers,
    probabilities: Floats,
    bins: int,
    bootstrap: Bootstrap,
    units: Integers | None = None,
) -> dict[str, Any]:
    """Return percentile bootstrap intervals by metric, as ``{"low": …, "high": …}``.

    Rows are drawn with replacement (Efron and Tibshirani, 1993, chapter 13). The decision rule is fixed, so the
    interval shows how the metric varies with the test essays, not with the training run. A metric that is undefined on
    the rows is null, with the reason under ``undefined``. Samples in which it is undefined are left out. `units` is as
    in `resamples`.
    """
    samples: dict[str, list[Floats]] = {}
    for weights in resamples(len(scores), bootstrap, units):
        for name, values in compute(scores, predicted, probabilities, bins, weights).items():
            samples.setdefault(name, []).append(values)
    result: dict[str, Any] = {}
    for name, point in compute(scores, predicted, probabilities, bins).items():
        if np.isnan(point[0]):
            result[name] = None
            continue
        low, high = percentiles(samples[name], bootstrap)
        result[name] = {"low": _rounded(low), "high": _rounded(high)}
    return result | _undefined(result)


def resamples(rows: int, bootstrap: Bootstrap, units: Integers | None = None) -> Iterator[Floats]:
    """Yield the weights of the bootstrap samples, float64 ``(samples, rows)``, a chunk at a time.

    Rows are drawn one by one. With `units`, ``(rows,)``, the rows of a unit are drawn together (a cluster bootstrap,
    for rows that depend on each other: Davison and Hinkley, 1997, section 3.8).
    """
    of_row = None if units is None else np.unique(units, return_inverse=True)[1]
    drawn = rows if of_row is None else int(of_row.max()) + 1
    random = np.random.default_rng(bootstrap.seed)
    for start in range(0, bootstrap.samples, CHUNK):
        count = min(CHUNK, bootstrap.samples - start)
        weights = random.multinomial(drawn, np.full(drawn, 1 / drawn), size=count).astype(np.float64)
        yield weights if of_row is None else weights[:, of_row]


def percentiles(chunks: list[Floats], bootstrap: Bootstrap) -> tuple[float, float]:
    """Return both ends of the percentile interval of a value, over the samples in which it is defined."""
    tail = (1 - bootstrap.confidence) / 2
    low, high = np.nanquantile(np.concatenate(chunks), [tail, 1 - tail])
    return float(low), float(high)


def _rounded(value: float) -> float:
    return round(float(value), 6) + 0.0  # -0.0 becomes 0.0, since it would be written differently


def _undefined(result: dict[str, Any]) -> dict[str, dict[str, str]]:
    reasons = {name: UNDEFINED[name] for name, value in result.items() if value is None}
    return {"undefined": reasons} if reasons else {}


def predictions(
    lines: Integers, scores: Integers, predicted: Integers, probabilities: Floats
) -> dict[str, NDArray[Any]]:
    """Return the columns of ``predictions.csv``: row, score, predicted, expected, and p_0 to p_(classes - 1)."""
    columns = {f"p_{k}": probabilities[:, k] for k in range(probabilities.shape[1])}
    return {"row": lines, "score": scores, "predicted": predicted, "expected": expected_score(probabilities), **columns}
