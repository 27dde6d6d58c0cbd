"""From class probabilities to a score: the decision rule that evaluation, baselines and the scorer share."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rule = Literal["argmax", "expected", "matched"]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities of logits ``(rows, classes)``, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def expected_score(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean score ``(rows,)`` under probabilities ``(rows, classes)``, where class k stands for score k."""
    return probabilities @ np.arange(probabilities.shape[1], dtype=np.float64)


@dataclass(frozen=True)
class Decision:
    """A fitted rule: the score is ``round(slope * expected + intercept)``, or the likeliest class for argmax.

    Attributes:
        rule: argmax, expected (slope 1, intercept 0) or matched.
        slope: Without a unit.
        intercept: In points of score.
    """

    rule: Rule
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, rule: Rule, probabilities: NDArray[np.float64], scores: NDArray[np.int64]) -> "Decision":
        """Fit `rule` on validation: probabilities ``(rows, classes)`` and true scores ``(rows,)``.

        ``matched`` gives the expected scores the mean and the standard deviation of the true ones, since a model that
        is unsure pulls every expectation towards the middle, which costs quadratic weighted kappa. Where all expected
        scores are equal there is nothing to stretch, and only the mean is matched.
        """
        if rule != "matched":
            return cls(rule)
        expected = expected_score(probabilities)
        spread = float(expected.std())
        slope = float(scores.std()) / spread if spread > 1e-9 else 1.0
        return cls(rule, slope, float(scores.mean()) - slope * float(expected.mean()))

    def apply(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the decided scores, int64 ``(rows,)``, of probabilities ``(rows, classes)``."""
        if self.rule == "argmax":
            return probabilities.argmax(axis=1)
        stretched = self.slope * expected_score(probabilities) + self.intercept
        # a half is rounded up; the tiny step keeps 2.9999999 of floating point from deciding differently from 3.5 - 0.5
        return np.clip(np.floor(stretched + 0.5 + 1e-9), 0, probabilities.shape[1] - 1).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name, for JSON."""
        return asdict(self)
