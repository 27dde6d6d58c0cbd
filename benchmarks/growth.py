"""Time and memory of the stages with 1,000, 10,000 and 100,000 essays: python -m benchmarks.growth (make bench-scale).

The essays are synthetic, the encoder is small (see `CHANGES`). Each stage runs in a process of its own, as in `dvc
repro`:

* seconds of the processor, of all threads, which depend less on what else the machine does than the clock;
* ms per essay: the processor's, over what the next smaller size took, so that the constant start-up does not count;
* peak: the most memory that the process held, in MB, with pages of files that it had mapped (VmHWM);
* own: the most without such pages, which the system takes back when it needs them (RssAnon, 20 times a second).

`times` are against the next smaller size. The goals are 1.2 for ms per essay and 1.3 for peak, from 10,000 to 100,000.
`pass` is the pass of the probe through a frozen encoder, and `train` one epoch. `bare` is `Tokenizer.encode_batch` on
the essays of all splits with nothing around it; `tokenize` may take 1.25 times its ms per essay.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from redacoes import parameters_file
from redacoes.essays import synthetic

ROOT = Path(__file__).parents[1]
ESSAYS = (1_000, 10_000, 100_000)
SEED = 7
LOOK = 0.05  # seconds
MB = 2**20
CHANGES = {  # of the parameters: the synthetic essays instead of a user's, and a small encoder
    "data.csv": "data/sample.csv",
    "data.essay_column": "essay",
    "data.score_column": "score",
    "data.group_column": "",
    "data.score_scale": "10",
    "data.max_score": "10",
    "data.delimiter": "','",
    "data.encoding": "utf-8",
    "split.strategy": "shuffled",
    "checkpoint.source": "scratch",
    "checkpoint.num_layers": "1",
    "checkpoint.hidden_size": "64",
    "checkpoint.num_heads": "2",
    "checkpoint.intermediate_size": "128",
    "tokenize.max_length": "64",
    "train.epochs": "1",
    "train.frozen_layers": "0",
    "train.probe": "false",
}
PASS = "from benchmarks.growth import frozen_pass; frozen_pass()"
BARE = "from benchmarks.growth import bare; bare()"
STAGES = {  # in the order in which each finds what it reads
    "prepare": ["-m", "stages.prepare"],
    "tokenize": ["-m", "stages.tokenize"],
    "bare": ["-c", BARE],
    "baseline": ["-m", "stages.baseline"],
    "train": ["-m", "stages.train"],
    "pass": ["-c", PASS],
    "evaluate": ["-m", "stages.evaluate"],
}


@dataclass(frozen=True)
class Usage:
    """What a process took.

    Attributes:
        wall: Seconds by the clock.
        processor: Seconds of the processor, of all threads.
        peak: Bytes, with mapped pages of files.
        own: Bytes without them.
    """

    wall: float
    processor: float
    peak: int
    own: int


def used(arguments: Sequence[str], folder: Path) -> Usage:
    """Run Python with `arguments` in `folder`, and return what it took. SystemExit, with its stderr, if it fails."""
    start, peak, own = time.perf_counter(), 0, 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            # not ru_maxrss of `usage`, in which the memory of this process counts, from before it started the other
            now_peak, now_own = memory(process.pid)
            peak, own = max(peak, now_peak), max(own, now_own)
            time.sleep(LOOK)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments)}: {said.read()}")
    return Usage(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, peak, own)


def memory(pid: int) -> tuple[int, int]:
    """Return the bytes of VmHWM and of RssAnon of a process; 0 if it has ended."""
    lines = (line.split() for line in Path("/proc", str(pid), "status").read_text(encoding="utf-8").splitlines())
    found = {words[0]: words[1] for words in lines if len(words) > 1}
    return int(found.get("VmHWM:", 0)) * 1024, int(found.get("RssAnon:", 0)) * 1024


def frozen_pass() -> None:
    """Run all layers of models/scorer over the tokenized essays of this folder, as the probe does."""
    from redacoes import params
    from redacoes.essays import arrow
    from redacoes.learning import frozen, model

    train = params.load("params.yaml").train
    model.configure(train.threads, train.seed)
    how = frozen.Pass("all", train.pad_to_multiple_of, train.threads)
    with tempfile.TemporaryDirectory() as work:
        frozen.run(model.load("models/scorer"), arrow.load("data/tokenized"), 0, how, Path(work, "frozen"))


def bare() -> None:
    """Tokenize the essays of this folder, and keep nothing."""
    from datasets import load_from_disk
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file("models/base/tokenizer.json")
    for part in load_from_disk("data/splits").values():
        for batch in part.iter(batch_size=1000):
            tokenizer.encode_batch(batch["essay"])


def laid_out(folder: Path, count: int, base: Path | None, parameters: Path) -> None:
    """Write parameters and synthetic essays into a new folder, and copy `base`, the tokenizer and configuration."""
    (folder / "data").mkdir(parents=True)
    parameters_file.edit(Path(shutil.copy(parameters, folder / "params.yaml")), CHANGES)
    with (folder / "data/sample.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["essay", "score", "theme"])
        writer.writeheader()
        writer.writerows(islice(synthetic.essays(count, SEED), count))
    if base:
        shutil.copytree(base, folder / "models/base")


def measured(
    folder: Path, sizes: Sequence[int], stages: Sequence[str], parameters: Path
) -> Iterator[tuple[str, int, Usage]]:
    """Yield stage, essays and what it took, by size, in the order in which they run."""
    base: Path | None = None
    for count in sizes:
        place = folder / str(count)
        if not place.exists():
            laid_out(place, count, base, parameters)
        for name in stages:
            yield name, count, used(STAGES[name], place)
            if name == "prepare" and not (place / "models/base").exists():
                used(["-m", "stages.checkpoint"], place)
        base = place / "models/base"


def row(name: str, count: int, found: Usage, smaller: tuple[int, Usage] | None, before: float | None) -> float | None:
    """Print a row of the table, and return the ms per essay over those of the next smaller size."""
    each, faster, peak, own = None, "-", "-", "-"
    if smaller:
        essays, less = smaller
        each = (found.processor - less.processor) / (count - essays) * 1000
        faster = f"{each / before:.2f}" if before else "-"
        peak, own = f"{found.peak / less.peak:.2f}", f"{found.own / less.own:.2f}"
    ms = "-" if each is None else f"{each:.3f}"
    print(
        f"| {name} | {count:,} | {found.wall:.1f} | {found.processor:.1f} | {ms} | {faster} "
        f"| {found.peak / MB:.0f} | {peak} | {found.own / MB:.0f} | {own} |",
        flush=True,
    )
    return each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--essays", type=int, nargs="+", default=ESSAYS, help="sizes, ascending (1000 10000 100000)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="(all)")
    parser.add_argument("--folder", type=Path, help="where to work, also after an earlier call (temporary)")
    parser.add_argument(
        "--params", type=Path, default=ROOT / "params.yaml", help="what is not in CHANGES (params.yaml)"
    )
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors; load before: {os.getloadavg()[0]:.1f}; synthetic essays")
    print("| stage | essays | seconds | of processor | ms/essay | times | peak | times | own | times |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as room:
        last: dict[str, tuple[int, Usage, float | None]] = {}
        folder = options.folder or Path(room)
        for name, count, found in measured(folder, options.essays, options.stages, options.params):
            smaller = last.get(name)
            each = row(name, count, found, smaller and smaller[:2], smaller and smaller[2])
            last[name] = count, found, each


if __name__ == "__main__":
    main()
