"""Training against the notebook's own loop, on the same model and data, in one run: python -m benchmarks.training.

The notebook's loop is transformers' `prepare_tf_dataset` and Keras `fit`; both train one epoch after one to warm up,
and both figures count the essays' own tokens, not the padding.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from redacoes import arrow, checkpoint, model, params


def main() -> None:
    train = params.load("params.yaml").train.model_copy(update={"epochs": 1, "keep": "last"})
    model.configure(train.threads, train.seed)
    part = arrow.load("data/tokenized")["train"]
    tokenizer = checkpoint.load_tokenizer("models/base")
    labels = part.features["labels"].names
    tokens = len(arrow.lists(part, "input_ids")[0])
    few = part.select(range(train.batch_size))

    ours = model.build("models/base", labels, train)
    with tempfile.TemporaryDirectory() as folder:
        model.fit(ours, part, few, tokenizer.pad_token_id, train, Path(folder, "warm"))
        start = time.perf_counter()
        model.fit(ours, part, few, tokenizer.pad_token_id, train, Path(folder, "timed"))
        mine = tokens / (time.perf_counter() - start)

    theirs = model.build("models/base", labels, train)
    masks = [np.ones(len(ids), dtype=np.int32) for ids in part["input_ids"]]
    columns = part.remove_columns("row").add_column("attention_mask", masks)
    batches = theirs.prepare_tf_dataset(columns, batch_size=train.batch_size, shuffle=True, tokenizer=tokenizer)
    theirs.compile(optimizer=ours.optimizer.__class__(learning_rate=train.learning_rate))
    theirs.fit(batches, epochs=1, verbose=2)
    start = time.perf_counter()
    theirs.fit(batches, epochs=1, verbose=2)
    notebook = tokens / (time.perf_counter() - start)
    print(f"this project  {mine:9.0f} tokens/s, compiling its graph included")
    print(f"the notebook  {notebook:9.0f} tokens/s, its graph compiled before")
    print(f"ratio         {mine / notebook:9.2f}")


if __name__ == "__main__":
    main()
