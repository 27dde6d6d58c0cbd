"""Synthetic essays: seeded, varied, and scored by what their text holds."""

from collections import Counter, defaultdict
from itertools import islice

import numpy as np

from redacoes.essays import synthetic

ESSAYS = list(synthetic.essays(1600, 7))


def test_a_seed_gives_the_same_essays_and_more_of_them_begin_alike() -> None:
    assert list(islice(synthetic.essays(5000, 7), 1600)) == ESSAYS
    assert list(synthetic.essays(50, 8)) != ESSAYS[:50]


def test_text_is_not_repeated_between_essays() -> None:
    assert len({essay["essay"] for essay in ESSAYS}) == len(ESSAYS)
    essays_with = defaultdict(set)
    for number, essay in enumerate(ESSAYS):
        for line in essay["essay"].splitlines():
            for sentence in line.removesuffix(".").split(". "):
                essays_with[sentence].add(number)
    repeated = sum(len(numbers) > 1 for numbers in essays_with.values())
    assert repeated / len(essays_with) < 0.03


def test_scores_are_spread_as_in_an_exam() -> None:
    counts = Counter(essay["score"] for essay in ESSAYS)
    assert set(counts) == set(range(11))
    assert min(counts.values()) > 0.03 * len(ESSAYS)
    assert max(counts, key=counts.__getitem__) in range(3, 8)
    assert len({essay["theme"] for essay in ESSAYS}) == len(synthetic.THEMES)


def test_the_score_depends_on_what_the_text_holds() -> None:
    scores = [essay["score"] for essay in ESSAYS]
    texts = [essay["essay"].casefold() for essay in ESSAYS]
    refined = [word for part in (synthetic.VERBS, synthetic.SUBJECTS) for word in part[True]]
    for counted in (
        [len(text.split()) for text in texts],
        [len(text.splitlines()) for text in texts],
        [sum(connective in text for connective in synthetic.CONNECTIVES) for text in texts],
        [sum(word in text for word in refined) for text in texts],
        [" a fim de " in text for text in texts],
    ):
        assert 0.3 < np.corrcoef(counted, scores)[0, 1] < 0.95
