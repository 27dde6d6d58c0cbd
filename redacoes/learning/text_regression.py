"""A regression of the score on the text without an encoder: on the surface, and on words if asked for.

It is a baseline, and the second number of the decision rule ordinal. It is stored as JSON and safetensors.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from redacoes.errors import MEND, UserError, first_line
from redacoes.essays import surface
from redacoes.evaluation.ordinal import ProportionalOdds
from redacoes.files import read_object, write_json
from redacoes.learning import themes
from redacoes.params import Baseline

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FILES = ("surface.json", "surface.safetensors")
LIMIT = 3.0  # standard deviations to which surface features are limited: texts can be anything
PENALTIES = np.logspace(-2, 4, 25)
COMPONENTS = 300  # of TF-IDF, so that the fit stays small with many essays
SHARE = 0.03  # scale of the surface relative to words, whose vectors have length 1; tuned on real essays
SHARE_BY_THEME = 0.07  # the same if themes are projected out, after which words explain less
FOLDS = 10  # of whole groups, for the choice of the penalty
SEED = 0  # of the randomised search for components


@dataclass(frozen=True, eq=False)
class TfIdf:
    """TF-IDF as in scikit-learn: ``(1 + log count) * idf``, scaled to length 1.

    Attributes:
        terms: n-grams of words, in lower case.
        idf: float64 ``(terms,)``.
        weights: float64 ``(terms,)``, in points.
        ngrams: Words in the longest term.
    """

    terms: tuple[str, ...]
    idf: Floats
    weights: Floats
    ngrams: int

    def points(self, texts: Sequence[str]) -> Floats:
        """Return the points that words add to the score of each text."""
        return np.asarray(self._vectorizer.transform(texts) @ self.weights)

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(ngram_range=(1, self.ngrams), sublinear_tf=True, vocabulary=self.terms)
        vectorizer.idf_ = self.idf
        return vectorizer


@dataclass(frozen=True, eq=False)
class TextRegression:
    """``intercept + weights · [z, z²] + words``, kept within 0 and ``top``; z is the surface, standardised and limited.

    Attributes:
        mean: Means of the surface features over the training essays, float64 ``(features,)``.
        spread: Their standard deviations; 1 for a constant feature.
        weights: In points, float64 ``(2 * features,)``: of z, then of its square.
        intercept: In points.
        top: The highest score.
        words: The part of the words; None for the surface alone.
        odds: The probabilities of the scores, fitted on its predictions of left-out training essays; None in a model
            that an earlier version made.
    """

    mean: Floats
    spread: Floats
    weights: Floats
    intercept: float
    top: int
    words: TfIdf | None
    odds: ProportionalOdds | None = None

    @classmethod
    def fit(
        cls, texts: Sequence[str], scores: Integers, top: int, words: Baseline | None, groups: Integers | None = None
    ) -> tuple["TextRegression", Floats]:
        """Fit by ridge regression (Hoerl and Kennard, 1970). The penalty minimises the error on left-out essays.

        Squares are included since an essay can be too short or too long. Words enter as the `COMPONENTS` widest axes of
        TF-IDF (latent semantic analysis: Deerwester et al., 1990). If groups are themes, these are projected out (see
        `themes`).

        Args:
            texts: Cleaned training essays.
            scores: int64 ``(texts,)``.
            top: The highest score.
            words: n-grams and vocabulary of TF-IDF; None for the surface alone.
            groups: int64 ``(texts,)``: the number of the group of each. Essays are then left out by group.

        Returns:
            The regression, and the out-of-sample score of each training essay, fitted without it or without its group,
            float64 ``(texts,)``, in points.

        Raises:
            UserError: No n-gram is in enough training essays.
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # the bytes must not depend on the number of processors
            fitted, left_out = cls._fit(texts, scores, top, words, np.arange(len(texts)) if groups is None else groups)
        return replace(fitted, odds=ProportionalOdds.fit(left_out[:, None], scores, top + 1)), left_out

    @classmethod
    def _fit(
        cls, texts: Sequence[str], scores: Integers, top: int, words: Baseline | None, groups: Integers
    ) -> tuple["TextRegression", Floats]:
        numbers = surface.features(texts)
        mean, spread = numbers.mean(axis=0), numbers.std(axis=0)
        spread = np.where(spread > 1e-9, spread, 1.0)
        known = squared(numbers, mean, spread)
        if words is None:
            ridge, left_out = penalised(known, scores, groups)
            return cls(mean, spread, ridge.coef_, float(ridge.intercept_), top, None), left_out
        vectorizer = vectorise(texts, words)
        tfidf = vectorizer.transform(texts)
        axes = _axes(tfidf)
        taken = themes.directions(tfidf @ axes.T, groups)
        axes = axes - taken.T @ (taken @ axes)  # a term gets no weight for its theme
        share = SHARE_BY_THEME if len(taken) else SHARE
        ridge, left_out = penalised(np.hstack([known * share, tfidf @ axes.T]), scores, groups)
        of_surface, of_axes = np.split(ridge.coef_, [known.shape[1]])
        terms = tuple(vectorizer.get_feature_names_out())
        found = TfIdf(terms, vectorizer.idf_, of_axes @ axes, words.ngrams)
        return cls(mean, spread, of_surface * share, float(ridge.intercept_), top, found), left_out

    def predict(self, texts: Sequence[str]) -> Floats:
        """Return the score of each cleaned text, float64 ``(texts,)``, in points, not rounded."""
        if not texts:
            return np.empty(0)
        known = squared(surface.features(texts), self.mean, self.spread)
        points = self.intercept + (known * self.weights).sum(
            axis=1
        )  # a matrix product's bytes depend on the number of rows
        if self.words:
            points = points + self.words.points(texts)
        return np.clip(points, 0, self.top)

    def save(self, folder: Path) -> None:
        """Write `FILES` into a folder that exists."""
        arrays = {"mean": self.mean, "spread": self.spread, "weights": self.weights}
        values: dict[str, Any] = {"features": surface.NAMES, "intercept": self.intercept, "top": self.top}
        if self.words:
            arrays |= {"idf": self.words.idf, "word_weights": self.words.weights}
            values |= {"ngrams": self.words.ngrams, "terms": self.words.terms}
        if self.odds:
            values["odds"] = asdict(self.odds)
        write_json(folder / FILES[0], values)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / FILES[1])

    @classmethod
    def load(cls, folder: Path) -> "TextRegression":
        """Return the regression in a folder.

        Raises:
            UserError: It is missing or damaged, or has other surface features than this version.
        """
        values = read_object(folder / FILES[0])
        if values.get("features") != list(surface.NAMES):
            raise UserError(
                f"{folder / FILES[0]} was made from other features than this version of the project has; use the "
                "version that made it, or run dvc repro baseline evaluate"
            )
        try:
            arrays = load_file(folder / FILES[1])
            words, count = None, len(surface.NAMES)
            if "terms" in values:
                terms = tuple(values["terms"])
                words = TfIdf(terms, arrays["idf"], arrays["word_weights"], int(values["ngrams"]))
                _require(len(terms), words.idf, words.weights)
            _require(count, arrays["mean"], arrays["spread"])
            _require(2 * count, arrays["weights"])
            fixed = float(values["intercept"]), int(values["top"])
            odds = ProportionalOdds.from_dict(values["odds"]) if "odds" in values else None
            if odds and (len(odds.weights), len(odds.thresholds)) != (1, fixed[1]):
                raise ValueError("the odds are for other scores")
            return cls(arrays["mean"], arrays["spread"], arrays["weights"], *fixed, words, odds)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{folder / FILES[1]} cannot be read ({first_line(error)}); {MEND}") from error


def vectorise(texts: Sequence[str], words: Baseline) -> Any:
    """Return scikit-learn's TF-IDF, fitted on texts.

    Raises:
        UserError: No n-gram is in enough texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, words.ngrams),
        min_df=words.min_document_frequency,
        max_features=words.max_features,
        sublinear_tf=True,
    )
    try:
        return vectorizer.fit(texts)
    except ValueError as error:
        raise UserError(f"baseline.min_document_frequency or max_features leaves no n-gram ({error})") from error


def penalised(numbers: Floats, scores: Integers, groups: Integers) -> tuple[Any, Floats]:
    """Return scikit-learn's ridge regression on numbers ``(rows, numbers)``, its penalty chosen on what is left out.

    Rows are left out one by one or, if groups have several rows, in `FOLDS` folds of whole groups.

    Returns:
        The regression, and its prediction for each row when that is left out, float64 ``(rows,)``.
    """
    from sklearn.linear_model import Ridge, RidgeCV
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    count = len(np.unique(groups))
    with threadpool_limits(1):
        if count == len(groups) or count < 2:
            ridge = RidgeCV(PENALTIES, scoring="neg_mean_squared_error", store_cv_results=True).fit(numbers, scores)
            return ridge, ridge.cv_results_[:, list(PENALTIES).index(ridge.alpha_)]
        folds = list(GroupKFold(min(FOLDS, count)).split(numbers, groups=groups))
        ridge = RidgeCV(PENALTIES, scoring="neg_mean_squared_error", cv=folds).fit(numbers, scores)
        return ridge, cross_val_predict(Ridge(ridge.alpha_), numbers, scores, cv=folds)


def squared(numbers: Floats, mean: Floats, spread: Floats) -> Floats:
    """Return the standardised, limited numbers ``(rows, numbers)``, followed by their squares."""
    limited = np.clip((numbers - mean) / spread, -LIMIT, LIMIT)
    return np.hstack([limited, limited**2])


def _axes(tfidf: Any) -> Floats:
    """Return the widest axes of TF-IDF rows, float64 ``(axes, terms)``; the terms themselves if they are few."""
    from sklearn.decomposition import TruncatedSVD

    count = min(COMPONENTS, *tfidf.shape)
    if count == tfidf.shape[1]:
        return np.eye(count)
    axes: Floats = TruncatedSVD(count, random_state=SEED).fit(tfidf).components_
    return axes


def _require(length: int, *arrays: Floats) -> None:
    for array in arrays:
        if array.dtype != np.float64 or array.shape != (length,) or not np.isfinite(array).all():
            raise ValueError(f"an array is not one of {length} finite numbers")
