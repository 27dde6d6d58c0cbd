"""examples/score_shards.py on a real Ray cluster: row by row as `Scorer.score`, and on where it was stopped."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from redacoes.essays import arrow, synthetic
from redacoes.inference.scorer import Scorer
from tests.support import ROOT
from tests.support.processes import SECONDS
from tests.support.project import Folder
from tests.support.tiny import tiny_model

SHARDS = 16  # that a run is stopped in
SCRIPT = ROOT / "examples" / "score_shards.py"
ESSAYS = [row["essay"] for row in synthetic.essays(300, 8)]
SCORES = ["predicted", "expected", "confidence", *(f"p_{k}" for k in range(11)), "low", "high", "tokens", "truncated"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")


def shard(path: Path, texts: list[Any]) -> None:
    rows = range(len(texts))
    frame = pd.DataFrame(
        {"id": [f"{path.stem}/{row}" for row in rows], "essay": texts, "notas": [[row, 1] for row in rows]}
    )
    frame.astype({"essay": "str"} if not texts else {}).to_parquet(path, index=False)


def command(shards: Path, out: Path, model: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        str(SCRIPT),
        str(shards),
        str(out),
        "--model",
        str(model),
        "--backend",
        "onnx",
        "--json",
        *options,
    ]


def scored(*arguments: Any) -> tuple[int, dict[str, Any], str]:
    """Run the example: its status, what it says of the run, and what it says on stderr."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def assert_scores(out: Path, shards: Path, scorer: Scorer) -> None:
    for path in shards.glob("*.parquet"):
        given, found = pd.read_parquet(path), pd.read_parquet(out / path.name)
        assert list(found) == [*given, *SCORES]
        pd.testing.assert_frame_equal(found[list(given)], given)
        pd.testing.assert_frame_equal(found[SCORES], scorer.score(given["essay"]), rtol=0, atol=2e-6)


@pytest.fixture(scope="module")
def example() -> Any:
    """The example as a module: all that it does but a cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())  # which it sets for Ray's processes
        spec = importlib.util.spec_from_file_location("score_shards", SCRIPT)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def test_shards_are_scored_as_by_the_scorer_and_only_what_has_changed_is_scored_again(
    model: Path, example: Any, tmp_path: Path
) -> None:
    shards, out = tmp_path / "folhas", tmp_path / "notas"
    shards.mkdir()
    for name, texts in {"a": ESSAYS, "b ção": ESSAYS[:7], "c": ESSAYS[100:200], "vazia": []}.items():
        shard(shards / f"{name}.parquet", texts)
    status, told, _ = scored(shards, out, model)
    assert (status, told["scored"], told["kept"], told["essays"]) == (0, 4, 0, 407)
    assert len(told["peak_workers"]) <= 2
    assert told["seconds"] > told["until_first_shard"] > 0
    assert_scores(out, shards, Scorer.load(model, "onnx"))

    shard(shards / "c.parquet", ESSAYS[200:])
    shard(shards / "d.parquet", [*ESSAYS[:3], " ", "boa"])
    (shards / "e.parquet").write_bytes((shards / "a.parquet").read_bytes()[:2000])
    (out / "b ção.parquet").write_bytes(b"PAR1")
    status, told, said = scored(shards, out, model, "--workers", "1")
    assert (status, told["scored"], told["kept"], told["failed"], told["essays"]) == (1, 2, 2, 2, 107)
    assert len(told["peak_workers"]) == 1
    assert f"error: {shards}/d.parquet, row 4: the essay is empty" in said
    assert f"error: {shards}/e.parquet is not a complete Parquet file" in said
    assert {path.name for path in out.glob("*.parquet")} == {"a.parquet", "b ção.parquet", "c.parquet", "vazia.parquet"}

    for name in "de":
        (shards / f"{name}.parquet").unlink()
    assert_scores(out, shards, Scorer.load(model, "onnx"))
    other = tiny_model(tmp_path / "outro", seed=2)
    worker = example.ShardScorer(str(other), "onnx", "essay", str(out))
    for state in ("scored", "kept"):  # what another model has scored is scored again, once
        assert [worker({"shard": str(path)})["state"] for path in shards.glob("*.parquet")] == [state] * 4
    assert_scores(out, shards, Scorer.load(other, "onnx"))
    assert not list(out.glob(".*.draft"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["{empty}", "{out}"], "holds no .parquet file"),
        (["{shards}", "{shards}"], "name another for what is written"),
        (["{shards}", "{out}", "--model", "{empty}"], "holds no model"),
        (["{shards}", "{out}", "--workers", "0"], "it must be at least 1"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_before_a_cluster_starts(
    options: list[str], says: str, example: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: tmp_path / name for name in ("empty", "shards", "out")}
    for name in ("empty", "shards"):
        folders[name].mkdir()
    shard(folders["shards"] / "a.parquet", ESSAYS[:2])
    arguments = ["--model", str(model), "--backend", "onnx", *(option.format(**folders) for option in options)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # it would be that of pytest
    monkeypatch.setattr(example, "cluster", lambda *_: pytest.fail("a cluster has started"))
    with pytest.raises(SystemExit) as ended:
        example.main()
    message = str(ended.value.code)
    assert message.startswith("error: ")
    assert says in message
    assert "\n" not in message


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "muitas"
    folder.mkdir()
    for number in range(SHARDS):
        shard(folder / f"{number:02}.parquet", ESSAYS * 5)
    return folder


@contextmanager
def begun(shards: Path, out: Path, model: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Start the example, and yield it once another shard is done, and the processes that it has started."""
    before = len(list(out.glob("*.parquet")))
    process = subprocess.Popen(
        command(shards, out, model), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + SECONDS
        while len(list(out.glob("*.parquet"))) == before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        yield process, psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.communicate()


def listening(processes: list[psutil.Process]) -> set[str]:
    """Addresses on which any of the processes waits for others, or is connected to."""
    found = set()
    for process in processes:
        for connection in process.net_connections("inet"):
            found |= {address.ip for address in (connection.laddr, connection.raddr) if address}
    return found


@pytest.mark.slow
def test_a_run_that_is_stopped_again_and_again_goes_on_and_leaves_no_process(
    many: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, out = Path(tempfile.mkdtemp(prefix="r-")), tmp_path / "notas"  # short: Ray's sockets are in it
    monkeypatch.setenv("TMPDIR", str(room))
    done: dict[str, int] = {}
    for stop, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with begun(many, out, model) as (process, started):
            if stop == signal.SIGKILL:
                addresses = listening(started)
                assert addresses
                assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
            agents = {one.pid for one in started if one.name().endswith("Agent")}
            process.send_signal(stop)
            _, said = process.communicate(timeout=SECONDS)
            assert process.returncode == status
            assert "Traceback" not in said
            # after SIGKILL, two agents of Ray notice within a minute that they are alone
            awaited = [one for one in started if stop != signal.SIGKILL or one.pid not in agents]
            _, alive = psutil.wait_procs(awaited, timeout=SECONDS)
            assert not alive
        if stop != signal.SIGKILL:  # whose folder the next run removes
            assert not list(room.glob("redacoes-*"))
        before, done = done, {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
        assert len(before) < len(done) < SHARDS
        assert {name: done[name] for name in before} == before

    status, told, _ = scored(many, out, model)
    assert (status, told["kept"], told["scored"]) == (0, len(done), SHARDS - len(done))
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert_scores(out, many, Scorer.load(model, "onnx"))
    assert {path.name for path in out.iterdir()} == {path.name for path in many.iterdir()} | {".lock"}
    assert not list(room.glob("redacoes-*"))
    shutil.rmtree(room)


@pytest.mark.slow
def test_two_workers_score_with_tensorflow_as_evaluation_did(origin: Folder, tmp_path: Path) -> None:
    shards, out = tmp_path / "folhas", tmp_path / "notas"
    shards.mkdir()
    essays = list(arrow.load(origin.path / "data/splits")["test"]["essay"])
    half = len(essays) // 2
    for number, part in enumerate((essays[:half], essays[half:])):
        shard(shards / f"{number}.parquet", part)
    status, told, said = scored(shards, out, origin.path / "models" / "scorer", "--backend", "tensorflow")
    assert (status, told["scored"]) == (0, 2), said
    found = pd.concat([pd.read_parquet(out / f"{number}.parquet") for number in range(2)], ignore_index=True)
    evaluated = pd.read_csv(origin.path / "metrics/predictions.csv")
    columns = ["predicted", "expected", *(f"p_{k}" for k in range(11))]
    pd.testing.assert_frame_equal(found[columns], evaluated[columns], rtol=0, atol=2e-6)
