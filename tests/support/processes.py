"""Processes that a test starts, watches and ends."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.support.project import Clone

# addresses of this machine at which others reach it
ELSEWHERE = [
    address.address
    for addresses in psutil.net_if_addrs().values()
    for address in addresses
    if address.family == socket.AF_INET and not address.address.startswith("127.")
]
SECONDS = 240  # timeout of every wait


@contextmanager
def running(clone: Clone, *command: str) -> Iterator[subprocess.Popen]:
    """Run a command in its own process group, as a terminal does; end what is left of the group afterwards."""
    log = (clone.path / ".git" / "log").open("wb")
    with (
        log,
        subprocess.Popen(
            command, cwd=clone.path, env=clone.environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            for left in group(process.pid):
                left.kill()
            process.kill()


def printed(clone: Clone) -> str:
    """The output of a command started by `running`."""
    return (clone.path / ".git" / "log").read_text(encoding="utf-8", errors="replace")


def group(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def stage_of(leader: int, name: str = "") -> psutil.Process | None:
    """The process of a stage in the group, or None."""
    for process in group(leader):
        try:
            if process.cmdline()[1:2] == ["-m"] and f"stages.{name}" in process.cmdline()[2]:
                return process
        except (psutil.NoSuchProcess, IndexError):
            continue
    return None


def no_orphan(leader: int) -> None:
    wait(lambda: not stage_of(leader))


def wait(until: Callable[[], object]) -> None:
    """Wait for an event, however slow the machine is."""
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
