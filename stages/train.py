"""Fine-tune the classifier: python -m stages.train."""

import shutil
from pathlib import Path

from redacoes import arrow, checkpoint, model, resume, training
from redacoes.files import WORK, staged
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `models/scorer/` and `metrics/train/`."""
    model.configure(params.train.threads, params.train.seed)
    parts = arrow.load("data/tokenized")
    tokenizer = checkpoint.load_tokenizer("models/base")
    labels = parts["train"].features["labels"].names
    data = [arrow.fingerprint(part) for part in parts.values()]
    progress = resume.place(WORK / "train", resume.key(params.train.model_dump(), data, Path("models/base")))
    with staged("models/scorer", "metrics/train") as [scorer, curves]:
        classifier = model.build("models/base", labels, params.train)
        pad_id = tokenizer.pad_token_id
        training.fit(classifier, parts["train"], parts["validation"], pad_id, params.train, curves, progress)
        model.save(classifier, tokenizer, scorer)
    shutil.rmtree(progress.parent)


if __name__ == "__main__":
    run(main)
