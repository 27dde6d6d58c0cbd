"""Fine-tune the classifier: python -m stages.train."""

from redacoes import arrow, checkpoint, model
from redacoes.files import staged
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `models/scorer/` and `metrics/train/`."""
    model.configure(params.train.threads, params.train.seed)
    parts = arrow.load("data/tokenized")
    tokenizer = checkpoint.load_tokenizer("models/base")
    labels = parts["train"].features["labels"].names
    with staged("models/scorer", "metrics/train") as [scorer, curves]:
        classifier = model.build("models/base", labels, params.train)
        pad_id = tokenizer.pad_token_id
        model.fit(classifier, parts["train"], parts["validation"], pad_id, params.train, curves)
        model.save(classifier, tokenizer, scorer)


if __name__ == "__main__":
    run(main)
