"""What TensorFlow writes on standard error while it loads, without the lines that mean nothing.

On a machine without a GPU it says so in five lines, one of them as an error. They are written before its log is set
up, so that no setting of its own keeps them back. Whatever else is written passes at once, through a process of its
own: were this one to crash while it loads TensorFlow, what it said last would be told all the same.

    python -I -S redacoes/learning/quiet.py    # is that process: from standard input to standard output
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR\s*"
    rb"|I0000 .*\s*"
    # there is no driver, or no GPU; what is wrong with a driver that is there has other numbers
    rb"|E0000 .* failed call to cuInit: .*(UNKNOWN ERROR \(303\)|CUDA_ERROR_NO_DEVICE).*\s*"
)
SECONDS = 5  # at most, until what was written in the block has passed


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the lines that are `NOISE` from standard error while the block runs, whatever code writes them.

    Nothing is kept back where standard error is closed, where TensorFlow is asked to say all
    (`TF_CPP_MIN_LOG_LEVEL=0`), and where no process can be started.
    """
    passing = None
    if sys.stderr and os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        with suppress(OSError):
            passing = _start()
    if passing is None:
        yield
        return
    kept = os.dup(2)
    assert passing.stdin
    with passing.stdin as pipe:
        os.dup2(pipe.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        with suppress(subprocess.TimeoutExpired):  # as long as a process that began in the block has it open
            passing.wait(SECONDS)


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", __file__]
    # in a session of its own, where Ctrl-C does not reach it
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, start_new_session=True)


def pass_on() -> None:
    """Copy standard input to standard output line by line, without the lines that are `NOISE`."""
    for line in sys.stdin.buffer:
        if not NOISE.fullmatch(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    pass_on()
