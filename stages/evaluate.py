"""Predict validation and test, fit the decision rule, measure both: python -m stages.evaluate."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from redacoes import processor
from redacoes.errors import warn
from redacoes.essays import arrow
from redacoes.evaluation import comparison, metrics
from redacoes.evaluation.decision import Decision, known, softmax
from redacoes.files import staged, write_json
from redacoes.learning import checkpoint, model
from redacoes.learning.text_regression import TextRegression
from redacoes.params import Params
from redacoes.stage import run

OUTPUTS = (
    "models/decision.json",
    "metrics/processor.json",
    "metrics/headline.json",
    "metrics/evaluation.json",
    "metrics/intervals.json",
    "metrics/predictions.csv",
    "metrics/confusion.csv",
    "metrics/reliability.csv",
)


def main(params: Params) -> None:
    """Write `models/decision.json`, and the scorer's metrics and tables in `metrics/`."""
    processor.settle(params.train.portable)
    evaluate = params.evaluate
    model.configure(params.train.threads, params.train.seed)
    parts, essays = arrow.load("data/tokenized"), arrow.load("data/splits")
    classifier = model.load("models/scorer")
    pad_id = checkpoint.load_tokenizer("models/scorer").pad_token_id
    text = TextRegression.load(Path("models/surface")) if params.decision.rule == "ordinal" else None
    scores, probabilities, numbers = {}, {}, {}
    for name in ("validation", "test"):
        logits = model.predict(classifier, parts[name], pad_id, evaluate.batch_size, params.train.pad_to_multiple_of)
        scores[name], probabilities[name] = np.asarray(parts[name].data.column("labels")), softmax(logits)
        batches = arrow.Texts(essays[name], "essay")
        numbers[name] = np.concatenate([text.predict(batch) for batch in batches]) if text else None
    left_out = pd.read_csv("metrics/train/left_out.csv").to_numpy(float)
    if len(left_out):  # the head alone was fitted, so it is known what it makes of essays that it has not seen
        scores["train"], probabilities["train"] = np.asarray(parts["train"].data.column("labels")), softmax(left_out)
        numbers["train"] = pd.read_csv("models/surface/left_out.csv")["number"].to_numpy()
    fitted_on = known(params.decision.rule, probabilities, scores, numbers)
    decision = Decision.fit(params.decision.rule, *fitted_on, text.odds if text else None)
    decided = {
        name: (scores[name], *decision.decide(probabilities[name], numbers[name])) for name in ("validation", "test")
    }
    true, predicted, of_classes = decided["test"]
    rows = np.asarray(parts["test"].data.column("row"))
    bins, bootstrap = evaluate.calibration_bins, evaluate.bootstrap
    predictions_of = pd.read_csv("metrics/baseline_predictions.csv")
    best = comparison.with_best_baseline(
        {name: part[1] for name, part in decided.items()}, predictions_of, of_classes.shape[1], bootstrap
    )
    if told := comparison.shortfall(best):
        warn(told)
    with staged(*OUTPUTS) as [rule, kind, headline, evaluation, intervals, predictions, confusion, reliability]:
        measured = {name: metrics.report(*part, bins) for name, part in decided.items()}
        ends = {name: metrics.intervals(*part, bins, bootstrap) for name, part in decided.items()}
        write_json(rule, decision.to_dict())
        shutil.copyfile(Path("metrics/train", processor.RECORD), kind)  # into git, where a clone has it
        write_json(headline, comparison.headline(measured, ends, best))
        write_json(evaluation, {**measured, comparison.KEY: best})
        write_json(intervals, ends)
        tables = {
            predictions: metrics.predictions(rows, true, predicted, of_classes),
            confusion: metrics.confusion(true, predicted, of_classes.shape[1]),
            reliability: metrics.reliability(true, of_classes, bins),
        }
        for path, table in tables.items():
            pd.DataFrame(table).to_csv(path, index=False, float_format="%.8f", lineterminator="\n")


if __name__ == "__main__":
    run(main)
