"""Seconds of the page's answer on one essay, compared with separate calls of its parts: python -m benchmarks.answer.

The answer is timed twice: until its score is there, which the page then shows, and until all of it is. The separate
calls are `Scorer.score` of the essay, then of the essay and of its variants without one sentence, and `nearest` and
`is_out_of_distribution`; each reads and embeds the essay anew. Both ways run in turn, so that the load of the machine
affects both. The essays are synthetic, joined to the length of a real one: 300 words.
"""

import time
from statistics import median

from redacoes.essays import synthetic
from redacoes.essays.cleaning import clean
from redacoes.explain.neighbours import Neighbours
from redacoes.explain.sentences import sentences
from redacoes.inference.scorer import Scorer
from redacoes.web.service import NEIGHBOURS, Service

ESSAYS, WORDS, ROUNDS = 4, 300, 9
SCORE, WHOLE, APART = "until the score", "the whole answer", "its parts, apart"


def essays() -> list[str]:
    paragraphs = (str(row["essay"]) for row in synthetic.essays(400, 1))
    found = []
    for _ in range(ESSAYS):
        essay = next(paragraphs)
        while len(essay.split()) < WORDS:
            essay += f"\n{next(paragraphs)}"
        found.append(essay)
    return found


def answer(service: Service, essay: str) -> dict[str, float]:
    """Return the seconds until the score of an essay, and until its whole answer."""
    start = time.perf_counter()
    answers = service.answers(essay, "en")
    next(answers)
    score = time.perf_counter() - start
    for _ in answers:
        pass
    return {SCORE: score, WHOLE: time.perf_counter() - start}


def apart(scorer: Scorer, neighbours: Neighbours, essay: str) -> dict[str, float]:
    """Return the seconds of the separate calls."""
    start = time.perf_counter()
    scorer.score([essay])
    text = clean(essay)
    scorer.score([text, *(text[:begin] + text[end:] for begin, end in sentences(text))])
    neighbours.nearest(essay, NEIGHBOURS)
    neighbours.is_out_of_distribution(essay)
    return {APART: time.perf_counter() - start}


def main() -> None:
    service = Service("models/scorer", "tensorflow", reveals=True)
    scorer = service.scorer("en")
    neighbours = Neighbours.load(scorer)
    texts = essays()
    seconds: dict[str, list[float]] = {SCORE: [], WHOLE: [], APART: []}
    for turn in range(ROUNDS + 1):
        for essay in texts:
            for name, taken in {**answer(service, essay), **apart(scorer, neighbours, essay)}.items():
                if turn:  # the first turn includes tracing
                    seconds[name].append(taken)
    words, count = (
        sum(map(measure, texts)) / len(texts) for measure in (lambda t: len(t.split()), lambda t: len(sentences(t)))
    )
    print(f"one essay of {words:.0f} words and {count:.0f} sentences")
    for name, taken_each in seconds.items():
        ratio = median(taken_each) / median(seconds[APART])
        print(f"{name:<18}{median(taken_each) * 1000:6.0f} ms{ratio:6.2f} of the parts")


if __name__ == "__main__":
    main()
