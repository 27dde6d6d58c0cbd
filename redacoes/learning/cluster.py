"""The Ray cluster that several workers train on: this machine, on loopback alone, or the one that the user names.

No TensorFlow, and Ray only when it is asked for, since it is an extra that most users do without.
"""

import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from redacoes.errors import UserError, first_line
from redacoes.files import abandoned

ADDRESS = "RAY_ADDRESS"
PRIVATE = {  # of Ray's processes, before Ray is imported
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its C++ parts would write to this terminal
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else it listens on every interface, and runs code sent to it
}
SETTINGS = PRIVATE | {
    "TF_USE_LEGACY_KERAS": "1",  # Ray imports TensorFlow before this package, which sets it
    "KERAS_HOME": os.devnull,
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # a busy machine needs a minute to import TensorFlow
}
TOKEN = Path.home() / ".ray" / "auth_token"  # where `ray start` keeps it
OBJECTS = 100 * 2**20  # bytes of shared memory for Ray, which only carries names
ROOM = "redacoes-ray-"
LEFT_ALONE = ("UnavailableError", "AbortedError", "CancelledError")  # of TensorFlow, where another worker has died
SERVERS = ("gcs_server", "raylet")  # without which there is no cluster
LOOK, TIMEOUT, MISSES = 1, 5, 3  # seconds between two looks, seconds of one, and how many in vain are the end
GONE = (
    "the Ray cluster is gone; what was trained up to the last whole epoch is kept: start the cluster, and run "
    "`dvc repro` again"
)


def is_local() -> bool:
    """Return whether the cluster is to be started on this machine, since the user names none."""
    return not os.environ.get(ADDRESS)


@contextmanager
def connected(workers: int, threads: int) -> Iterator[None]:
    """Connect to the cluster while the block runs; start one on this machine if the user names none.

    Raises:
        UserError: Ray is not installed, the cluster cannot be reached, or it has too few processors.
    """
    os.environ.update(SETTINGS)  # before Ray is imported
    if "RAY_AUTH_TOKEN" in os.environ or TOKEN.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray asks for it, and gives none to an address by itself
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "train.workers is more than 1, which needs Ray: run `.venv/bin/uv sync --frozen --inexact --extra scale`, "
            "or set it to 1"
        ) from error
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    with local(workers * threads) if is_local() else _named(), _watched():
        found = ray.cluster_resources().get("CPU", 0)
        if found < workers * threads:
            raise UserError(
                f"train.workers * train.threads is {workers * threads}, and the Ray cluster has {found:g} processors: "
                "lower one of them"
            )
        yield


@contextmanager
def _watched() -> Iterator[None]:
    """End this process with one sentence if the cluster goes while the block runs; Ray would wait, and then crash."""
    import ray

    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    children = psutil.Process().children(recursive=True)
    servers = [child for child in children if child.name() in SERVERS]  # none of a cluster that the user names

    def answers() -> bool:
        if not all(map(_is_running, servers)):
            return False
        try:
            socket.create_connection((host, int(port)), timeout=TIMEOUT).close()
        except OSError:
            return False
        return True

    def watch(over: threading.Event) -> None:
        missed = 0
        while missed < MISSES and not over.wait(LOOK):
            missed = 0 if answers() else missed + 1
        if not over.is_set():
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            print(f"error: {GONE}", file=sys.stderr, flush=True)
            os._exit(1)  # whatever cleans up would ask the cluster; the next run removes this one's drafts

    with beside(watch):
        yield


@contextmanager
def beside(watch: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `watch` in a thread while the block runs. It must return when its event is set, at the block's end."""
    over = threading.Event()
    thread = threading.Thread(target=watch, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _is_running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@contextmanager
def _named() -> Iterator[None]:
    import ray

    address = os.environ[ADDRESS]
    try:
        host, port = address.rsplit(":", 1)
        socket.create_connection((host, int(port)), timeout=TIMEOUT).close()  # Ray would try for minutes
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env={"env_vars": SETTINGS})
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the Ray cluster that {ADDRESS} names, {address}, cannot be reached as host:port ({first_line(error)}); "
            "start it, or unset the variable to train on this machine"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def local(processors: int) -> Iterator[None]:
    """Run Ray on this machine, on loopback and in its own folder, while the block runs. Its settings are `PRIVATE`.

    Raises:
        UserError: Ray does not start.
    """
    import ray

    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{ROOM}[0-9]*-*"):
        if abandoned(left, int(left.name.removeprefix(ROOM).split("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    room = tempfile.mkdtemp(prefix=f"{ROOM}{os.getpid()}-", dir=parent)  # short: Ray's sockets are in it
    try:
        try:
            ray.init(
                address="local",
                num_cpus=processors,
                num_gpus=0,
                object_store_memory=OBJECTS,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=room,
            )
        except Exception as error:
            # where the machine is too busy or full, Ray raises Exception itself or one of these; others are defects
            if type(error) is not Exception and not isinstance(error, (OSError, RuntimeError)):
                raise
            raise UserError(f"Ray could not start on this machine ({first_line(error)}); run it again") from error
        yield
    finally:
        started = psutil.Process().children(recursive=True)
        ray.shutdown()
        psutil.wait_procs(started, timeout=10)
        shutil.rmtree(room, ignore_errors=True)


def require_alike(token: Path, versions: Mapping[str, str]) -> None:
    """Check that every machine of the cluster has this project's folder and packages.

    Args:
        token: A file of this run, which must be at the same path on every machine.
        versions: The versions of the packages that determine the result, and of Python.

    Raises:
        UserError: A machine has not.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0)(fault)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    asked = {
        node["NodeManagerAddress"]: look.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(str(token), token.read_text(), dict(versions))
        for node in nodes
    }
    for address, answer in asked.items():
        if said := ray.get(answer):
            raise UserError(f"the machine {address} of the Ray cluster {said}; see docs/scale.md")


def fault(token: str, content: str, versions: dict[str, str]) -> str:
    """Return what keeps this machine from training along, or an empty string; see `require_alike`."""
    from importlib.metadata import PackageNotFoundError, version

    path = Path(token)
    if not path.is_file() or path.read_text() != content:
        return f"does not see {path.parent}: the project must be in a folder that all machines share, at one path"
    for name, wanted in versions.items():
        try:
            found = sys.version if name == "python" else version(name)
        except PackageNotFoundError:
            found = "none"
        if found != wanted:
            return f"has {name} {found}, and this one has {wanted}: install what uv.lock says on both"
    return ""


def ended(error: Any) -> UserError | None:
    """Return what to tell of a training that Ray has ended, or None for a defect of this project."""
    import ray

    time.sleep((MISSES + 1) * (LOOK + TIMEOUT))  # if the cluster is gone, this process ends here
    failures = getattr(error, "worker_failures", {}).values()
    deaths = [getattr(failure, "health_check_failure", failure) for failure in [error, *failures]]
    if any(isinstance(death, ray.exceptions.RayActorError) for death in deaths) or any(
        name in str(failure) for failure in failures for name in LEFT_ALONE
    ):
        return UserError(
            "workers of the training were ended again and again, which a lack of memory does; what was trained up to "
            "the last whole epoch is kept, and `dvc repro` goes on"
        )
    return None
