"""Essays per second of surface features and text regression, on one core: python -m benchmarks.surface.

It uses the synthetic essays of the sample, each repeated to the length of a real one: 300 words.
"""

import time
from collections.abc import Callable

import numpy as np

from redacoes import params
from redacoes.essays import surface, synthetic
from redacoes.learning.text_regression import TextRegression

ESSAYS, WORDS, TIMES = 400, 300, 5


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds of the fastest of several runs."""
    taken = []
    for _ in range(TIMES):
        begin = time.process_time()
        run()
        taken.append(time.process_time() - begin)
    return min(taken)


def main() -> None:
    rows = list(synthetic.essays(ESSAYS, 1))
    texts = []
    for row in rows:
        essay = str(row["essay"])
        texts.append("\n".join([essay] * (WORDS // len(essay.split()) + 1)))
    scores = np.array([row["score"] for row in rows])
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(f"{len(texts)} essays of {words:.0f} words on average")
    print(f"surface          {len(texts) / seconds(lambda: surface.features(texts)):8.0f} essays/s")
    regression, _ = TextRegression.fit(texts, scores, 10, params.load("params.yaml").baseline)
    print(f"with its words   {len(texts) / seconds(lambda: regression.predict(texts)):8.0f} essays/s")


if __name__ == "__main__":
    main()
