"""Explanations with invented effects."""

import re
from typing import Any

from redacoes.explain.attribution import Attribution, WordAttributions
from redacoes.explain.report import Explanation
from redacoes.explain.sentences import sentences

ESSAY = "O dia passa. A escola bela ensina alunos.\nUm livro feio cansa. A turma passa o dia."
EFFECTS = {"bela": 0.8, "feio": -0.6}  # by word; a sentence has the sum of its words


def explained(text: str, gap: float = 0.001, seen: int | None = None) -> Explanation:
    """An explanation of an essay of which the model saw `seen` words; the words of `EFFECTS` have an effect."""
    places = [match.span() for match in re.finditer(r"\S+", text)]
    words = [
        Attribution(begin, end, text[begin:end], EFFECTS.get(text[begin:end].strip('"'), 0.0)) for begin, end in places
    ]
    within = [
        Attribution(b, e, text[b:e], sum(word.effect for word in words if b <= word.begin < e))
        for b, e in sentences(text)
    ]
    score: dict[str, Any] = {"predicted": 5, "expected": 5.25, "confidence": 0.4, "low": 3, "high": 8}
    score |= {f"p_{k}": 1 / 11 for k in range(11)} | {"tokens": 48, "truncated": seen is not None}
    saw = [place < len(words) if seen is None else place < seen for place in range(len(words))]
    return Explanation(
        "redação.txt",
        "<models>",
        text,
        score,
        48,
        within,
        WordAttributions(words, saw, 5.2, 5.0, gap, 16, 0.01, False),
        None,
        None,
    )
