"""Grade by entailment, without training: python -m stages.zero_shot. Off by default."""

import shutil
from pathlib import Path
from typing import Any

from redacoes import processor
from redacoes.errors import UserError
from redacoes.files import WORK, staged, write_json
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `metrics/zero_shot.json`."""
    off = params.zero_shot.source == "none"
    processor.settle(params.train.portable and not off)
    with staged("metrics/zero_shot.json") as [path]:
        write_json(path, {"zero_shot": "off" if off else measured(params)})
    if not off:
        shutil.rmtree(WORK / "zero_shot")


def measured(params: Params) -> dict[str, Any]:
    """Return the metrics of validation and test. TensorFlow is imported here, since this stage is usually off."""
    import numpy as np

    from redacoes.essays import arrow
    from redacoes.evaluation import metrics
    from redacoes.evaluation.decision import Decision, alone, softmax
    from redacoes.learning import checkpoint, hub, model, resume, zero_shot

    settings = params.zero_shot
    fetched = settings.source == "hub"
    folder = hub.fetch(settings.repository, settings.revision) if fetched else Path(settings.path)
    if not folder.is_dir():  # transformers would take it for the name of a repository
        raise UserError(f"{folder} is not a folder; zero_shot.path must name a checkpoint in the Hugging Face layout")
    model.configure(params.train.threads, params.train.seed)
    parts = arrow.load("data/splits")
    del parts["train"]
    tokenizer = checkpoint.load_tokenizer(folder)
    longest = checkpoint.longest_input(folder)
    if settings.max_length > longest:
        raise UserError(
            f"zero_shot.max_length is {settings.max_length}, and the model in {folder} has positions for {longest} "
            "tokens: lower it"
        )
    classifier = model.load(folder, foreign=True)
    checkpoint.require_own_tokenizer(folder, classifier.config, tokenizer)
    column = zero_shot.entailment_column(classifier.config.id2label)
    forward = model.forward(classifier, tokenizer.model_input_names)
    contents = {name: arrow.fingerprint(part) for name, part in parts.items()}
    made_of = [settings.model_dump(), params.train.threads, params.train.portable]  # on which the bytes depend too
    progress = resume.place(WORK / "zero_shot", resume.key(made_of, [*contents.values()], folder))
    scores, probabilities = {}, {}
    for name, part in parts.items():
        hypotheses = zero_shot.hypotheses(settings.hypothesis_template, part.features["score"].names)
        pairs = zero_shot.Pairs(tokenizer, part["essay"], hypotheses, settings.max_length)
        # if split.validation is test, both parts have the same rows, which are computed once
        logits = zero_shot.entailment(pairs, forward, column, settings.batch_size, progress / contents[name])
        scores[name], probabilities[name] = np.asarray(part["score"]), softmax(logits)
    decision = Decision.fit(alone(params.decision.rule), probabilities["validation"], scores["validation"])
    return {
        name: metrics.report(scores[name], decision.apply(values), values, params.evaluate.calibration_bins)
        for name, values in probabilities.items()
    }


if __name__ == "__main__":
    run(main)
