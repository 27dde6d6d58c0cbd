"""The regression on a text: what it learns, what it leaves out, and how it is written and read."""

import json
from pathlib import Path

import numpy as np
import pytest

from redacoes.errors import UserError
from redacoes.essays import surface
from redacoes.learning import baseline, text_regression
from redacoes.learning.text_regression import FILES, TextRegression
from redacoes.params import Baseline

WORDS = Baseline(ngrams=2, min_document_frequency=2, max_features=400, c=[1.0], max_iterations=100)
GOOD, BAD = ["gato", "sapo", "rato"], ["lobo", "foca", "pato"]  # alike for the surface


def essays(count: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Scores 0 to 10: the half of what is known is the length, the other which words there are."""
    random = np.random.default_rng(seed)
    length, words = random.integers(0, 6, count), random.integers(0, 6, count)
    texts = []
    for long, good in zip(length, words, strict=True):
        drawn = [str(random.choice(GOOD if place < 2 * good else BAD)) for place in range(10)]
        filler = [f"palavra{number}" for number in random.integers(0, 10_000, 8 + 8 * long)]
        texts.append(f"{' '.join(drawn)}. {' '.join(filler)}.")
    return texts, length + words


TEXTS, SCORES = essays(200, 1)
NEW, TRUE = essays(200, 2)


@pytest.fixture(scope="module")
def with_words() -> tuple[TextRegression, np.ndarray]:
    return TextRegression.fit(TEXTS, SCORES, 10, WORDS)


def error(predicted: np.ndarray, scores: np.ndarray = TRUE) -> float:
    return float(np.sqrt(((predicted - scores) ** 2).mean()))


def test_words_tell_what_the_surface_does_not(with_words: tuple[TextRegression, np.ndarray]) -> None:
    alone, left_out = TextRegression.fit(TEXTS, SCORES, 10, None)
    assert error(with_words[0].predict(NEW)) < 0.75 * error(alone.predict(NEW)) < 0.75 * TRUE.std()
    # what is left out is as hard as what is new, and harder than what was learnt
    assert error(left_out, SCORES) == pytest.approx(error(alone.predict(NEW)), rel=0.15)
    assert error(with_words[1], SCORES) > error(with_words[0].predict(TEXTS), SCORES)


def test_it_is_read_as_it_was_written(with_words: tuple[TextRegression, np.ndarray], tmp_path: Path) -> None:
    for regression in (with_words[0], TextRegression.fit(TEXTS, SCORES, 10, None)[0]):
        regression.save(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
        found = TextRegression.load(tmp_path)
        assert (found.predict(NEW) == regression.predict(NEW)).all()
        assert found.odds == regression.odds


def test_one_that_an_earlier_version_made_still_predicts(
    with_words: tuple[TextRegression, np.ndarray], tmp_path: Path
) -> None:
    with_words[0].save(tmp_path)
    values = json.loads((tmp_path / FILES[0]).read_text())
    odds = values.pop("odds")
    (tmp_path / FILES[0]).write_text(json.dumps(values))
    earlier = TextRegression.load(tmp_path)
    assert (earlier.predict(NEW) == with_words[0].predict(NEW)).all()
    assert earlier.odds is None
    (tmp_path / FILES[0]).write_text(json.dumps({**values, "odds": {**odds, "thresholds": [0.0]}}))
    with pytest.raises(UserError, match=r"surface\.safetensors cannot be read"):
        TextRegression.load(tmp_path)


def test_any_text_has_a_number_within_the_scores(with_words: tuple[TextRegression, np.ndarray]) -> None:
    odd = ["", "?", "a" * 100_000, "palavra " * 50_000, "\n".join("x" * 500), "日本語 текст 🙂"]
    found = with_words[0].predict(odd)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 10)).all()
    assert (found == np.concatenate([with_words[0].predict([text]) for text in odd])).all()
    assert with_words[0].predict([]).shape == (0,)


def test_a_vocabulary_smaller_than_the_axes_is_taken_whole() -> None:
    few = WORDS.model_copy(update={"max_features": 5})
    regression, _ = TextRegression.fit(TEXTS[:40], SCORES[:40], 10, few)
    assert regression.words
    assert len(regression.words.terms) == len(regression.words.weights) == 5


def test_essays_with_one_score_alone_are_given_it() -> None:
    regression, _ = TextRegression.fit(TEXTS[:20], np.full(20, 7), 10, WORDS)
    assert regression.predict(NEW[:5]) == pytest.approx(7)


def test_other_features_and_damage_are_refused(tmp_path: Path) -> None:
    regression, _ = TextRegression.fit(TEXTS, SCORES, 10, WORDS)
    with pytest.raises(UserError, match=r"surface\.json cannot be read"):
        TextRegression.load(tmp_path)
    regression.save(tmp_path)
    values = json.loads((tmp_path / FILES[0]).read_text())
    (tmp_path / FILES[0]).write_text(json.dumps({**values, "features": list(surface.NAMES[1:])}))
    with pytest.raises(UserError, match="other features"):
        TextRegression.load(tmp_path)
    (tmp_path / FILES[0]).write_text(json.dumps({**values, "terms": values["terms"][1:]}))
    with pytest.raises(UserError, match=r"surface\.safetensors cannot be read"):
        TextRegression.load(tmp_path)
    (tmp_path / FILES[0]).write_text(json.dumps(values))
    whole = (tmp_path / FILES[1]).read_bytes()
    (tmp_path / FILES[1]).write_bytes(whole[:-8])
    with pytest.raises(UserError, match=r"surface\.safetensors cannot be read"):
        TextRegression.load(tmp_path)


def test_no_baseline_looks_at_the_scores_of_validation_or_test() -> None:
    texts = {"train": TEXTS, "validation": NEW[:100], "test": NEW[100:]}
    scores = {"train": SCORES, "validation": TRUE[:100], "test": TRUE[100:]}
    other = {**scores, "validation": 10 - scores["validation"], "test": 10 - scores["test"]}
    random = np.random.default_rng(3)
    vectors = {name: random.normal(size=(len(part), 4)) for name, part in texts.items()}
    for fit in (
        lambda scores: baseline.by_text(texts, scores, 11, None).probabilities,
        lambda scores: baseline.by_text(texts, scores, 11, WORDS).probabilities,
        lambda scores: baseline.by_encoder(texts, scores, 11, vectors),
    ):
        found, again = fit(scores), fit(other)
        assert all((found[name] == again[name]).all() for name in baseline.OTHERS)
        assert all(found[name].sum(axis=1) == pytest.approx(1) for name in found)


def test_the_encoder_adds_what_its_vectors_know() -> None:
    """Planted: the surface tells the length, and the vectors which words there are."""
    texts = {"train": TEXTS, "validation": NEW[:100], "test": NEW[100:]}
    scores = {"train": SCORES, "validation": TRUE[:100], "test": TRUE[100:]}
    good = {name: np.array([[sum(text.count(word) for word in GOOD)] for text in part]) for name, part in texts.items()}
    surface_alone = baseline.by_text(texts, scores, 11, None).probabilities
    hybrid = baseline.by_encoder(texts, scores, 11, {name: part.astype(float) for name, part in good.items()})
    right = {"alone": surface_alone, "hybrid": hybrid}
    loss = {name: -np.log(of["test"][np.arange(100), scores["test"]]).mean() for name, of in right.items()}
    assert loss["hybrid"] < loss["alone"] - 0.2


def test_the_words_are_those_of_scikit_learn(with_words: tuple[TextRegression, np.ndarray]) -> None:
    words = with_words[0].words
    assert words
    expected = text_regression.vectorise(TEXTS, WORDS).transform(NEW) @ words.weights
    assert words.points(NEW) == pytest.approx(np.asarray(expected))
