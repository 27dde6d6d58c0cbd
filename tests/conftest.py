"""Clones of this project in which tests run the real `dvc` command with small parameters."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# the package sets it, and would take what a worker of pytest-xdist inherits for the user's wish
os.environ.pop("HF_HUB_OFFLINE", None)

from redacoes import params

# where a shell runs the tests in its background, they and all that they start would not hear Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("redacoes", deadline=None)  # a slow machine fails no test
settings.load_profile("redacoes")

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SMALL = {  # what makes a run of all stages short
    "sample.rows": "60",
    "checkpoint.vocabulary_size": "400",
    "checkpoint.layers": "1",
    "checkpoint.width": "16",
    "checkpoint.heads": "2",
    "checkpoint.inner_width": "32",
    "tokenize.max_length": "64",
    "train.epochs": "2",
    "evaluate.bootstrap.samples": "20",
    "baseline.c": "[1.0]",
}


class Clone:
    """A git clone of the project, as a user has it."""

    def __init__(self, path: Path, source: Path = ROOT) -> None:
        self.path = path
        self.environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["git", "clone", "-q", str(source), str(path)], check=True, capture_output=True)
        for name, value in {"user.name": "Teste", "user.email": "teste@example.org"}.items():
            self.git("config", name, value)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, env=self.environment, check=False, timeout=600
        )
        if check and done.returncode:
            raise AssertionError(f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout

    def dvc(self, *arguments: str) -> str:
        return self.run("dvc", *arguments).stdout

    def set(self, **values: str) -> None:
        """Set parameters, as `section.key`, as `dvc exp run -S` would write them."""
        from ruamel.yaml import YAML

        yaml = YAML()
        path = self.path / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for key, value in values.items():
            *sections, name = key.split(".")
            section = content
            for part in sections:
                section = section[part]
            section[name] = YAML(typ="safe", pure=True).load(value)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)

    def take(self, other: "Clone") -> None:
        """Take all that `other` has in its cache, and lay the outputs out: as after a pull, without a remote."""
        shutil.copytree(other.path / ".dvc" / "cache", self.path / ".dvc" / "cache")
        self.dvc("checkout")

    def text(self, path: str) -> str:
        return (self.path / path).read_text(encoding="utf-8")


def working_tree(target: Path) -> None:
    """Lay the files of the working tree, committed or not, over the clone in `target`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with small parameters, run and committed: what a colleague has pushed."""
    clone = Clone(tmp_path_factory.mktemp("origem") / "redações do time")
    working_tree(clone.path)
    clone.set(**SMALL)
    clone.environment |= {name: str(tmp_path_factory.mktemp(name)) for name in ("HOME", "TMPDIR")}
    keras = Path(clone.environment["HOME"], ".keras", "keras.json")  # what a home holds must change no result
    keras.parent.mkdir()
    keras.write_text('{"floatx": "float64", "epsilon": 0.01}')
    clone.dvc("repro")
    clone.git("checkout", "-q", "-B", "main")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "Small parameters")
    return clone


@pytest.fixture
def make_clone(tmp_path: Path, origin: Clone) -> Callable[[str], Clone]:
    return lambda name: Clone(tmp_path / name, origin.path)


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """TensorFlow as every test wants it that uses it in this process, where its threads can be set but once."""
    import tensorflow as tf

    from redacoes import model

    model.configure(threads=2, seed=1)
    tf.config.list_logical_devices()  # from here on they stay: a Scorer would set them to what it wants


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium."""
    if not CHROMIUM:
        reason = "chromium is not installed (Debian: chromium), so nothing is known of the page in a browser"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def defaults() -> params.Params:
    return params.load(ROOT / "params.yaml")
