"""Decide a score from class probabilities, by the rule that evaluation, baselines and the scorer share."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from redacoes.evaluation.ordinal import ProportionalOdds

Rule = Literal["argmax", "expected", "linear", "ordinal"]
NEEDED = "the rule ordinal needs what a text regression makes of the essays, and its odds"


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities of logits ``(rows, classes)``, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def expected_score(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean score ``(rows,)`` under probabilities ``(rows, classes)``, where class k stands for score k."""
    return probabilities @ np.arange(probabilities.shape[1], dtype=np.float64)


def known(
    rule: Rule,
    probabilities: Mapping[str, NDArray[np.float64]],
    scores: Mapping[str, NDArray[np.int64]],
    numbers: Mapping[str, NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None]:
    """Return what a rule is fitted on, for :meth:`Decision.fit`.

    That is validation and, for ordinal, the training essays as graded by a model and a text regression that have not
    seen them, if there are such.

    Args:
        rule: The rule.
        probabilities: The model's, ``(rows, classes)``, of ``validation`` and perhaps ``train``.
        scores: The true scores of both.
        numbers: The text regression's scores of both; needed for ordinal only.
    """
    if rule != "ordinal":
        return probabilities["validation"], scores["validation"], None
    parts = [name for name in ("train", "validation") if name in probabilities]
    joined = [np.concatenate([values[name] for name in parts]) for values in (probabilities, scores, numbers)]
    return joined[0], joined[1], joined[2]


def alone(rule: Rule) -> Rule:
    """Return the rule for probabilities without a text regression, such as a baseline's."""
    return "linear" if rule == "ordinal" else rule


@dataclass(frozen=True)
class Decision:
    """A fitted rule: the score is ``round(slope * expected + intercept)``, or the likeliest class for argmax.

    Attributes:
        rule: argmax, expected (slope 1, intercept 0), linear or ordinal.
        slope: The slope, without a unit.
        intercept: The intercept, in points of score.
        odds: For ordinal only: the class probabilities, given the model's expected score and the score of the text
            regression.
    """

    rule: Rule
    slope: float = 1.0
    intercept: float = 0.0
    odds: ProportionalOdds | None = None

    @classmethod
    def fit(
        cls,
        rule: Rule,
        probabilities: NDArray[np.float64],
        scores: NDArray[np.int64],
        numbers: NDArray[np.float64] | None = None,
        odds: ProportionalOdds | None = None,
    ) -> "Decision":
        """Fit `rule` on essays that the model has not seen: probabilities ``(rows, classes)``, true scores ``(rows,)``.

        ``linear`` is linear equating (Kolen and Brennan, 2014, chapter 2): the expected scores get the mean and the
        standard deviation of the true ones. Without it, an unsure model pulls every expectation towards the middle,
        which costs quadratic weighted kappa. If all expected scores are equal, only the mean is equated. ``ordinal``
        first extends the text regression's odds, which many training essays have set, to the model's expected scores,
        and then equates the expected scores of these probabilities.

        Args:
            rule: The rule.
            probabilities: The model's.
            scores: The true scores.
            numbers: The text regression's scores of the same essays, in points, ``(rows,)``; for ordinal only.
            odds: Those of the text regression; for ordinal only.
        """
        if rule in ("argmax", "expected"):
            return cls(rule)
        fitted = None
        if rule == "ordinal":
            if odds is None:
                raise ValueError(NEEDED)
            pairs = _pairs(probabilities, numbers)
            fitted = odds.extended(pairs, scores)
            probabilities = fitted.probabilities(pairs)
        expected = expected_score(probabilities)
        spread = float(expected.std())
        slope = float(scores.std()) / spread if spread > 1e-9 else 1.0
        return cls(rule, slope, float(scores.mean()) - slope * float(expected.mean()), fitted)

    def decide(
        self, probabilities: NDArray[np.float64], numbers: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the decided scores, int64 ``(rows,)``, and the probabilities behind them, ``(rows, classes)``.

        Args:
            probabilities: The model's, ``(rows, classes)``. Only ordinal changes them.
            numbers: The text regression's scores of the same essays, in points, ``(rows,)``; for ordinal only.
        """
        if self.odds is not None:
            probabilities = self.odds.probabilities(_pairs(probabilities, numbers))
        return self.apply(probabilities), probabilities

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the decided scores, int64 ``(rows,)``, for probabilities ``(rows, classes)``.

        For ordinal, pass the probabilities of `odds`.
        """
        if self.rule == "argmax":
            return probabilities.argmax(axis=1)
        stretched = self.slope * expected_score(probabilities) + self.intercept
        # round half up; the tiny step absorbs rounding errors
        return np.clip(np.floor(stretched + 0.5 + 1e-9), 0, probabilities.shape[1] - 1).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name, for JSON; ``odds`` only if there are any."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _pairs(probabilities: NDArray[np.float64], numbers: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the inputs of ordinal, ``(rows, 2)``: the model's expected score, and the text regression's score."""
    if numbers is None:
        raise ValueError(NEEDED)
    return np.column_stack([expected_score(probabilities), numbers])
