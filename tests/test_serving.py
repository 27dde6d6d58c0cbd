"""Serving: the export behind LitServe, and what the Dockerfile does, step by step, without a container."""

import fnmatch
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from redacoes import cli, synthetic
from redacoes.scorer import Scorer
from tests.conftest import ROOT, Clone, working_tree
from tests.test_export import UV_RUN

ESSAYS = [row["essay"] for row in synthetic.essays(40, 7)]
ODD = [
    "  ['Um parágrafo.', 'Outro.']  ",
    "á\u00a0\u200b[SEP] \U0001f600",
    "=cmd",
    "<script>alert(1)</script>",
    "palavra " * 900,
]
SERVER = "examples/serve_essays.py"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def healthy(port: int, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            if ask(port, "GET", "/health")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("the server was not ready within two minutes")


def stop(process: subprocess.Popen[str]) -> None:
    """End a server as a service manager does, and see that none of its processes is left."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=30)
    for one in left:
        one.kill()
    assert not left


@pytest.fixture(scope="module")
def exported(origin: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "onnx"
    origin.run("redacoes", "export", "--format", "onnx", "--out", str(folder))
    return folder


@pytest.fixture(scope="module")
def port(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    number, work = free_port(), tmp_path_factory.mktemp("server")
    command = [*UV_RUN, str(ROOT / SERVER), str(exported), "--port", str(number)]
    with (work / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=work, stdout=log, stderr=subprocess.STDOUT, text=True)
    try:
        healthy(number, process)
        yield number
    finally:
        stop(process)
    assert [path.name for path in work.iterdir()] == ["log"]
    assert ESSAYS[0][:40] not in (work / "log").read_text(encoding="utf-8")


def post(port: int, essays: Any) -> tuple[int, Any]:
    status, body = ask(port, "POST", "/predict", json.dumps({"essays": essays}).encode())
    return status, json.loads(body)


def test_litserve_says_of_an_export_what_the_scorer_says(port: int, exported: Path, origin: Clone) -> None:
    status, answer = post(port, ESSAYS + ODD)
    assert status == 200
    found = pd.DataFrame(answer["scores"])
    pd.testing.assert_frame_equal(found, Scorer.load(exported, "onnx").score(ESSAYS + ODD), rtol=0, atol=2e-6)
    assert found["truncated"].any()
    assert found["predicted"].nunique() > 1  # else this test would tell nothing
    of_tensorflow = Scorer.load(origin.path / "models/scorer").score(ESSAYS + ODD)
    assert (found["expected"] - of_tensorflow["expected"]).abs().max() < 1e-4
    assert list(found["predicted"]) == list(of_tensorflow["predicted"])


def test_a_refused_request_harms_no_other(port: int, exported: Path) -> None:
    sent = [[" "] if place % 5 == 0 else [text] for place, text in enumerate(ESSAYS)]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda essays: post(port, essays), sent))
    expected = Scorer.load(exported, "onnx").score(ESSAYS).to_dict("records")
    for place, (status, answer) in enumerate(answers):
        if place % 5 == 0:
            assert (status, answer) == (422, {"detail": "text 0 holds nothing that can be read"})
        else:
            assert status == 200
            assert answer["scores"][0] == pytest.approx(expected[place], rel=0, abs=2e-6)


@pytest.mark.parametrize(
    ("essays", "reason"),
    [
        (None, "send JSON such as"),
        ([], "with 1 to 64 essays"),
        (["Uma redação."] * 65, "with 1 to 64 essays"),
        ([3], "text 0 is of type int"),
        (["Uma redação.", "a" * 100_001], "text 1 has 100001 characters"),
    ],
)
def test_a_request_that_cannot_be_scored_is_told_why(port: int, essays: Any, reason: str) -> None:
    status, answer = post(port, essays)
    assert status == 422
    assert reason in answer["detail"]


def test_a_request_that_is_too_large_is_refused(port: int) -> None:
    assert ask(port, "POST", "/predict", b" " * 2_000_001)[0] == 413


def test_what_is_no_export_is_told_in_one_sentence(tmp_path: Path, port: int) -> None:
    command = [*UV_RUN, str(ROOT / SERVER), str(ROOT / "docs")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, each with what follows it, in one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_the_image_runs_as_nobody_special_and_is_pinned_and_asked_for_its_health() -> None:
    assert len({rest.split()[0] for rest in of("FROM")}) == 1
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm( AS \w+)?", rest) for rest in of("FROM"))
    assert of("USER") == ["10001"]
    assert "/health" in of("HEALTHCHECK")[0]
    assert json.loads(of("CMD")[-1])[:2] == ["redacoes", "app"]
    assert not [name for name, _ in instructions() if name in ("ADD", "SHELL", "ONBUILD", "VOLUME")]


def test_the_build_gets_what_it_copies_and_no_essay() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for rest in of("COPY"):
        *sources, _ = rest.replace("${MODEL}", "models/scorer").split()
        if not sources[0].startswith("--from"):
            assert set(sources) <= set(allowed)
    for kept_out in ("data/sample.csv", ".git", ".env", ".dvc/config.local", "metrics/predictions.csv"):
        assert not [name for name in allowed if fnmatch.fnmatch(kept_out, name) or kept_out.startswith(f"{name}/")]


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_end_in_a_page_that_runs(origin: Clone, tmp_path: Path) -> None:
    """No engine is here: each RUN, COPY and ENV is done in folders that stand for those of the image."""
    context, app = tmp_path / "context", tmp_path / "app"
    working_tree(context)
    for path in ("models/scorer", "models/decision.json", "dvc.lock"):
        source = origin.path / path
        (context / path).parent.mkdir(exist_ok=True)
        shutil.copytree(source, context / path) if source.is_dir() else shutil.copy(source, context / path)
    inside = {
        "/app": str(app),
        "/opt/uv": str(tmp_path / "uv"),
        "/usr/local/bin/python": sys.executable,
        "${MODEL}": "models/scorer",
    }

    def moved(text: str) -> str:
        for of_image, here in inside.items():
            text = re.sub(rf"(?<![\w/]){re.escape(of_image)}(?![\w])", here, text)
        return text

    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = []
    for name, rest in instructions():
        if name == "WORKDIR":
            app.mkdir(exist_ok=True)
        elif name == "ENV":
            pairs = dict(pair.split("=", 1) for pair in shlex.split(rest))
            environment |= {key: moved(value).replace("$PATH", environment["PATH"]) for key, value in pairs.items()}
        elif name == "COPY" and not rest.startswith("--from"):
            *sources, target = moved(rest).split()
            for source in map(context.joinpath, sources):
                place = app / (source.name if target == "./" else target)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
        elif name == "RUN" and not rest.startswith("useradd"):  # which would make a user on this machine
            command = moved(re.sub(r"--mount=\S+ ", "", rest))
            # not copied from uv's cache but linked, since this is no layer of an image
            some = {
                **environment,
                "UV_LINK_MODE": "hardlink",
                "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
            }
            ran = subprocess.run(["sh", "-ec", command], cwd=app, env=some, capture_output=True, text=True, check=False, timeout=600)  # fmt: skip
            assert ran.returncode == 0, ran.stderr
            done.append(command)
    assert len(done) == 2
    shutil.rmtree(app / "redacoes")  # the second stage takes .venv alone
    shutil.rmtree(tmp_path / "uv")

    def run(*command: str) -> str:
        return subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=True, timeout=120).stdout  # fmt: skip

    assert "score" in run("redacoes", "--help")
    assert shutil.which("redacoes", path=environment["PATH"]) == str(app / ".venv/bin/redacoes")
    assert run("python", "-c", "import gradio, py3langid, redacoes; print(redacoes.__file__)").startswith(str(app))
    missing = run(
        "python", "-c", "import importlib.util as u; print([n for n in ('pytest', 'ray', 'onnx') if u.find_spec(n)])"
    )
    assert missing.strip() == "[]"

    if "app" not in cli.COMMANDS:  # the page is not there yet
        return
    number = free_port()
    inside |= {"7860": str(number), "0.0.0.0": "127.0.0.1"}
    command = [inside.get(word, word) for word in json.loads(of("CMD")[-1])]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=app, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
    try:
        healthy(number, process)
        check = json.loads(of("HEALTHCHECK")[0].split("CMD ", 1)[1])
        run(*(word.replace("7860", str(number)) for word in check))
    finally:
        stop(process)
