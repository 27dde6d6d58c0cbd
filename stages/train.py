"""Fit the classifier's head, and fine-tune: python -m stages.train."""

import shutil
import sys
from pathlib import Path

import numpy as np

from redacoes import processor
from redacoes.errors import warn
from redacoes.essays import arrow
from redacoes.files import WORK, staged, write_json
from redacoes.learning import checkpoint, defaults, model, resume, training, workers
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `models/scorer/` and `metrics/train/`: learning curves, left-out logits, and the kind of processor."""
    processor.settle(params.train.portable)
    model.configure(params.train.threads, params.train.seed)
    base, tokens = Path("models/base"), Path("data/tokenized")
    config = checkpoint.load_config(base)
    if params.train.portable and (told := processor.uncovered(config.hidden_size)):
        warn(told)
    validated = params.split.validation == "own"
    train = defaults.settle(params.train, config, checkpoint.has_weights(base), validated)
    if line := defaults.describe(params.train, train):
        print(line, file=sys.stderr)
    parts = arrow.load(tokens)
    tokenizer = checkpoint.load_tokenizer(base)
    labels = parts["train"].features["labels"].names
    data = [arrow.fingerprint(part) for part in parts.values()]
    progress = resume.place(WORK / "train", resume.key(train.model_dump(), data, base))
    with staged("models/scorer", "metrics/train") as [scorer, curves]:
        classifier = model.build(base, labels, train)
        pad_id = tokenizer.pad_token_id
        if train.workers > 1:
            left_out = workers.fit(classifier, base, tokens, pad_id, train, curves, progress)
        else:
            left_out = training.fit(classifier, parts["train"], parts["validation"], pad_id, train, curves, progress)
        model.save(classifier, tokenizer, scorer)
        known = np.empty((0, len(labels))) if left_out is None else left_out
        header = ",".join(labels)
        np.savetxt(curves / "left_out.csv", known, "%.8f", ",", header=header, comments="")
        write_json(curves / processor.RECORD, processor.kind(train.portable))
    shutil.rmtree(progress.parent)


if __name__ == "__main__":
    run(main)
