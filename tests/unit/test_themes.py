"""What tells themes apart is taken out, and nothing else."""

import numpy as np
import pytest

from redacoes.learning import themes
from redacoes.learning.text_regression import TextRegression
from tests.support import PARAMS

THEMES, EACH, WIDTH = 40, 30, 60


def essays(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors with a theme in their first 5 numbers and a skill in the sixth, and the skill."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(THEMES), EACH)
    vectors = random.normal(0, 0.1, (len(groups), WIDTH))
    vectors[:, :5] += random.normal(0, 3, (THEMES, 5))[groups]
    skill = random.normal(0, 1, len(groups))
    vectors[:, 5] += skill
    return vectors, groups, skill


def test_themes_go_and_the_rest_stays() -> None:
    vectors, groups, _ = essays(0)
    taken = themes.directions(vectors, groups)
    np.testing.assert_allclose(taken @ taken.T, np.eye(len(taken)), atol=1e-9)
    assert len(taken) == THEMES // 2
    other, _, its = essays(1)  # of themes that were not seen
    left = themes.without(other, taken)
    assert left[:, :5].std() < 0.05 * other[:, :5].std()
    assert np.corrcoef(left[:, 5], its)[0, 1] > 0.6  # means of 30 differ by chance as well, and some of that goes


@pytest.mark.parametrize("groups", [np.arange(THEMES * EACH), np.arange(THEMES * EACH) // 1.5])
def test_where_groups_are_no_themes_nothing_is_taken_out(groups: np.ndarray) -> None:
    assert len(themes.directions(essays(0)[0], groups.astype(int))) == 0


def test_a_text_regression_that_knows_the_groups_leaves_them_out_whole() -> None:
    """Each theme has its word and its score: what is left out without its theme is told nothing by the word."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(THEMES), EACH)
    names = ["".join(random.choice(list("bcdfglmnprst"), 6)) for _ in range(THEMES)]
    texts = [f"Sobre {names[group]} há {'muito ' * random.integers(1, 9)}a dizer." for group in groups]
    scores = random.integers(0, 11, THEMES)[groups]
    words = PARAMS.baseline.model_copy(update={"min_document_frequency": 2})
    errors = {}
    for name, known in (("one by one", None), ("by group", groups)):
        _, left_out = TextRegression.fit(texts, scores, 10, words, known)
        errors[name] = np.abs(left_out - scores).mean()
    assert errors["one by one"] < 0.5
    assert errors["by group"] > 0.8 * np.abs(scores - scores.mean()).mean()
