"""The command `dvc` without its import time: a server that has imported DVC forks for each command.

    python -m tests.support.dvc_server    # reads one command per line, as JSON, and answers with its exit status

Each command has its own process, folder, environment and output, as in a shell. Variables that the interpreter reads
at its start (PYTHONHASHSEED, LC_ALL) are the server's. A test about these, or about a process, starts `dvc` itself.
"""

import atexit
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

SHIM = Path(__file__).with_name("bin")
_servers: dict[int, subprocess.Popen[str]] = {}  # by process id: a fork must not share its pipe


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `dvc` with these arguments, and return its exit status, output and errors."""
    server = _servers.get(os.getpid())
    if not server or server.poll() is not None:
        server = _servers[os.getpid()] = _start()
    assert server.stdin
    assert server.stdout
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        asked = {"arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        try:
            print(json.dumps({**asked, "out": str(out), "err": str(err)}), file=server.stdin, flush=True)
            status = int(server.stdout.readline())
        except BaseException:  # if the test ends by timeout or Ctrl-C, so does its command
            os.killpg(server.pid, 9)
            raise
        read = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    return subprocess.CompletedProcess(["dvc", *arguments], status, *read)


def _start() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdin
    atexit.register(server.stdin.close)  # this ends the server
    return server


def _serve() -> None:
    from dvc.cli.parser import get_main_parser

    get_main_parser()
    gc.freeze()
    stages = _stage_server()
    for line in sys.stdin:
        asked = json.loads(line)
        asked["environment"] |= {**stages, "PATH": f"{SHIM}{os.pathsep}{asked['environment']['PATH']}"}
        if not (child := os.fork()):
            os._exit(_command(**asked))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        needed = Path(asked["out"]).with_name("modules")
        modules = needed.read_text(encoding="utf-8").split() if needed.exists() else []
        print(status, flush=True)
        for name in modules:  # saves the next command these imports, most of its time
            with suppress(Exception):  # some modules can only be imported by their package
                import_module(name)
        gc.freeze()  # else each command copies the memory of these modules as it searches them for garbage


def _stage_server() -> dict[str, str]:
    """Start the server of stages in this process's group, and return the variables that tell where it is."""
    place = Path(tempfile.mkdtemp(), "stages")
    atexit.register(shutil.rmtree, place.parent)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen()
    number = listener.fileno()
    server = subprocess.Popen([sys.executable, "-m", "tests.support.stage_server", str(number)], pass_fds=[number])
    atexit.register(server.kill)
    return {"STAGE_SERVER": str(place), "STAGE_PYTHON": sys.executable}


def _command(arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> Any:
    from dvc.cli import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in {1: out, 2: err}.items():
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    known = set(sys.modules)
    status = main(arguments)
    imported = [name for name in sys.modules if name not in known]
    Path(out).with_name("modules").write_text("\n".join(imported), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    _serve()
