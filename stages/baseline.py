"""Measure what a model must beat, class prior and TF-IDF: python -m stages.baseline."""

from typing import Any

import numpy as np

from redacoes import arrow, baseline, metrics
from redacoes.files import staged, write_json
from redacoes.params import Params
from redacoes.scoring import Decision
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `metrics/baseline.json`."""
    parts = arrow.load("data/splits")
    texts = {name: list(part["essay"]) for name, part in parts.items()}
    scores = {name: np.asarray(part["score"]) for name, part in parts.items()}
    classes = parts["train"].features["score"].num_classes
    prior = {name: baseline.class_prior(scores["train"], classes, len(texts[name])) for name in ("validation", "test")}
    tfidf, c = baseline.tfidf(texts, scores, classes, params.baseline)
    report: dict[str, dict[str, Any]] = {}
    for name, probabilities in {"prior": prior, "tfidf": tfidf}.items():
        decision = Decision.fit(params.decision.rule, probabilities["validation"], scores["validation"])
        report[name] = {
            part: metrics.report(scores[part], decision.apply(values), values, params.evaluate.calibration_bins)
            for part, values in probabilities.items()
        }
    report["tfidf"]["c"] = c
    with staged("metrics/baseline.json") as [path]:
        write_json(path, report)


if __name__ == "__main__":
    run(main)
