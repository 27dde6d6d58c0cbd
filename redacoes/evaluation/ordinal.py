"""Proportional odds: probabilities of ordered classes from a few numbers of an essay.

McCullagh, 1980, "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 42(2): 109-142.
The fit is our own, since it must work with few essays and with classes that no essay has. statsmodels' OrderedModel has
neither a penalty nor weights.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PENALTY = 1.0  # of the squared weights, in units of the standard deviation: as strong as one essay
UNSEEN = 0.3  # pseudo-count of each class, in essays
LEAST = 0.1  # points: lower bound of a number's standard deviation; a smaller one would amplify noise
STEADY = 10.0  # penalty of a change of thresholds that many essays have set; more holds a strong model back
OPTIONS = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}  # of L-BFGS


@dataclass(frozen=True)
class ProportionalOdds:
    """P(score <= k) = 1 / (1 + exp(weights · numbers - thresholds[k])).

    Attributes:
        weights: One for each number, 0 or more, in log odds per unit.
        thresholds: One for each class but the last, ascending, in log odds.
    """

    weights: tuple[float, ...]
    thresholds: tuple[float, ...]

    @classmethod
    def from_dict(cls, values: Any) -> "ProportionalOdds":
        """Return the odds with these attributes by name, as `asdict` gives them.

        Raises:
            KeyError, TypeError or ValueError: They are not such attributes.
        """
        return cls(tuple(map(float, values["weights"])), tuple(map(float, values["thresholds"])))

    @classmethod
    def fit(cls, numbers: Floats, scores: Integers, classes: int) -> "ProportionalOdds":
        """Fit by penalised maximum likelihood, which has one optimum (Pratt, 1981: it is concave).

        The objective is the sum of log p(score) over the essays, plus `UNSEEN` times log p of each class for an essay
        with mean numbers, minus `PENALTY` / 2 times the sum of the squared weights, each in units of the standard
        deviation of its number or of `LEAST`, whichever is larger. So each class has some probability, even if no essay
        has it, and a number without information has no weight. No weight is negative: a higher number never makes a
        lower score likelier.

        Args:
            numbers: ``(essays, numbers)``, such as expected scores: the higher, the better.
            scores: ``(essays,)``, from 0 to ``classes - 1``.
            classes: Number of classes, 2 or more.
        """
        from scipy.optimize import minimize  # only the fit needs it; scoring does not
        from threadpoolctl import threadpool_limits

        mean, spread = numbers.mean(axis=0), numbers.std(axis=0)
        scale = np.maximum(spread, LEAST)
        known = np.vstack([(numbers - mean) / scale, np.zeros((classes, numbers.shape[1]))])
        true = np.concatenate([scores, np.arange(classes)])
        rows = np.concatenate([np.ones(len(scores)), np.full(classes, UNSEEN)])

        def loss(values: Floats) -> tuple[float, Floats]:
            weights, gaps = values[classes - 1 :], np.exp(values[1 : classes - 1])
            thresholds = values[0] + np.concatenate([[0.0], gaps.cumsum()])
            upper, lower = _ends(known @ weights, thresholds, true)
            slopes, of_position = _slopes(upper, lower, true, classes, rows)
            onwards = slopes[::-1].cumsum()[::-1]
            of_weights = PENALTY * weights - of_position @ known
            value = PENALTY / 2 * weights @ weights - rows @ _log_probability(upper, lower)
            return float(value), np.concatenate([-onwards[:1], -onwards[1:] * gaps, of_weights])

        share = (np.bincount(scores, minlength=classes) + UNSEEN).cumsum()[:-1] / (len(scores) + UNSEEN * classes)
        begin = np.log(share / (1 - share))  # the optimum where all weights are 0
        start = np.concatenate([begin[:1], np.log(np.diff(begin)), np.zeros(numbers.shape[1])])
        bounds = [(None, None)] * (classes - 1) + [(0.0, None)] * numbers.shape[1]
        with threadpool_limits(1):  # the bytes must not depend on the number of processors
            found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=OPTIONS).x
        weights = found[classes - 1 :] / scale
        thresholds = found[0] + np.concatenate([[0.0], np.exp(found[1 : classes - 1]).cumsum()]) + weights @ mean
        return cls(tuple(map(float, weights)), tuple(map(float, thresholds)))

    def extended(self, numbers: Floats, scores: Integers) -> "ProportionalOdds":
        """Return odds on several numbers, fitted on few essays, where these odds are on the last number alone.

        Few essays say how to weigh numbers, but little about 10 thresholds. So the thresholds keep the shape that
        these odds have; a common factor f of their distances from the mean essay, and a shift s, are fitted. The
        objective is the sum of log p(score), minus `PENALTY` / 2 times the sum of the squared weights as in `fit`, the
        last less its weight in these odds, minus `STEADY` / 2 times ``(log f)² + s²``.

        Args:
            numbers: ``(essays, numbers)``: the higher, the better.
            scores: ``(essays,)``.
        """
        from scipy.optimize import minimize
        from threadpoolctl import threadpool_limits

        mean, scale = numbers.mean(axis=0), np.maximum(numbers.std(axis=0), LEAST)
        known = (numbers - mean) / scale
        start = np.zeros(numbers.shape[1])
        start[-1] = self.weights[0] * scale[-1]
        distances = np.array(self.thresholds) - self.weights[0] * mean[-1]
        classes = len(distances) + 1

        def loss(values: Floats) -> tuple[float, Floats]:
            (factor, shift), weights = (np.exp(values[0]), values[1]), values[2:]
            thresholds = factor * distances + shift
            upper, lower = _ends(known @ weights, thresholds, scores)
            slopes, of_position = _slopes(upper, lower, scores, classes)
            value = _log_probability(upper, lower).sum() - STEADY / 2 * (values[:2] @ values[:2])
            value -= PENALTY / 2 * ((weights - start) ** 2).sum()
            of_thresholds = np.array([factor * (slopes @ distances), slopes.sum()]) - STEADY * values[:2]
            of_weights = of_position @ known - PENALTY * (weights - start)
            return -float(value), -np.concatenate([of_thresholds, of_weights])

        bounds = [(-3.0, 3.0), (None, None)] + [(0.0, None)] * len(start)
        with threadpool_limits(1):  # the bytes must not depend on the number of processors
            begin = np.concatenate([[0.0, 0.0], start])
            found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options=OPTIONS).x
        weights = found[2:] / scale
        thresholds = np.exp(found[0]) * distances + found[1] + weights @ mean
        return ProportionalOdds(tuple(map(float, weights)), tuple(map(float, thresholds)))

    def probabilities(self, numbers: Floats) -> Floats:
        """Return the probability of each class, ``(essays, classes)``, for numbers ``(essays, numbers)``."""
        thresholds = np.array(self.thresholds)
        classes = len(thresholds) + 1
        position = (numbers * np.array(self.weights)).sum(axis=1)
        columns = [
            np.exp(_log_probability(*_ends(position, thresholds, np.full(len(numbers), k)))) for k in range(classes)
        ]
        return np.stack(columns, axis=1)


def _ends(position: Floats, thresholds: Floats, scores: Integers) -> tuple[Floats, Floats]:
    """Return the log odds of ``score <= k`` and of ``score <= k - 1``, where k is each essay's own score."""
    padded = np.concatenate([[-np.inf], thresholds, [np.inf]])
    return padded[scores + 1] - position, padded[scores] - position


def _slopes(
    upper: Floats, lower: Floats, scores: Integers, classes: int, rows: Floats | float = 1.0
) -> tuple[Floats, Floats]:
    """Return the derivatives of the sum of log p, each row times its weight, by each threshold and by each position.

    A threshold is the upper end of one class, and the lower end of the next.
    """
    ratio = 1 / np.expm1(upper - lower)
    by_upper, by_lower = rows * (_logistic(-upper) + ratio), -rows * (_logistic(lower) + ratio)
    uppers, lowers = (np.bincount(scores, by, classes).astype(np.float64) for by in (by_upper, by_lower))
    return uppers[:-1] + lowers[1:], -(by_upper + by_lower)


def _logistic(odds: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -odds))


def _log_probability(upper: Floats, lower: Floats) -> Floats:
    """Return log(logistic(upper) - logistic(lower)) as a product, which is exact in the tails."""
    return -np.logaddexp(0, -upper) - np.logaddexp(0, lower) + np.log(-np.expm1(lower - upper))
