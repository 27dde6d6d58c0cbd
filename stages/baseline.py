"""Measure the baselines, and fit the text regression of the rule ordinal: python -m stages.baseline."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from redacoes import processor
from redacoes.essays import arrow
from redacoes.evaluation import metrics
from redacoes.evaluation.decision import Decision, alone
from redacoes.files import staged, temporary_folder, write_json
from redacoes.learning import baseline, checkpoint
from redacoes.params import Params
from redacoes.stage import run

BASE = Path("models/base")


def main(params: Params) -> None:
    """Write `metrics/baseline.json`, `metrics/baseline_predictions.csv` and `models/surface/`."""
    processor.settle(params.train.portable)
    parts = arrow.load("data/splits")
    texts = {name: list(part["essay"]) for name, part in parts.items()}
    scores = {name: np.asarray(part["score"]) for name, part in parts.items()}
    classes = parts["train"].features["score"].num_classes
    groups = np.asarray(parts["train"]["group"])
    prior = {name: baseline.class_prior(scores["train"], classes, len(texts[name])) for name in baseline.OTHERS}
    tfidf, c = baseline.tfidf(texts, scores, classes, params.baseline)
    surface = baseline.by_text(texts, scores, classes, None, groups).probabilities
    regression, numbers, text = baseline.by_text(texts, scores, classes, params.baseline, groups)
    found = {"prior": prior, "tfidf": tfidf, "surface": surface, "hybrid": text}
    if checkpoint.has_weights(BASE):  # vectors of an untrained encoder have no information: TF-IDF takes their place
        found |= {"text": text, "hybrid": baseline.by_encoder(texts, scores, classes, vectors(params), groups)}
    report: dict[str, dict[str, Any]] = {}
    predictions = {
        name: pd.DataFrame({"part": name, "row": parts[name]["row"], "score": scores[name]}) for name in prior
    }
    for name, probabilities in found.items():
        decision = Decision.fit(alone(params.decision.rule), probabilities["validation"], scores["validation"])
        report[name] = {}
        for part, values in probabilities.items():
            predictions[part][name] = decided = decision.apply(values)
            report[name][part] = metrics.report(scores[part], decided, values, params.evaluate.calibration_bins)
    report["tfidf"]["c"] = c
    with staged("metrics/baseline.json", "metrics/baseline_predictions.csv", "models/surface") as [path, table, folder]:
        write_json(path, report)
        pd.concat(predictions.values()).to_csv(table, index=False, lineterminator="\n")
        folder.mkdir()
        regression.save(folder)
        pd.DataFrame({"number": numbers["train"]}).to_csv(folder / "left_out.csv", index=False, lineterminator="\n")


def vectors(params: Params) -> dict[str, NDArray[np.float64]]:
    """Return the frozen encoder's vectors of each part. TensorFlow is imported here, since most runs do not need it."""
    from redacoes.learning import frozen, model

    train = params.train
    model.configure(train.threads, train.seed)
    parts, pad_id = arrow.load("data/tokenized"), checkpoint.load_tokenizer(BASE).pad_token_id
    classifier = model.build(BASE, parts["train"].features["labels"].names)
    how = frozen.Pass("all", train.pad_to_multiple_of, train.threads)
    with temporary_folder() as work:
        found = frozen.run(classifier, parts, pad_id, how, work / "frozen")
    return {name: outputs.vectors.astype(np.float64) for name, outputs in found.items()}


if __name__ == "__main__":
    run(main)
