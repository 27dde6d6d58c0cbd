"""What grows when shards are scored at scale, and what does not: python -m benchmarks.scale.

`examples/score_shards.py` with 1 and 2 workers, and beside it one `redacoes.Scorer` in one process with one thread, on
1, 2 and 4 times as many synthetic shards, with the scorer of the workspace in ONNX Runtime. Memory is the peak of what
a process holds (resident).
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from redacoes import synthetic
from redacoes.scorer import Scorer

TIMES = (1, 2, 4)
SHARDS, ESSAYS = 4, 1000  # at once the data; essays of one shard
SCRIPT = Path("examples", "score_shards.py")


def make_shards(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        essays = [row["essay"] for row in synthetic.essays(ESSAYS, number)]
        pq.write_table(pa.table({"essay": essays}), folder / f"{number:03}.parquet")
    return folder


def one_process(shards: str, model: str, threads: str) -> dict[str, Any]:
    """Score the shards one after the other by one `Scorer`."""
    scorer, count = Scorer.load(model, "onnx", threads=int(threads)), 0
    start = time.perf_counter()
    for path in sorted(Path(shards).glob("*.parquet")):
        count += len(scorer.score(pq.read_table(path)["essay"].to_pylist()))
    rate = count / (time.perf_counter() - start)
    return {"essays_per_second": rate, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def run(*command: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as room:
        model = f"{room}/onnx"
        export = ["export", "--format", "onnx", "--out", model]
        subprocess.run([sys.executable, "-m", "redacoes.cli", *export], check=True, capture_output=True)
        print("| essays | | seconds in all | essays/s | to one `Scorer` | driver, MB | each worker, MB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for times in TIMES:
            shards = make_shards(Path(room, f"shards-{times}"), SHARDS * times)
            count = f"{SHARDS * times * ESSAYS:,}"
            start = time.time()
            alone = run("-m", "benchmarks.scale", str(shards), model, "1")
            rate = alone["essays_per_second"]
            seconds, peak = time.time() - start, mb(alone["peak"])
            print(f"| {count} | one `Scorer`, 1 thread | {seconds:.0f} | {rate:.0f} | 1.0 | | {peak} |", flush=True)
            for workers in (1, 2):
                out = f"{room}/out-{times}-{workers}"
                options = ["--model", model, "--backend", "onnx", "--workers", str(workers), "--json"]
                told = run(str(SCRIPT), str(shards), out, *options)
                peaks = ", ".join(map(mb, told["peak_workers"]))
                print(
                    f"| {count} | {workers} worker{'s'[: workers - 1]} | {told['seconds']:.0f} | "
                    f"{told['essays_per_second']:.0f} | {told['essays_per_second'] / rate:.1f} | "
                    f"{mb(told['peak_driver'])} | {peaks} |",
                    flush=True,
                )


def mb(size: int) -> str:
    return f"{size / 1e6:.0f}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one_process(*sys.argv[1:])))
    else:
        main()
