"""Predict validation and test, fit the decision rule on validation, measure both: python -m stages.evaluate."""

import numpy as np
import pandas as pd

from redacoes import arrow, checkpoint, metrics, model
from redacoes.files import staged, write_json
from redacoes.params import Params
from redacoes.scoring import Decision, softmax
from redacoes.stage import run

OUTPUTS = (
    "models/decision.json",
    "metrics/evaluation.json",
    "metrics/intervals.json",
    "metrics/predictions.csv",
    "metrics/confusion.csv",
    "metrics/reliability.csv",
)


def main(params: Params) -> None:
    """Write `models/decision.json` and what `metrics/` holds of the scorer."""
    evaluate = params.evaluate
    model.configure(params.train.threads, params.train.seed)
    parts = arrow.load("data/tokenized")
    classifier = model.load("models/scorer")
    pad_id = checkpoint.load_tokenizer("models/scorer").pad_token_id
    scores, probabilities = {}, {}
    for name in ("validation", "test"):
        logits = model.predict(classifier, parts[name], pad_id, evaluate.batch_size, params.train.pad_to_multiple_of)
        scores[name], probabilities[name] = np.asarray(parts[name].data.column("labels")), softmax(logits)
    decision = Decision.fit(params.decision.rule, probabilities["validation"], scores["validation"])
    decided = {name: (scores[name], decision.apply(probabilities[name]), probabilities[name]) for name in probabilities}
    true, predicted, of_classes = decided["test"]
    rows = np.asarray(parts["test"].data.column("row"))
    bins, bootstrap = evaluate.calibration_bins, evaluate.bootstrap
    with staged(*OUTPUTS) as [rule, evaluation, intervals, predictions, confusion, reliability]:
        write_json(rule, decision.to_dict())
        write_json(evaluation, {name: metrics.report(*part, bins) for name, part in decided.items()})
        write_json(intervals, {name: metrics.intervals(*part, bins, bootstrap) for name, part in decided.items()})
        tables = {
            predictions: metrics.predictions(rows, true, predicted, of_classes),
            confusion: metrics.confusion(true, predicted, of_classes.shape[1]),
            reliability: metrics.reliability(true, of_classes, bins),
        }
        for path, table in tables.items():
            pd.DataFrame(table).to_csv(path, index=False, float_format="%.8f", lineterminator="\n")


if __name__ == "__main__":
    run(main)
