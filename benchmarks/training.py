"""Training compared with the notebook's own loop, on the same model and data: python -m benchmarks.training.

The notebook's loop is transformers' `prepare_tf_dataset` and Keras `fit`. Each loop trains one epoch and then,
from the start, three: half of the difference is an epoch without building its graph. Both figures count the essays'
own tokens, not padding. Both loops run in one process, with TensorFlow's deterministic operations.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from redacoes import params
from redacoes.essays import arrow
from redacoes.learning import checkpoint, defaults, model, training


def main() -> None:
    base = Path("models/base")
    asked = params.load("params.yaml").train
    train = defaults.settle(asked, checkpoint.load_config(base), checkpoint.has_weights(base), validated=True)
    model.configure(train.threads, train.seed)
    part = arrow.load("data/tokenized")["train"]
    tokenizer = checkpoint.load_tokenizer("models/base")
    labels = part.features["labels"].names
    tokens = len(arrow.lists(part, "input_ids")[0])
    few = part.select(range(train.batch_size))
    masks = [np.ones(len(ids), dtype=np.int32) for ids in part["input_ids"]]
    columns = part.remove_columns("row").add_column("attention_mask", masks)

    def ours(epochs: int) -> None:
        settings = train.model_copy(update={"epochs": epochs, "keep": "last"})
        with tempfile.TemporaryDirectory() as folder:
            classifier = model.build("models/base", labels, settings)
            training.fit(
                classifier,
                part,
                few,
                tokenizer.pad_token_id,
                settings,
                Path(folder, "curves"),
                Path(folder, "progress"),
            )

    def notebook(epochs: int) -> None:
        classifier = model.build("models/base", labels, train)
        batches = classifier.prepare_tf_dataset(columns, batch_size=train.batch_size, tokenizer=tokenizer)
        optimizer, _ = training.create_optimizer(train.learning_rate, len(batches) * epochs, num_warmup_steps=0)
        classifier.compile(optimizer=optimizer, metrics=["accuracy"])
        classifier.fit(batches, epochs=epochs, verbose=2)

    def seconds(loop: Callable[[int], None], epochs: int) -> float:
        start = time.perf_counter()
        loop(epochs)
        return time.perf_counter() - start

    speed = {}
    for loop in (ours, notebook):
        loop(1)  # warm-up: what a process builds once is not part of an epoch
        once = seconds(loop, 1)
        speed[loop.__name__] = tokens / ((seconds(loop, 3) - once) / 2)
    print(f"this project  {speed['ours']:9.0f} tokens/s in training")
    print(f"the notebook  {speed['notebook']:9.0f} tokens/s")
    print(f"ratio         {speed['ours'] / speed['notebook']:9.2f}")


if __name__ == "__main__":
    main()
