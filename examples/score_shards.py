"""Score a folder of Parquet shards on a local cluster of workers: python examples/score_shards.py SHARDS OUT.

Ray Data gives the shards to a pool of workers, each with a `redacoes.Scorer` and one thread. Only names of shards and
results of their scoring pass through Ray; a worker streams essays from file to file, a window at a time.

For each shard of SHARDS, OUT gets a file of the same name: its rows in order, with the columns of `redacoes score`
added. The file appears whole or not at all, and holds a hash of the shard and the model. If the script runs again,
after a kill or with more shards, it scores shards that are missing, have changed, or were scored by another model. If
a shard cannot be scored, the script names it, scores the others, and exits with status 1.

The cluster listens on loopback only, sends no telemetry, and ends with the script.
"""

import argparse
import fcntl
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from redacoes.learning.cluster import PRIVATE, local

os.environ |= PRIVATE | {  # before Ray is imported; its processes inherit them
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAYON_NUM_THREADS": "1",  # one thread for the tokenizer of each worker
}

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from tqdm import tqdm

from redacoes.errors import UserError, exit_on_user_error
from redacoes.essays.scoring_input import EssayFile
from redacoes.inference import resolve
from redacoes.inference.metadata import load_decision, text_files
from redacoes.inference.scorer import Scorer
from redacoes.layout import SCORER
from redacoes.learning import checkpoint

KEY = b"redacoes"  # in an output's metadata: hash of shard and model


class ShardScorer:
    """A worker: one scorer, which scores one shard after the other."""

    def __init__(self, model: str, backend: Any, column: str, out: str) -> None:
        """Load the model. :meth:`__call__` reports an error, since Ray would wrap an exception raised here."""
        self.column, self.out, self.fault = column, Path(out), ""
        try:
            self.scorer = Scorer.load(model, backend, threads=1)
        except UserError as error:
            self.fault = str(error)

    def __call__(self, item: dict[str, str]) -> dict[str, Any]:
        """Score one shard.

        Args:
            item: ``shard``, its path.

        Returns:
            ``shard``, ``state`` (scored, kept, failed, or unusable if the model did not load), ``reason`` (empty
            without an error), ``rows``, ``begun`` and ``ended`` (seconds since the epoch), ``processor`` (seconds of
            it), ``pid`` and ``peak`` (bytes, the most memory that this worker has held so far).
        """
        begun, processor, shard = time.time(), time.process_time(), Path(item["shard"])
        state, reason, rows = "unusable", self.fault, 0
        if not self.fault:
            try:
                state, rows = self._shard(shard)
            except (UserError, OSError, pa.ArrowException) as error:
                state, reason = "failed", str(error)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {
            "shard": str(shard),
            "state": state,
            "reason": reason,
            "rows": rows,
            "begun": begun,
            "ended": time.time(),
            "processor": time.process_time() - processor,
            "pid": os.getpid(),
            "peak": peak,
        }

    def _shard(self, shard: Path) -> tuple[str, int]:
        """Return whether the shard was scored or kept, and how many essays it holds."""
        target = self.out / shard.name
        source = EssayFile(str(shard), self.column, ",", "utf-8")
        with shard.open("rb") as file:
            content = file_digest(file, blake2b).hexdigest()
        key = blake2b(f"{self.scorer.digest} {self.column} {content}".encode(), digest_size=16).hexdigest().encode()
        if (rows := _rows(target, key)) is not None:
            return "kept", rows
        draft, rows = target.with_name(f".{shard.name}.draft"), 0
        nothing = pa.Table.from_pandas(self.scorer.score([]), preserve_index=False).schema
        schema = pa.schema([*source.schema, *nothing], metadata={KEY: key})
        try:
            with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
                for carried, scores in self.scorer.stream(_windows(source)):
                    added = pa.Table.from_pandas(scores, schema=nothing, preserve_index=False)
                    writer.write_table(pa.table([*carried.columns, *added.columns], schema=schema))
                    rows += len(scores)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return "scored", rows


def _windows(source: EssayFile) -> Iterator[tuple[pa.Table, list[str]]]:
    """Yield the columns to carry along, and the essays. Raises UserError at a row that cannot be scored."""
    for window in source.windows():
        for row in window.rejects:
            raise UserError(f"{source.name}, row {row.line}: {row.reason}; mend or remove the row")
        yield window.carried, window.texts


def _rows(target: Path, key: bytes) -> int | None:
    """Return the number of rows of an output if this shard and model made it; else None."""
    try:
        metadata = pq.read_metadata(target)
    except (OSError, pa.ArrowException):
        return None
    return metadata.num_rows if (metadata.metadata or {}).get(KEY) == key else None


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """Run Ray on this machine while the block runs, and end it as well if this process is asked to end."""
    with local(workers):
        signal.signal(signal.SIGTERM, _terminated)  # replaces Ray's handler
        yield


def _terminated(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Make the folder of outputs and lock it; the kernel releases the lock when the process ends."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another run is writing to {out}; wait for it, or name another folder") from None
        for draft in out.glob(".*.draft"):
            draft.unlink()
        yield


def score(shards: list[Path], out: Path, model: Path, backend: str, column: str, workers: int) -> Iterator[Any]:
    """Score shards on a cluster of this machine, and yield the result of each, as :class:`ShardScorer` returns it."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with cluster(workers):
        told_of = ray.data.from_items(
            [{"shard": str(shard.resolve())} for shard in shards], override_num_blocks=len(shards)
        )
        done = told_of.map(
            ShardScorer,
            fn_constructor_args=(str(model.absolute()), backend, column, str(out.resolve())),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        yield from done.iter_rows()


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    shards = sorted(options.shards.glob("*.parquet"))
    if not shards:
        raise UserError(f"{options.shards} holds no .parquet file; name the folder of the shards")
    if options.out.resolve() == options.shards.resolve():
        raise UserError(f"{options.out} is the folder of the shards; name another for what is written")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"{options.out} is not a folder; name one for what is written")
    if options.workers < 1:
        raise UserError(f"--workers is {options.workers}; it must be at least 1")
    start, results = time.time(), []
    with resolve.found(options.model) as folder, claimed(options.out):
        checkpoint.load_config(folder)
        text_files(folder, load_decision(folder))
        bar = tqdm(total=len(shards), unit=" shards", disable=not sys.stderr.isatty())
        with bar:
            for result in score(shards, options.out, folder, options.backend, options.text_column, options.workers):
                if result["state"] == "unusable":
                    raise UserError(result["reason"])
                if result["state"] == "failed":
                    bar.write(f"error: {result['reason']}", file=sys.stderr)
                results.append(result)
                bar.update()
    summary = summarize(results, start)
    print(json.dumps(summary, indent=2) if options.json else told_summary(summary, options.out))
    return 1 if summary["failed"] else 0


def summarize(results: list[dict[str, Any]], start: float) -> dict[str, Any]:
    """Return counts, seconds and peak memory of a run that began at `start`, in seconds since the epoch.

    ``essays_per_second`` is the sum over the workers of each one's essays by its seconds from its first shard to its
    last: neither the start of the cluster nor its end counts, nor that one worker is ready before another.
    """
    begun, scored = min(result["begun"] for result in results), [one for one in results if one["state"] == "scored"]
    workers = [[one for one in results if one["pid"] == pid] for pid in sorted({one["pid"] for one in results})]
    essays = sum(result["rows"] for result in scored)
    return {
        **{state: sum(result["state"] == state for result in results) for state in ("scored", "kept", "failed")},
        "essays": essays,
        "seconds": time.time() - start,
        "until_first_shard": begun - start,
        "essays_per_second": sum(_rate(of_worker) for of_worker in workers),
        "processor_ms_per_essay": 1000 * sum(result["processor"] for result in scored) / max(essays, 1),
        "peak_driver": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_workers": [max(one["peak"] for one in of_worker) for of_worker in workers],
    }


def _rate(results: list[dict[str, Any]]) -> float:
    """Return the essays per second that one worker scored, from its first shard to its last."""
    essays = sum(result["rows"] for result in results if result["state"] == "scored")
    begun, ended = (pick(one[key] for one in results) for pick, key in ((min, "begun"), (max, "ended")))
    return essays / max(ended - begun, 1e-9)


def told_summary(summary: dict[str, Any], out: Path) -> str:
    """Return one sentence about a run."""
    kept = f", {summary['kept']} were there already" if summary["kept"] else ""
    failed = f", {summary['failed']} could not be scored" if summary["failed"] else ""
    return (
        f"{out}: {summary['scored']} shards scored{kept}{failed}; {summary['essays']} essays in "
        f"{summary['seconds']:.0f} s, {summary['essays_per_second']:.0f} a second once the workers ran"
    )


def main() -> None:
    """Parse the command line, and exit with its status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", metavar="SHARDS", type=Path, help="a folder of .parquet files")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder to write")
    parser.add_argument("--model", default=str(SCORER), help="as in redacoes score (%(default)s)")
    parser.add_argument("--backend", choices=("tensorflow", "onnx"), default="tensorflow", help="(%(default)s)")
    parser.add_argument("--text-column", metavar="NAME", default="essay", help="(%(default)s)")
    parser.add_argument("--workers", metavar="N", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--json", action="store_true", help="tell the figures of the run as JSON")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    with exit_on_user_error():
        try:
            sys.exit(run(options))
        except KeyboardInterrupt:
            print(f"interrupted; {options.out} keeps what was done, and the same command goes on", file=sys.stderr)
            sys.exit(130)


if __name__ == "__main__":
    main()
