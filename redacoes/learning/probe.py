"""The probe: penalised softmax regression on fixed features, with NumPy and SciPy. It needs no learning rate.

`head` turns it into the head of a classifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]

GRADIENT = 1e-6  # largest component of the mean loss's gradient at the optimum
ITERATIONS = 5000
MEMORY = 20  # steps in the memory of L-BFGS


@dataclass(frozen=True)
class Regression:
    """A fitted softmax regression.

    Attributes:
        coefficients: float64 ``(features, classes)``.
        intercepts: float64 ``(classes,)``.
        penalty: The penalty of the fit.
    """

    coefficients: Floats
    intercepts: Floats
    penalty: float

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return the logits, float64 ``(rows, classes)``, of features ``(rows, features)``."""
        return features.astype(np.float64) @ self.coefficients + self.intercepts


def cross_entropy(logits: Floats, targets: NDArray[np.floating], weights: NDArray[np.floating] | None = None) -> float:
    """Return the mean over rows of ``-sum(targets * log softmax(logits))``, each row times its weight.

    Args:
        logits: ``(rows, classes)``.
        targets: ``(rows, classes)``: target distributions.
        weights: ``(rows,)``; None for 1.
    """
    losses = -(targets * _log_softmax(logits)).sum(axis=1)
    return float((losses if weights is None else losses * weights).mean())


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def fit(
    features: NDArray[np.floating],
    targets: NDArray[np.floating],
    weights: NDArray[np.floating],
    penalty: float,
    start: Regression | None = None,
) -> Regression:
    """Fit a softmax regression with an L2 penalty to its only optimum.

    The objective is ``sum(weights * cross entropy) + penalty / 2 * sum(coefficients ** 2)``, divided by the number
    of rows: a Gaussian prior on the coefficients with a variance of ``1 / penalty`` (Hastie, Tibshirani and Friedman,
    2009, section 4.4.4). It is convex, so the result depends on no learning rate and no seed. L-BFGS (Liu and Nocedal,
    1989) runs on all rows at once, and linear algebra on one thread, so it does not depend on the number of processors.

    Args:
        features: ``(rows, features)``, of about the same scale, since they share the penalty.
        targets: ``(rows, classes)``: target distributions.
        weights: ``(rows,)``: weight of each row.
        penalty: Above 0.
        start: Starting point, such as the fit with another penalty; None for 0.
    """
    rows, width = features.shape
    classes = targets.shape[1]
    x, aims, of_rows = (np.asarray(array, np.float64) for array in (features, targets, weights))
    masses = aims.sum(axis=1, keepdims=True)

    def objective(flat: Floats) -> tuple[float, Floats]:
        coefficients, intercepts = flat[: width * classes].reshape(width, classes), flat[width * classes :]
        logs = _log_softmax(x @ coefficients + intercepts)
        loss = -(of_rows[:, None] * aims * logs).sum() + penalty / 2 * (coefficients**2).sum()
        errors = of_rows[:, None] * (masses * np.exp(logs) - aims)
        slope = np.concatenate([(x.T @ errors + penalty * coefficients).ravel(), errors.sum(axis=0)])
        return loss / rows, slope / rows

    first = np.zeros((width + 1) * classes)
    if start is not None:
        first = np.concatenate([start.coefficients.ravel(), start.intercepts])
    options = {"gtol": GRADIENT, "ftol": 0.0, "maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": MEMORY}
    with threadpool_limits(1):
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options).x
    return Regression(found[: width * classes].reshape(width, classes), found[width * classes :], penalty)


def choose(
    features: Sequence[NDArray[np.floating]],
    targets: Sequence[NDArray[np.floating]],
    weights: NDArray[np.floating],
    penalties: Sequence[float],
) -> tuple[Regression, dict[float, float]]:
    """Fit with each penalty on train. Return the fit with the least loss on validation, and all these losses.

    Args:
        features: Of train and of validation, ``(rows, features)`` each.
        targets: Likewise, ``(rows, classes)`` each.
        weights: ``(rows,)``: weights of the rows of train; rows of validation weigh the same.
        penalties: In descending order: the largest is the quickest to fit, and each fit starts the next. In a tie the
            first wins.
    """
    losses: dict[float, float] = {}
    fits: dict[float, Regression] = {}
    last: Regression | None = None
    for penalty in sorted(penalties, reverse=True):
        last = fits[penalty] = fit(features[0], targets[0], weights, penalty, last)
        losses[penalty] = cross_entropy(last.logits(features[1]), targets[1])
    best = min(losses, key=losses.__getitem__)
    return fits[best], losses
