"""Training compared with the notebook's own loop, with torch and with bare products: python -m benchmarks.training.

The notebook's loop is transformers' `prepare_tf_dataset` and Keras `fit`, on the same model and data. Each loop trains
one epoch and then, from the start, three: half of the difference is an epoch without building its graph. Both figures
count the essays' own tokens, not padding. Both loops run in one process, with TensorFlow's deterministic operations.

Then, at several sizes with random weights, one step on the same full batches by each of

* ours: `training.fit` as the stage runs it;
* torch: transformers' Trainer, in an environment that uv makes (`benchmarks/torch_training.py`);
* products: the matrix products of forward and backward and nothing else, by TensorFlow: the limit.

Each has a process of its own, and they take turns, round by round; all figures are medians of the rounds. The ratios
are also printed in time of the processor, which other work on the machine disturbs less. `steps` as an argument leaves
the notebook out.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.worlds import torch_python
from redacoes import params
from redacoes.essays import arrow
from redacoes.learning import checkpoint, defaults

CLASSES, ROUNDS = 11, 9
TORCH = Path("benchmarks", "torch_training.py")
DISTILBERT = {"model_type": "distilbert", "vocab_size": 2000, "max_position_embeddings": 512}
E5 = {"model_type": "bert", "vocab_size": 47284, "max_position_embeddings": 512, "hidden_size": 384}
SIZES: dict[str, dict[str, Any]] = {
    "2 layers of 128, 16 essays of 256 tokens": {
        "config": {**DISTILBERT, "n_layers": 2, "dim": 128, "n_heads": 4, "hidden_dim": 256},
        "rows": 16, "length": 256, "steps": 10,
    },
    "4 layers of 256, 16 essays of 256 tokens": {
        "config": {**DISTILBERT, "n_layers": 4, "dim": 256, "n_heads": 4, "hidden_dim": 1024},
        "rows": 16, "length": 256, "steps": 3,
    },
    "12 layers of 384 (e5), 4 essays of 512 tokens": {
        "config": {**E5, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 1536},
        "rows": 4, "length": 512, "steps": 1,
    },
}  # fmt: skip


def beside_the_notebook() -> None:
    from redacoes.learning import model, training

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
    print(f"ratio         {speed['ours'] / speed['notebook']:9.2f}", flush=True)


def now() -> tuple[float, float]:
    """Return the time, and this process's time of the processor, in seconds."""
    return time.perf_counter(), time.process_time()


class Clock:
    """Prints the time of each round of steps, and waits for the next one."""

    def __init__(self, steps: int) -> None:
        """Start with the first step."""
        self.steps, self.done, self.start = steps, 0, now()

    def tick(self, *_: Any, **__: Any) -> None:
        """End a step."""
        self.done += 1
        if self.done % self.steps == 0:
            print("round", *np.subtract(now(), self.start), flush=True)
            sys.stdin.readline()
            self.start = now()


def ours(shape: dict[str, Any], threads: int) -> None:
    """Train with the stage's own code until the process is ended."""
    from redacoes.learning.framework import tf_keras

    from datasets import ClassLabel, Dataset, Features, List, Value

    from redacoes.learning import model, training

    asked = params.load("params.yaml").train
    change = {"batch_size": shape["rows"], "epochs": 1, "learning_rate": 1e-4, "keep": "last", "accumulate": 1}
    rows, random = shape["rows"] * shape["batches"], np.random.default_rng(0)
    labels = ClassLabel(names=[str(score) for score in range(CLASSES)])
    values = {
        "input_ids": list(random.integers(5, shape["config"]["vocab_size"], (rows, shape["length"]), np.int32)),
        "labels": random.integers(0, CLASSES, rows).tolist(),
    }
    part = Dataset.from_dict(values, features=Features({"input_ids": List(Value("int32")), "labels": labels}))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(shape["config"]), encoding="utf-8")
        train = defaults.settle(asked.model_copy(update=change), checkpoint.load_config(folder), False, validated=True)
        model.configure(threads, train.seed)
        classifier, clock = model.build(folder, labels.names, train), Clock(shape["steps"])
        fit, ticks = classifier.fit, tf_keras.callbacks.LambdaCallback(on_batch_end=clock.tick)

        def timed(x: Any, callbacks: list[Any], **options: Any) -> Any:
            return fit(x=x.repeat(), steps_per_epoch=1_000_000, callbacks=[ticks, *callbacks], **options)

        classifier.fit = timed
        training.fit(classifier, part, part, 0, train, Path(folder, "curves"), Path(folder, "progress"))


def products(shape: dict[str, Any], threads: int) -> None:
    """Multiply the matrices of forward and backward, until the process is ended."""
    from redacoes.learning.framework import tf

    from redacoes.learning import model

    model.configure(threads, 0)
    config, rows, length = shape["config"], shape["rows"], shape["length"]
    layers, width, heads, inner = (
        next(config[name] for name in names if name in config)
        for names in (
            ("n_layers", "num_hidden_layers"),
            ("dim", "hidden_size"),
            ("n_heads", "num_attention_heads"),
            ("hidden_dim", "intermediate_size"),
        )
    )
    sides = {(width, width): 4, (width, inner): 1, (inner, width): 1}  # query, key, value, output; feed-forward
    hidden = {side: tf.random.normal([rows * length, side]) for side in (width, inner)}
    weights = {side: tf.random.normal(side) for side in sides}
    split = tf.random.normal([rows, heads, length, width // heads])
    scores = tf.random.normal([rows, heads, length, length])

    def layer() -> None:
        for (into, out), times in sides.items():
            for _ in range(times):
                tf.matmul(hidden[into], weights[into, out])
                tf.matmul(hidden[out], weights[into, out], transpose_b=True)  # the gradient of the input
                tf.matmul(hidden[into], hidden[out], transpose_a=True)  # and that of the weights
        for _ in range(2):  # the scores, and the gradient of the attention weights
            tf.matmul(split, split, transpose_b=True)
        for turned in (False, False, True, True):  # the values' mean, and the gradients of query, key and value
            tf.matmul(scores, split, transpose_a=turned)

    clock = Clock(shape["steps"])
    while True:  # each operation at once: in a graph, equal products would be computed once
        for _ in range(layers):
            layer()
        clock.tick()


def compare(title: str, shape: dict[str, Any], threads: int, torch: str) -> None:
    shape = {**shape, "classes": CLASSES, "batches": 8}
    asked = [json.dumps(shape), str(threads)]
    commands = {name: [sys.executable, "-m", "benchmarks.training", name, *asked] for name in ("ours", "products")}
    if torch:
        commands["torch"] = [torch, str(TORCH), *asked]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands.items():  # the first round, which builds the graph, is not counted
            pipe = subprocess.PIPE
            running[name] = subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
            _round(running[name])
        for number in range(ROUNDS):
            for name, process in running.items():
                assert process.stdin
                print("go", file=process.stdin, flush=True)
                found = _round(process)
                if number:  # nor is the second, in which threads and memory settle
                    times[name].append(found)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    wall, processor = ({name: median(one[kind] for one in found) for name, found in times.items()} for kind in (0, 1))
    tokens = shape["rows"] * shape["length"] * shape["steps"] / wall["ours"]
    print(f"{title}: {tokens:.0f} tokens/s")
    for kind, middle in (("", wall), (" in time of the processor", processor)):
        for name in sorted(middle.keys() - {"products"}):
            against = f", {middle[name] / middle['ours']:.2f} of the time of ours" if name != "ours" else ""
            print(
                f"  {name:<6}{middle['products'] / middle[name]:4.0%} of what bare products allow{against}{kind}",
                flush=True,
            )


def _round(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wait for the end of a round, and return its seconds, and those of the processor."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("round "):
            seconds, of_processor = line.split()[1:]
            return float(seconds), float(of_processor)
    raise SystemExit(f"{process.args!r}: it ended with {process.wait()}")


def main() -> None:
    if sys.argv[1:] != ["steps"]:
        subprocess.run([sys.executable, "-m", "benchmarks.training", "notebook"], check=True)
    threads, torch = params.load("params.yaml").train.threads, torch_python(TORCH)
    for title, shape in SIZES.items():
        compare(title, shape, threads, torch)


if __name__ == "__main__":
    if sys.argv[1:] == ["notebook"]:
        beside_the_notebook()
    elif len(sys.argv) > 2:
        {"ours": ours, "products": products}[sys.argv[1]](json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
