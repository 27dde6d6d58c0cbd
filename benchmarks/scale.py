"""Scoring shards on a cluster, at 1, 2 and 4 times the data: python -m benchmarks.scale [--essays N].

The ONNX export of models/scorer scores synthetic essays in shards of 500. `examples/score_shards.py` does so with 1 and
2 workers of one thread each; a single `redacoes.Scorer` does so with 1 and with 2 threads. Each variant runs in its
own process. Essays per second count while the workers run, from each one's first shard to its last, and `ratio`
compares with the single scorer with as many threads. `ms` is the processor's time for an essay, of all threads of the
scorer or of all workers, and depends little on what else the machine does; its own `ratio` follows, in which 1 means
that a cluster wastes nothing. Peaks are of resident memory, in MB. `objects` is Ray's object store, and `ray` the sum
of Ray's own processes, both sampled four times a second.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from redacoes.essays import synthetic

SHARD = 500  # essays, unless --shard says another number
TIMES = (1, 2, 4)
MB = 2**20
SCRIPT = Path("examples", "score_shards.py")


def write_shards(folder: Path, count: int, size: int) -> None:
    folder.mkdir()
    table = pa.Table.from_pylist([{"id": n, "essay": row["essay"]} for n, row in enumerate(synthetic.essays(count, 3))])
    for start in range(0, count, size):
        pq.write_table(table.slice(start, size), folder / f"part-{start // size:05d}.parquet")


def one_scorer(model: str, shards: str, out: str, threads: str) -> None:
    """Score shards one after the other in this process, and print its figures as JSON."""
    from redacoes.inference.scorer import Scorer

    begun = time.time()
    scorer = Scorer.load(model, "onnx", threads=int(threads))
    start, processor, count = time.time(), time.process_time(), 0
    for shard in sorted(Path(shards).glob("*.parquet")):
        table = pq.read_table(shard)
        scores = pa.Table.from_pandas(scorer.score(table["essay"].to_pylist()), preserve_index=False)
        for name in scores.column_names:
            table = table.append_column(name, scores[name])
        pq.write_table(table, Path(out, shard.name))
        count += len(table)
    end, taken = time.time(), time.process_time() - processor
    found = {
        "seconds": end - begun,
        "essays_per_second": count / (end - start),
        "processor_ms_per_essay": 1000 * taken / count,
        "peak_driver": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(found))


def watched(command: list[str]) -> dict[str, Any]:
    """Run a command that prints figures as JSON, and return them with the peak memory of its processes."""
    peaks = {"objects": 0, "ray": 0}
    start = time.time()
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=printed, stderr=said)
        while process.poll() is None:
            now = {"objects": 0, "ray": 0}
            for child in psutil.Process(process.pid).children(recursive=True):
                try:
                    name, memory = " ".join(child.cmdline()[:1]), child.memory_info()
                except psutil.Error:  # it has ended
                    continue
                if name.endswith("raylet"):
                    now["objects"] += memory.shared
                if "ShardScorer" not in name and "MapWorker" not in name:
                    now["ray"] += memory.rss
            peaks = {key: max(value, now[key]) for key, value in peaks.items()}
            time.sleep(0.25)
        printed.seek(0)
        said.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: {said.read()}")
        return {**json.loads(printed.read()), **peaks, "wall": time.time() - start}


def row(name: str, essays: int, found: dict[str, Any], base: dict[str, Any]) -> None:
    workers = " + ".join(f"{peak / MB:.0f}" for peak in found.get("peak_workers", [])) or "-"
    print(
        f"| {name} | {essays:,} | {found['wall']:.0f} | {found['essays_per_second']:.0f} "
        f"| {found['essays_per_second'] / base['essays_per_second']:.2f} | {found['processor_ms_per_essay']:.2f} "
        f"| {base['processor_ms_per_essay'] / found['processor_ms_per_essay']:.2f} "
        f"| {found['peak_driver'] / MB:.0f} | {workers} "
        f"| {found['objects'] / MB:.0f} | {found['ray'] / MB:.0f} |",
        flush=True,
    )


def processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--essays", type=int, default=4000, help="of the smallest run (%(default)s)")
    parser.add_argument("--times", type=int, nargs="+", default=TIMES, help="that many essays (1 2 4)")
    parser.add_argument("--shard", type=int, default=SHARD, help="essays of a shard (%(default)s)")
    parser.add_argument("--model", help="an ONNX export (models/scorer, exported)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, {processor()}; load before: {os.getloadavg()[0]:.1f}; synthetic essays")
    print("| | essays | seconds | essays/s | ratio | ms | ratio | driver | workers | objects | ray |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or f"{folder}/onnx"
        if not options.model:
            export = [sys.executable, "-m", "redacoes.cli", "export", "--format", "onnx", "--out", model]
            subprocess.run(export, check=True, capture_output=True)
        for times in options.times:
            essays, shards = options.essays * times, Path(folder, f"shards-{times}")
            write_shards(shards, essays, options.shard)
            for count in (1, 2):
                outs = [Path(folder, f"{name}-{times}-{count}") for name in ("one", "cluster")]
                outs[0].mkdir()
                code = "import sys; from benchmarks.scale import one_scorer; one_scorer(*sys.argv[1:])"
                base = watched([sys.executable, "-c", code, model, str(shards), str(outs[0]), str(count)])
                row(f"one Scorer, threads: {count}", essays, {**base, "objects": 0, "ray": 0}, base)
                script = [sys.executable, str(SCRIPT), str(shards), str(outs[1]), "--model", model, "--backend", "onnx"]
                found = watched([*script, "--workers", str(count), "--json"])
                row(f"cluster, workers: {count}", essays, found, base)
        read, written = (sum(path.stat().st_size for path in at.glob("*.parquet")) / essays for at in (shards, outs[1]))
        print(f"bytes of an essay: {read:.0f} read, {written:.0f} written, for benchmarks.bill")


if __name__ == "__main__":
    main()
