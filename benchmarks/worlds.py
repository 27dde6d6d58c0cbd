"""The scorer in TensorFlow, torch and ONNX Runtime, and the cost of tokenizing: python -m benchmarks.worlds.

Each runtime (world) has its own process, with the same model, test essays, batches (of similar length) and number of
threads. The time to the first score is what a user waits to score one essay: interpreter, imports, weights, tokenizer.
Differences of logits are from TensorFlow's.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from redacoes import params
from redacoes.errors import first_line
from redacoes.essays import arrow
from redacoes.learning import checkpoint, token_cache, tokens
from redacoes.learning.batching import Ragged, sorted_batches

ROUNDS = 5
BATCH = 16
PROGRAM = Path("benchmarks", "world.py")
TORCH = Path("tests", "support", "worlds", "torch_logits.py")  # declares the packages of its environment


def torch_python(script: Path = TORCH) -> str:
    """Return the interpreter of the environment that uv makes for a script; on failure, print why and return ''."""
    links = ["--find-links", os.environ["PIP_FIND_LINKS"]] if "PIP_FIND_LINKS" in os.environ else []
    uv = [sys.executable, "-m", "uv"]
    make = [*uv, "sync", "--quiet", "--python", sys.executable, *links, "--script", str(script)]
    made = subprocess.run(make, capture_output=True, text=True, check=False)
    if made.returncode:
        print(f"torch is left out, since uv could make no environment for it: {first_line(Exception(made.stderr))}")
        return ""
    found = subprocess.run([*uv, "python", "find", "--script", str(script)], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def run(python: str, world: str, model: str, folder: str, threads: int) -> tuple[float, float, np.ndarray]:
    """Return seconds to the first score, seconds for all essays, and logits in the order of the batches."""
    start = time.time()
    command = [python, str(PROGRAM), world, model, folder, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{world}: {done.stderr}")
    answer = np.load(Path(folder, f"{world}.npz"))
    return float(answer["first"]) - start, float(answer["seconds"]), answer["logits"]


def worlds(settings: params.Params) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part = arrow.load("data/tokenized")["test"]
        ids = Ragged(*arrow.lists(part, "input_ids"))
        pad_id = checkpoint.load_tokenizer("models/scorer").pad_token_id
        padded = [ids.pad(rows, pad_id, 1, 0) for rows in sorted_batches(ids.lengths, BATCH)]
        arrays = {f"{name}{n}": batch[name].astype(np.int64) for n, batch in enumerate(padded) for name in batch}
        np.savez(Path(folder, "batches.npz"), allow_pickle=False, **arrays)
        Path(folder, "essay.txt").write_text(arrow.load("data/splits")["test"]["essay"][0], encoding="utf-8")
        for name, option in (("onnx", []), ("int8", ["--int8"])):
            export = [sys.executable, "-m", "redacoes.cli", "export", "--format", "onnx", *option]
            subprocess.run([*export, "--out", f"{folder}/{name}"], check=True, capture_output=True)
        todo = [
            (sys.executable, "tensorflow", "models/scorer"),
            (torch_python(), "torch", "models/scorer"),
            (sys.executable, "onnx", f"{folder}/onnx"),
            (sys.executable, "int8", f"{folder}/int8"),
        ]
        base = None
        for python, world, model in filter(lambda one: one[0], todo):
            seconds, of_all, logits = run(python, world, model, folder, settings.train.threads)
            base = base or (seconds, of_all, logits)
            same = (logits.argmax(axis=1) == base[2].argmax(axis=1)).mean()
            print(
                f"{world:<12}first score after {seconds:5.1f} s ({seconds / base[0]:4.2f} of TensorFlow's)"
                f"{len(part) / of_all:8.0f} essays/s ({base[1] / of_all:4.2f} of TensorFlow's)"
                f"   logits within {np.abs(logits - base[2]).max():.1e}, {same:.1%} the same class of {len(part)}",
                flush=True,
            )


def tokenizing(settings: params.Params) -> None:
    part = arrow.load("data/splits")["train"]
    tokenizer = checkpoint.load_tokenizer("models/base")
    size, texts = settings.tokenize.batch_size, list(part["essay"])
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]

    def bare() -> None:
        for batch in batches:
            for text in tokenizer.backend_tokenizer.encode_batch(batch):
                _ = text.ids

    def ours() -> None:
        for batch in batches:
            tokens.encode(tokenizer, batch, settings.tokenize)

    def stage() -> None:
        with tempfile.TemporaryDirectory() as folder:
            read = part.iter(settings.tokenize.batch_size)
            token_cache.write(read, part.features["score"], tokenizer, settings.tokenize, Path(folder, "essays.arrow"))

    times: dict[str, list[float]] = {"bare": [], "ours": [], "stage": []}
    for _ in range(ROUNDS):
        for do in (bare, ours, stage):
            start = time.perf_counter()
            do()
            times[do.__name__].append(time.perf_counter() - start)
    speed = {name: len(texts) / median(seconds) for name, seconds in times.items()}
    print(f"bare encode_batch           {speed['bare']:8.0f} essays/s")
    print(f"learning.tokens, truncated  {speed['ours']:8.0f} essays/s, {speed['ours'] / speed['bare']:4.0%} of it")
    print(f"tokenize, with the files    {speed['stage']:8.0f} essays/s, {speed['stage'] / speed['bare']:4.0%} of it")


def main() -> None:
    settings = params.load("params.yaml")
    worlds(settings)
    tokenizing(settings)


if __name__ == "__main__":
    main()
