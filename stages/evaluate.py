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
    values = {
        name: (scores[name], decision.apply(probabilities[name]), probabilities[name], evaluate.calibration_bins)
        for name in scores
    }
    rows = np.asarray(parts["test"].data.column("row"))
    with staged(*OUTPUTS) as [rule, evaluation, intervals, predictions, reliability]:
        write_json(rule, decision.to_dict())
        write_json(evaluation, {name: metrics.report(*value) for name, value in values.items()})
        write_json(intervals, {name: metrics.intervals(*value, evaluate.bootstrap) for name, value in values.items()})
        table = pd.DataFrame(metrics.predictions(rows, *values["test"][:3]))
        table.to_csv(predictions, index=False, float_format="%.8f", lineterminator="\n")
        bins = metrics.reliability(scores["test"], probabilities["test"], evaluate.calibration_bins)
        pd.DataFrame(bins).to_csv(reliability, index=False, lineterminator="\n")


if __name__ == "__main__":
    run(main)
