"""examples/score_shards.py on a real Ray cluster: row by row as `Scorer.score`, and on where it was stopped."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from redacoes import synthetic
from redacoes.files import read_json, write_json
from redacoes.portable import portable_config
from redacoes.scorer import Scorer
from redacoes.scoring import Decision
from tests.conftest import ROOT, Clone

SCRIPT = ROOT / "examples" / "score_shards.py"
ESSAYS = [row["essay"] for row in synthetic.essays(300, 8)]
SCORES = ["predicted", "expected", "confidence", *(f"p_{k}" for k in range(11)), "low", "high", "tokens", "truncated"]


def tiny_model(folder: Path, origin: Clone, seed: int) -> Path:
    """Write an export for ONNX Runtime whose logits are sums over tokens: a model that loads in no time."""
    shutil.copytree(origin.path / "models" / "scorer", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = read_json(folder / "config.json")
    made_by = {"tokenize": {"max_length": 64, "truncation": "head_tail"}}
    write_json(folder / "config.json", portable_config(config, Decision("expected", 1.0, 0.0), made_by))
    table = np.random.default_rng(seed).normal(0, 0.3, (config["vocab_size"], 11)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["of_tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["of_tokens", "column"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "first"], ["logits"], keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    constants = {"table": table, "last": np.array([2]), "first": np.array([1])}
    graph = helper.make_graph(
        nodes, "tiny", inputs, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 11])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    return folder


@pytest.fixture(scope="module")
def model(origin: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("modelo") / "onnx", origin, 1)


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


def test_shards_are_scored_as_by_the_scorer_and_only_what_has_changed_is_scored_again(
    model: Path, origin: Clone, tmp_path: Path
) -> None:
    shards, out = tmp_path / "folhas", tmp_path / "notas"
    shards.mkdir()
    for name, texts in {"a": ESSAYS, "b ção": ESSAYS[:7], "c": ESSAYS[100:200], "vazia": []}.items():
        shard(shards / f"{name}.parquet", texts)
    status, told, _ = scored(shards, out, model)
    assert (status, told["scored"], told["kept"], told["essays"]) == (0, 4, 0, 407)
    assert len(told["peak_workers"]) <= 2
    assert_scores(out, shards, Scorer.load(model, "onnx"))

    shard(shards / "c.parquet", ESSAYS[200:])
    shard(shards / "d.parquet", [*ESSAYS[:3], " ", "boa"])
    (shards / "e.parquet").write_bytes((shards / "a.parquet").read_bytes()[:2000])
    (out / "b ção.parquet").write_bytes(b"PAR1")
    status, told, said = scored(shards, out, model)
    assert (status, told["scored"], told["kept"], told["failed"], told["essays"]) == (1, 2, 2, 2, 107)
    assert f"error: {shards}/d.parquet, row 4: the essay is empty" in said
    assert f"error: {shards}/e.parquet is no whole Parquet file" in said
    assert {path.name for path in out.glob("*.parquet")} == {"a.parquet", "b ção.parquet", "c.parquet", "vazia.parquet"}

    for name in "de":
        (shards / f"{name}.parquet").unlink()
    other = tiny_model(tmp_path / "outro", origin, 2)
    status, told, _ = scored(shards, out, other, "--workers", "1")
    assert (status, told["scored"], told["kept"], len(told["peak_workers"])) == (0, 4, 0, 1)
    assert_scores(out, shards, Scorer.load(other, "onnx"))
    assert not list(out.glob(".*.draft"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["{empty}", "{out}"], "holds no .parquet file"),
        (["{shards}", "{shards}"], "name another for what is written"),
        (["{shards}", "{out}", "--model", "{empty}"], "cannot be read"),
        (["{shards}", "{out}", "--workers", "0"], "it must be at least 1"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_before_a_cluster_starts(
    options: list[str], says: str, model: Path, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in ("empty", "shards", "out")}
    for name in ("empty", "shards"):
        folders[name].mkdir()
    shard(folders["shards"] / "a.parquet", ESSAYS[:2])
    arguments = [sys.executable, str(SCRIPT), "--model", str(model), "--backend", "onnx"]
    done = subprocess.run(
        [*arguments, *(option.format(**folders) for option in options)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "muitas"
    folder.mkdir()
    for number in range(12):
        shard(folder / f"{number:02}.parquet", ESSAYS * 10)
    return folder


def begun(shards: Path, out: Path, model: Path) -> Iterator[Any]:
    """Start the example, and yield it once the first shard is done, and the processes that it has started."""
    process = subprocess.Popen(
        command(shards, out, model), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + 120
        while not list(out.glob("*.parquet")):
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
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on_and_leaves_no_process(
    stop: signal.Signals, many: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, out = Path(tempfile.mkdtemp(prefix="r-")), tmp_path / "notas"  # short: Ray's sockets are in it
    monkeypatch.setenv("TMPDIR", str(room))
    for process, started in begun(many, out, model):
        if stop == signal.SIGKILL:
            addresses = listening(started)
            assert addresses
            assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}
        agents = {one.pid for one in started if one.name().endswith("Agent")}
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
        assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[stop]
        assert "Traceback" not in said
        # after SIGKILL, two agents of Ray notice within a minute that they are alone
        awaited = [one for one in started if stop != signal.SIGKILL or one.pid not in agents]
        _, alive = psutil.wait_procs(awaited, timeout=30)
        assert not alive
    done = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert 1 <= len(done) < 12
    if stop != signal.SIGKILL:
        assert not list(room.glob("redacoes-*"))

    status, told, _ = scored(many, out, model)
    assert (status, told["kept"], told["scored"]) == (0, len(done), 12 - len(done))
    assert {name: (out / name).stat().st_mtime_ns for name in done} == done
    assert_scores(out, many, Scorer.load(model, "onnx"))
    assert {path.name for path in out.iterdir()} == {path.name for path in many.iterdir()} | {".lock"}
    assert not list(room.glob("redacoes-*"))
    shutil.rmtree(room)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.slow
def test_two_workers_score_with_tensorflow_as_one_scorer_does(origin: Clone, tmp_path: Path) -> None:
    shards, out = tmp_path / "folhas", tmp_path / "notas"
    shards.mkdir()
    for number in range(2):
        shard(shards / f"{number}.parquet", ESSAYS[number * 100 : number * 100 + 100])
    status, told, said = scored(shards, out, origin.path / "models" / "scorer", "--backend", "tensorflow")
    assert (status, told["scored"]) == (0, 2), said
    assert_scores(out, shards, Scorer.load(origin.path / "models" / "scorer"))
