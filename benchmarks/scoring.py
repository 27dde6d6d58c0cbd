"""Scoring compared with transformers' pipeline and with bare matrix products: python -m benchmarks.scoring.

The scorer of this workspace, and an untrained one four times as wide and deep, score the test essays. Each variant runs
in its own process, since TensorFlow's number of threads can be set only once.

* pipeline: transformers' `TextClassificationPipeline(framework='tf')`, at the best of several batch sizes;
* tensorflow, onnx, int8: `redacoes.Scorer`, from text to table, and its forward pass alone;
* products: the matrix products of that forward pass and nothing else, by TensorFlow, on the same padded shapes.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from redacoes import params
from redacoes.essays import arrow
from redacoes.files import write_json
from redacoes.inference.scorer import Backend, Scorer
from redacoes.learning import checkpoint, tokens

ROUNDS = 5
SIZES = (1, 16, 64)  # batch sizes of the pipeline
WIDE = {"dim": 256, "n_layers": 4, "n_heads": 4, "hidden_dim": 1024}


def essays() -> list[str]:
    return list(arrow.load("data/splits")["test"]["essay"])


def seconds(do: Callable[[], Any]) -> float:
    do()  # warm-up: traces the graph
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        do()
        times.append(time.perf_counter() - start)
    return median(times)


def pipeline(folder: str) -> dict[str, Any]:
    from transformers import TextClassificationPipeline

    from redacoes.learning import model

    longest = params.load("params.yaml").tokenize.max_length
    classify = TextClassificationPipeline(
        model=model.load(folder), tokenizer=checkpoint.load_tokenizer(folder), framework="tf"
    )
    texts, times = essays(), {}
    for size in SIZES:
        options = {"batch_size": size, "truncation": True, "max_length": longest, "top_k": None}
        classify(texts[:size], **options)
        start = time.perf_counter()
        labels = [answer[0]["label"] for answer in classify(texts, **options)]
        times[size] = time.perf_counter() - start
    best = min(times, key=times.__getitem__)
    return {"seconds": times[best], "size": best, "classes": np.array(labels, dtype=int)}


def scorer(folder: str, backend: Backend) -> dict[str, Any]:
    model, texts = Scorer.load(folder, backend), essays()
    ids, _ = tokens.encode(model.tokenizer, texts, model.tokenize)
    return {
        "seconds": seconds(lambda: model.score(texts)),
        "forward": seconds(lambda: model.logits(ids)),
        "classes": model.logits(ids).argmax(axis=1),
    }


def products(folder: str) -> dict[str, Any]:
    import tensorflow as tf

    model = Scorer.load(folder)
    config = model.classifier.config
    width, heads, inner = config.dim, config.n_heads, config.hidden_dim
    square, up, down = (tf.random.normal(shape) / width for shape in ([width, width], [width, inner], [inner, width]))

    @tf.function(input_signature=[tf.TensorSpec([None, width]), tf.TensorSpec([None, heads, None, width // heads])])
    def multiply(hidden: Any, split: Any) -> Any:
        for _ in range(config.n_layers):
            for weights in (square, square, square, square, up, down):  # query, key, value, output, feed-forward
                hidden = tf.matmul(hidden, weights)
            split = tf.matmul(tf.matmul(split, split, transpose_b=True), split)
        return hidden[0, 0] + split[0, 0, 0, 0]

    ids, _ = tokens.encode(model.tokenizer, essays(), model.tokenize)
    shapes = [batch["input_ids"].shape for batch in model.batches(ids)[1]]
    inputs = {
        (rows, length): (
            tf.random.normal([rows * length, width]),
            tf.random.normal([rows, heads, length, width // heads]) / length,
        )
        for rows, length in shapes
    }
    return {"seconds": seconds(lambda: list(model.threads.map(lambda shape: multiply(*inputs[shape]).numpy(), shapes)))}


def widen(folder: str) -> dict[str, Any]:
    """Write a larger, untrained classifier with this workspace's family and tokenizer."""
    from transformers import AutoConfig, TFAutoModelForSequenceClassification

    from redacoes.learning import model

    config = AutoConfig.from_pretrained("models/scorer", **WIDE)
    classifier = TFAutoModelForSequenceClassification.from_config(config)
    classifier.build_in_name_scope()
    model.save(classifier, checkpoint.load_tokenizer("models/scorer"), Path(folder))
    return {}


CONTESTANTS: dict[str, Callable[..., dict[str, Any]]] = {
    "pipeline": pipeline,
    "scorer": scorer,
    "products": products,
    "widen": widen,
}


def in_process(*arguments: str) -> dict[str, Any]:
    """Run a variant in its own process, and return its result."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.scoring", f"{folder}/found.npz", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
        return dict(np.load(f"{folder}/found.npz"))


def compare(title: str, folder: str, exports: Path, int8: bool) -> None:
    count = len(essays())
    base, bound = in_process("pipeline", folder), in_process("products", folder)
    print(f"{title}\n  pipeline    {count / base['seconds']:7.0f} essays/s at batches of {base['size']}, its best")
    for name, options in (("tensorflow", None), ("onnx", []), *([("int8", ["--int8"])] if int8 else [])):
        source = folder if options is None else f"{exports}/{name}"
        if options is not None:
            export = ["export", "--format", "onnx", *options, "--model", folder, "--out", source]
            subprocess.run([sys.executable, "-m", "redacoes.cli", *export], check=True, capture_output=True)
        found = in_process("scorer", source, "tensorflow" if options is None else "onnx")
        same = (found["classes"] == base["classes"]).mean()
        print(
            f"  {name:<12}{count / found['seconds']:7.0f} essays/s, {base['seconds'] / found['seconds']:4.1f} times "
            f"the pipeline, {same:.1%} the same argmax; of what bare products allow, the forward pass "
            f"{bound['seconds'] / found['forward']:.0%}, all {bound['seconds'] / found['seconds']:.0%}",
            flush=True,
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as room:
        compare("the scorer of this workspace", "models/scorer", Path(room), int8=True)
        wide = Path(room, "models", "scorer")
        in_process("widen", str(wide))
        write_json(wide.with_name("decision.json"), {"rule": "expected", "slope": 1.0, "intercept": 0.0})
        Path(room, "dvc.lock").write_bytes(Path("dvc.lock").read_bytes())  # records how essays are cut
        # untrained weights in 8 bits decide at random
        compare(f"untrained, {WIDE['n_layers']} layers of {WIDE['dim']}", str(wide), Path(room, "wide"), int8=False)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        target, contestant, *arguments = sys.argv[1:]
        np.savez(target, **CONTESTANTS[contestant](*arguments))
    else:
        main()
