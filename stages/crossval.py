"""Cross-validate: grade each essay by a model that has not seen it: python -m stages.crossval. Off by default."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from redacoes import processor
from redacoes.files import WORK, staged, write_json
from redacoes.params import Params
from redacoes.stage import run

BASE, KEPT = Path("models/base"), WORK / "crossval"


def main(params: Params) -> None:
    """Write `metrics/crossval.json` and `metrics/crossval.csv`."""
    processor.settle(params.train.portable and params.crossval.folds > 0)
    with staged("metrics/crossval.json", "metrics/crossval.csv") as [report, table]:
        if params.crossval.folds:
            found, rows = measured(params)
        else:
            from redacoes.learning.crossval import COLUMNS

            found, rows = {"crossval": "off"}, pd.DataFrame(columns=COLUMNS)
        write_json(report, found)
        rows.to_csv(table, index=False, float_format="%.8f", lineterminator="\n")
    shutil.rmtree(KEPT, ignore_errors=True)


def measured(params: Params) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return the metrics and the rows of all folds. TensorFlow is imported here, since this stage is usually off."""
    from redacoes.learning import checkpoint, crossval, model, refit, resume

    settings, rule, words = params.crossval, params.decision.rule, params.baseline
    tokenize, train, batch_size = params.tokenize, params.train, params.evaluate.batch_size
    of_model = tokenize, train, batch_size
    model.configure(train.threads, train.seed)
    essays = crossval.Essays.read(params.data)
    units = essays.units(settings.by)
    sections = settings, params.checkpoint, tokenize, train, words
    others = rule, batch_size, params.split.validation_size, essays.classes
    made_of = [*(section.model_dump() for section in sections), *others]
    contents = [*essays.texts, *(str(numbers.tolist()) for numbers in (essays.lines, essays.scores, units))]
    progress = resume.place(KEPT, resume.key(made_of, contents, BASE))
    progress.mkdir(exist_ok=True)
    grader: refit.Refit | crossval.Grader
    graders: dict[str, crossval.Grader] = dict(crossval.BASELINES)
    if params.checkpoint.source == "scratch":
        grader = refit.from_scratch(params.checkpoint, *of_model)
    elif checkpoint.has_weights(BASE):
        grader = refit.Pretrained(BASE, *of_model, essays, progress / "frozen")
        graders["hybrid"] = crossval.hybrid(grader.vectors)
    else:
        grader = refit.Refit(BASE, *of_model)
    if "hybrid" not in graders:
        graders["hybrid"] = graders.pop("text")  # as in metrics/baseline.json: TF-IDF takes the place of vectors
    graders[crossval.MODEL] = grader
    share = crossval.share_of_rest(params.split.validation_size, settings.folds)
    whole = crossval.out_of_fold(essays, units, settings, share, words, graders, rule, progress)
    found = crossval.report(whole, params.evaluate.calibration_bins, params.evaluate.bootstrap)
    return {**settings.model_dump(), **found}, whole


if __name__ == "__main__":
    run(main)
