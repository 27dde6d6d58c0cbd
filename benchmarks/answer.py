"""Seconds of the page's answer on one essay, compared with separate calls of its parts: python -m benchmarks.answer.

The separate calls are `Scorer.score` of the essay, then of the essay and of its variants without one sentence, and
`nearest` and `is_out_of_distribution`; each reads and embeds the essay anew. Both ways run in turn, so that the load of
the machine affects both. The essays are synthetic, joined to the length of a real one: 300 words.
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


def essays() -> list[str]:
    paragraphs = (str(row["essay"]) for row in synthetic.essays(400, 1))
    found = []
    for _ in range(ESSAYS):
        essay = next(paragraphs)
        while len(essay.split()) < WORDS:
            essay += f"\n{next(paragraphs)}"
        found.append(essay)
    return found


def apart(scorer: Scorer, neighbours: Neighbours, essay: str) -> None:
    scorer.score([essay])
    text = clean(essay)
    scorer.score([text, *(text[:begin] + text[end:] for begin, end in sentences(text))])
    neighbours.nearest(essay, NEIGHBOURS)
    neighbours.is_out_of_distribution(essay)


def main() -> None:
    service = Service("models/scorer", "tensorflow", reveals=True)
    scorer = service.scorer("en")
    neighbours = Neighbours.load(scorer)
    texts = essays()
    ways = {
        "the answer": lambda essay: service.score(essay, "en"),
        "its parts, apart": lambda essay: apart(scorer, neighbours, essay),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 1):
        for essay in texts:
            for name, way in ways.items():
                start = time.perf_counter()
                way(essay)
                if turn:  # the first turn includes tracing
                    seconds[name].append(time.perf_counter() - start)
    words, count = (
        sum(map(measure, texts)) / len(texts) for measure in (lambda t: len(t.split()), lambda t: len(sentences(t)))
    )
    print(f"one essay of {words:.0f} words and {count:.0f} sentences")
    for name, taken in seconds.items():
        print(f"{name:<18}{median(taken) * 1000:6.0f} ms")
    ratio = median(seconds["the answer"]) / median(seconds["its parts, apart"])
    print(f"{'ratio':<18}{ratio:6.2f}")


if __name__ == "__main__":
    main()
