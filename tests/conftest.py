"""Settings of the tests, and the fixtures that more than one tier uses. What a test calls is in `tests.support`."""

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# the package sets it, and would take what a worker of pytest-xdist inherits for the user's wish
os.environ.pop("HF_HUB_OFFLINE", None)

from tests.support import project, recorded
from tests.support.project import Clone, Folder

# where a shell runs the tests in its background, they and all that they start would not hear Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("redacoes", deadline=None)  # a slow machine fails no test
settings.load_profile("redacoes")

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


INDEPENDENT = {"test_pipeline.py", "test_machines.py", "test_crashes.py"}  # each test sets up what it needs


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Have one worker run what shares a set-up: the tests of a file, and all of `tests/model`, which use TensorFlow.

    By marks of a group it could be said too, but pytest-xdist 3.8 does not find them under pytest 9.2.
    """

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = PurePath(nodeid.partition("::")[0])
            if path.name in INDEPENDENT:
                return nodeid
            return "model" if path.parent.name == "model" else str(path)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def computed() -> tuple[Folder, Clone]:
    return project.computed()


@pytest.fixture(scope="session")
def origin(computed: tuple[Folder, Clone]) -> Folder:
    """What a colleague has run on small parameters and committed: to be read and cloned, and nothing else."""
    return computed[0]


@pytest.fixture
def make_clone(tmp_path: Path, origin: Folder) -> Callable[[str], Clone]:
    """What clones `origin`: nothing is computed or pulled yet."""
    return lambda name: Clone(tmp_path / name, origin.path)


@pytest.fixture
def make_pulled(tmp_path: Path, computed: tuple[Folder, Clone]) -> Callable[[str], Clone]:
    """What makes a clone of `origin` with all outputs laid out and in its cache, as after a pull, and no remote."""
    return lambda name: computed[1].copy(tmp_path / name)


@pytest.fixture(scope="session")
def pulled(computed: tuple[Folder, Clone], tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Such a clone for tests that change nothing in it."""
    return computed[1].copy(tmp_path_factory.mktemp("pulled") / "clone")


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """TensorFlow as every test wants it that uses it in this process, where its threads can be set but once."""
    import tensorflow as tf

    from redacoes.learning import model

    model.configure(threads=2, seed=1)
    tf.config.list_logical_devices()  # from here on they stay: a Scorer would set them to what it wants
    gc.freeze()  # what was imported is not searched for garbage each time that a graph is traced


@pytest.fixture(scope="session")
def model(tensorflow: None) -> Any:
    """The module `redacoes.learning.model`, which imports TensorFlow."""
    from redacoes.learning import model

    return model


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


@pytest.fixture
def own_run() -> None:
    """The test is about the recorded run, and is skipped where that is a user's own."""
    recorded.require()
