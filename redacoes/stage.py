"""Run a stage script: validate the parameters, report a user's mistake in one sentence, and end if DVC is killed."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import psutil

from redacoes import params
from redacoes.errors import UserError, exit_on_user_error

SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "busybox"}
PR_SET_PDEATHSIG = 1  # prctl(2)


def run(main: Callable[[params.Params], None], refused: str = "") -> None:
    """Validate `params.yaml`, call `main` with it, and exit non-zero with one sentence on stderr if that fails.

    Args:
        main: The work of the stage.
        refused: Added to the message if `params.yaml` is not legal.
    """
    if "DVC_STAGE" in os.environ:  # set by DVC; a stage that is run by hand may outlive its shell
        die_with_parent()
    with exit_on_user_error():
        try:
            loaded = params.load("params.yaml")
        except UserError as error:
            raise UserError("; ".join(filter(None, [str(error), refused]))) from error
        main(loaded)


def die_with_parent() -> None:
    """Make this process die with its parent.

    If DVC is killed, its stage would go on, and could later overwrite the outputs of another run. On Linux the kernel
    kills the stage. A thread watches the parents for other systems, and for a shell between DVC and the stage that
    outlives DVC.
    """
    ancestors = []
    for ancestor in psutil.Process().parents():
        ancestors.append(ancestor)
        if ancestor.name() not in SHELLS:
            break
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def look() -> None:
        while all(map(_alive, ancestors)):
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=look, daemon=True).start()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
