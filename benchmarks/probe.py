"""What is saved when frozen layers run only once: python -m benchmarks.probe [CHECKPOINT].

It prints ratios, on essays of random tokens (their content does not affect the time). First, an epoch with 3 trainable
layers on cached outputs of the frozen layers, against an epoch that runs the frozen layers again, in seconds and peak
memory. Second, the pass that fills the cache, against one forward pass of `Scorer` over the same essays. CHECKPOINT is
a folder in the Hugging Face layout; the default is a BERT of 12 layers with random weights. Each measurement has its
own process.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value

from redacoes import params
from redacoes.learning import checkpoint, defaults

UPPER = 3  # layers that are trained
WIDTH = 192  # hidden size of the BERT with random weights
LENGTHS = 384, 512  # minimum and maximum tokens of an essay
LABELS = [str(score) for score in range(11)]


def essays(count: int, vocabulary: int) -> Dataset:
    """Return tokenized essays of random words."""
    random = np.random.default_rng(0)
    lengths = random.integers(LENGTHS[0], LENGTHS[1] + 1, count)
    columns = {
        "row": list(range(count)),
        "input_ids": [random.integers(5, vocabulary, length).tolist() for length in lengths],
        "labels": random.integers(0, len(LABELS), count).tolist(),
    }
    kinds = {"row": Value("int64"), "input_ids": List(Value("int32")), "labels": ClassLabel(names=LABELS)}
    return Dataset.from_dict(columns, features=Features(kinds))


def made(folder: Path) -> None:
    """Write a BERT of 12 layers with random weights."""
    from transformers import BertConfig, TFBertForSequenceClassification

    from redacoes.learning import model

    config = BertConfig(
        vocab_size=2000, hidden_size=WIDTH, num_hidden_layers=12, num_attention_heads=6, intermediate_size=4 * WIDTH
    )
    classifier = TFBertForSequenceClassification(config)
    classifier.build_in_name_scope()
    model.save(classifier, SimpleNamespace(model_max_length=512, save_pretrained=lambda _: None), folder)


def measure(what: str, folder: Path, count: int) -> float:
    """Return seconds of a forward pass of the scorer or the probe, or of an epoch on cached states or the whole."""
    from redacoes.evaluation.decision import Decision
    from redacoes.inference.scorer import Scorer
    from redacoes.learning import frozen, model, training
    from redacoes.params import Tokenize

    config = checkpoint.load_config(folder)
    part = essays(count, config.vocab_size)
    settings = params.load("params.yaml").train
    layers = config.num_hidden_layers - UPPER
    train = defaults.settle(
        settings.model_copy(update={"frozen_layers": layers, "keep": "last"}), config, weights=True, validated=True
    )
    if what == "scorer":
        model.configure_scoring(train.threads)
        classifier = model.build(folder, LABELS, train)
        forward = model.forward(classifier, ("input_ids", "attention_mask"))
        tokenize = Tokenize(max_length=LENGTHS[1], truncation="head", batch_size=1)
        pool = ThreadPoolExecutor(train.threads)
        pad: Any = SimpleNamespace(pad_token_id=0)
        decision = Decision("argmax")
        scorer = Scorer(pad, tokenize, decision, None, len(LABELS), "tensorflow", "", classifier, pool, forward)
        start = time.perf_counter()  # both passes include building the graph
        scorer.logits(part["input_ids"])
        return time.perf_counter() - start
    model.configure(train.threads, train.seed)
    classifier = model.build(folder, LABELS, train)
    with tempfile.TemporaryDirectory() as work:
        if what == "pass":
            start = time.perf_counter()
            frozen.run(classifier, {"train": part}, 0, frozen.Pass.of(train), Path(work, "frozen"))
            return time.perf_counter() - start
        few = part.select(range(8))
        layers_run = layers if what == "states" else 0  # with 0, the frozen layers run too
        seconds = []
        if what == "states":
            frozen.run(
                classifier, {"train": part, "validation": few}, 0, frozen.Pass.of(train), Path(work, what, "frozen")
            )
        for epochs in (1, 3):
            of_run = train.model_copy(update={"epochs": epochs, "frozen_layers": layers_run, "probe": False})
            classifier = model.build(folder, LABELS, train)
            start = time.perf_counter()
            training.fit(classifier, part, few, 0, of_run, Path(work, f"curves {epochs}"), Path(work, what))
            seconds.append(time.perf_counter() - start)
            shutil.rmtree(Path(work, what, "epochs"))  # else the next run would resume from it
        return (seconds[1] - seconds[0]) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("checkpoint", type=Path, nargs="?", help="a folder in the Hugging Face layout")
    parser.add_argument("--essays", type=int, default=128)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        found = measure(asked.measure, asked.checkpoint, asked.essays)
        print(json.dumps([found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9]))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not asked.checkpoint:
            made(Path(folder, "bert"))
        encoder = str(asked.checkpoint or Path(folder, "bert"))
        seconds, memory = {}, {}
        for what in ("scorer", "pass", "whole", "states"):
            command = [
                sys.executable,
                "-m",
                "benchmarks.probe",
                encoder,
                "--essays",
                str(asked.essays),
                "--measure",
                what,
            ]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            seconds[what], memory[what] = json.loads(output.splitlines()[-1])
    print(f"a forward pass of Scorer       {seconds['scorer']:8.1f} s")
    print(f"the pass of frozen layers      {seconds['pass']:8.1f} s")
    print(f"ratio                          {seconds['pass'] / seconds['scorer']:8.2f}")
    print(f"an epoch, frozen layers again  {seconds['whole']:8.1f} s {memory['whole']:8.2f} GB at its peak")
    print(f"an epoch on their states       {seconds['states']:8.1f} s {memory['states']:8.2f} GB, the pass included")
    ratios = [figures["states"] / figures["whole"] for figures in (seconds, memory)]
    print(f"ratios                         {ratios[0]:8.2f}   {ratios[1]:8.2f}")


if __name__ == "__main__":
    main()
