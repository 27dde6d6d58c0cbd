"""One runtime for `benchmarks.worlds`, which runs this script: python benchmarks/world.py WORLD MODEL FOLDER THREADS.

It imports only what the runtime needs, and this project's code only for TensorFlow.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

ROUNDS = 3


def tensorflow(model: str, threads: int) -> Callable[[Any, Any], Any]:
    sys.path.insert(0, "")
    from redacoes.learning import model as classifiers

    classifiers.configure(threads, seed=0)
    classifier = classifiers.load(model)
    import tensorflow as tf

    spec = tf.TensorSpec([None, None], tf.int64)
    forward = tf.function(
        lambda ids, mask: (
            classifier(
                {"input_ids": tf.cast(ids, tf.int32), "attention_mask": tf.cast(mask, tf.int32)}, training=False
            ).logits
        ),
        input_signature=[spec, spec],
    )
    return lambda ids, mask: forward(ids, mask).numpy()


def torch(model: str, threads: int) -> Callable[[Any, Any], Any]:
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    classifier = AutoModelForSequenceClassification.from_pretrained(model)
    return lambda ids, mask: classifier(
        input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
    ).logits.numpy()


def onnx(model: str, threads: int) -> Callable[[Any, Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(Path(model, "model.onnx"), options)
    return lambda ids, mask: session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]


def main(world: str, model: str, folder: str, threads: str) -> None:
    run = {"tensorflow": tensorflow, "torch": torch, "onnx": onnx, "int8": onnx}[world](model, int(threads))
    ids = Tokenizer.from_file(str(Path(model, "tokenizer.json"))).encode(Path(folder, "essay.txt").read_text()).ids
    run(np.array([ids]), np.ones((1, len(ids)), dtype=np.int64))
    first = time.time()
    arrays = np.load(Path(folder, "batches.npz"))
    batches = [(arrays[f"input_ids{n}"], arrays[f"attention_mask{n}"]) for n in range(len(arrays.files) // 2)]
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        logits = [run(*batch) for batch in batches]
        seconds.append(time.perf_counter() - start)
    np.savez(Path(folder, f"{world}.npz"), first=first, seconds=min(seconds), logits=np.concatenate(logits))


if __name__ == "__main__":
    main(*sys.argv[1:])
