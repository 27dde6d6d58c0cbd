"""The command `redacoes`, run in this process, for tests that are not about the process."""

import io
import os
import subprocess
from contextlib import chdir, redirect_stderr, redirect_stdout

import pytest

from redacoes.cli.main import main
from redacoes.tracking import staleness
from tests.support import dvc_server
from tests.support.project import Folder, checked


def redacoes(folder: Folder, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `redacoes` in a folder, and return its exit status, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder.path), redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
            if isinstance(ended.code, str):  # the interpreter would print it
                err.write(f"{ended.code}\n")
    done = subprocess.CompletedProcess(["redacoes", *arguments], status, out.getvalue(), err.getvalue())
    return checked(done) if check else done


def refused(*arguments: str) -> str:
    """Run `redacoes`, which must fail with one sentence, and return the sentence."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    message = str(ended.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


def serve_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the `dvc status` of `redacoes.tracking.staleness` on the server that has DVC imported."""
    run = staleness._run

    def run_or_ask(folder, *command):
        if command[1:3] == ("-m", "dvc"):
            return dvc_server.run(command[3:], folder.absolute(), os.environ)
        return run(folder, *command)

    monkeypatch.setattr(staleness, "_run", run_or_ask)
