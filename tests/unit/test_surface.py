"""The features of a text's surface: by hand on small texts, and finite on any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redacoes.essays import surface
from redacoes.essays.cleaning import clean

ESSAY = (
    "A leitura, portanto, transforma a vida. Além disso, quem lê escreve melhor!\n"
    "O governo deve investir em bibliotecas (públicas) para que todos leiam: «ler é viver»?"
)


def of(text: str, name: str) -> float:
    return float(surface.features([text])[0, surface.NAMES.index(name)])


def test_each_feature_is_named_once_and_has_a_formula() -> None:
    assert len(set(surface.NAMES)) == len(surface.NAMES) == len(surface.FEATURES)
    assert all(feature.formula for feature in surface.FEATURES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("words", np.log1p(26)),
        ("sentences", np.log1p(3)),
        ("paragraphs", np.log1p(2)),
        ("types", np.log1p(25)),  # «a» stands twice
        ("words_per_sentence", np.log1p(26 / 3)),
        ("hapax", 24 / 25),
        ("commas", 100 * 3 / 26),
        ("colons", 100 / 26),
        ("questions", 100 * 2 / 26),
        ("quotations", np.log1p(2)),
        ("parentheses", np.log1p(1)),
        ("connectives", 100 * 3 / 26),  # portanto, além disso, para que
        ("connective_kinds", np.log1p(3)),
        ("subordination", 100 / 26),
        ("lower_starts", 0.0),
        ("tight_marks", 0.0),
        ("moving_type_token_ratio", 25 / 26),  # shorter than a window
    ],
)
def test_features_are_what_their_formula_says(name: str, value: float) -> None:
    assert of(ESSAY, name) == pytest.approx(value)


def test_flesch_is_that_of_martins_et_al() -> None:
    # 4 words, one sentence; a, ca-sa, é, a-zul: six groups of vowels
    assert of("A casa é azul.", "flesch") == pytest.approx(248.835 - 1.015 * 4 - 84.6 * 6 / 4)


def test_paragraphs_are_balanced_when_they_are_equal() -> None:
    assert of("um dois\ntrês quatro", "paragraph_balance") == pytest.approx(1)
    assert of("um dois três quatro cinco seis sete\noito", "paragraph_balance") < 0.6
    assert of("um só", "paragraph_balance") == 0


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(1, 12))
def test_the_moving_average_is_that_of_all_windows(words: list[str], window: int) -> None:
    size = min(window, len(words))
    ratios = [len(set(words[begin : begin + size])) / size for begin in range(len(words) - size + 1)]
    assert surface._moving_average(words, window) == pytest.approx(np.mean(ratios))


@given(st.text(max_size=300))
def test_any_text_has_finite_features(text: str) -> None:
    for each in (text, clean(text)):
        found = surface.features([each])
        assert found.shape == (1, len(surface.NAMES))
        assert found.dtype == np.float64
        assert np.isfinite(found).all()


def test_texts_do_not_depend_on_each_other() -> None:
    texts = [ESSAY, "", "Outra coisa.", ESSAY.upper()]
    assert (surface.features(texts) == np.vstack([surface.features([text]) for text in texts])).all()
    assert surface.features([]).shape == (0, len(surface.NAMES))
