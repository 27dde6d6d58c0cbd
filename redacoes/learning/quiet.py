"""Filter meaningless lines from standard error while TensorFlow loads.

Without a GPU, TensorFlow logs five lines about that, one of them as an error, before its log settings take effect. All
other output passes at once through a child process, so it is not lost if this process crashes during the import.

    python -I -S redacoes/learning/quiet.py    # the child process: filters standard input to standard output
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
    # no driver or no GPU; faults of an existing driver have other numbers
    rb"|E0000 .* failed call to cuInit: .*(UNKNOWN ERROR \(303\)|CUDA_ERROR_NO_DEVICE).*\s*"
)
SECONDS = 5  # at most, for the output of the block to pass


@contextmanager
def quiet() -> Iterator[None]:
    """Filter `NOISE` from standard error while the block runs, including output of native code.

    Nothing is filtered if standard error is closed, if TensorFlow is asked for its full log (`TF_CPP_MIN_LOG_LEVEL=0`),
    or if no process can be started.
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
        with suppress(subprocess.TimeoutExpired):  # a process that was started in the block holds the pipe open
            passing.wait(SECONDS)


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", __file__]
    # in a new session, so that Ctrl-C does not end it
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, start_new_session=True)


def pass_on() -> None:
    """Copy standard input to standard output line by line, without the lines that are `NOISE`."""
    for line in sys.stdin.buffer:
        if not NOISE.fullmatch(line):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    pass_on()
