"""What shows in a process of its own: what it imports and says, and bytes that depend on no process."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from redacoes.essays import synthetic
from tests.support import BIN, ROOT
from tests.support.project import Clone

WITHOUT_TENSORFLOW = ("sample", "prepare", "checkpoint", "tokenize", "baseline", "crossval", "zero_shot")
TRAIN = """
from pathlib import Path
from redacoes.essays import synthetic
from redacoes.learning import wordpiece
from tests.support import PARAMS
import sys
texts = [row["essay"] for row in synthetic.essays(200, 1)]
settings = PARAMS.checkpoint.model_copy(update={"vocabulary_size": 2000})
wordpiece.from_scratch([texts], settings, Path(sys.argv[1]))
"""
NOTICES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795723959.832529   13859 cudart_stub.cc:31] Could not find cuda drivers on your machine.
E0000 00:00:1795723985.379843   13859 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error: Failed call to \
cuInit: UNKNOWN ERROR (303)
"""
BROKEN = NOTICES.splitlines()[-1].replace("UNKNOWN ERROR (303)", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)") + "\n"
LOADS = """
import os, sys
from redacoes.learning.quiet import quiet
with quiet():
    for written in sys.argv[2:]:
        os.write(2, written.encode())
    exec(sys.argv[1])
print("after", file=sys.stderr or sys.stdout)
"""


def loads(ends: str, *written: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that writes this while it loads what is to be quiet, and then does what `ends` says."""
    command = [sys.executable, "-c", LOADS, ends, *written]
    environment = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_notices_are_kept_back_and_nothing_else() -> None:
    said = [NOTICES, "W0000 00:00:1 2 x.cc:3] Allocation of 9 exceeds 10% of free system memory.\n", BROKEN, "unended"]
    assert loads("", *said).stderr == "".join([*said[1:], "after\n"])
    assert loads("", NOTICES, TF_CPP_MIN_LOG_LEVEL="0").stderr == f"{NOTICES}after\n"
    assert loads("", NOTICES, "é\n", " 50%").stderr == "é\n 50%after\n"


@pytest.mark.parametrize(
    ("ends", "status", "told"),
    [
        ("os.abort()", -6, ""),
        ("os.kill(os.getpid(), 11)", -11, ""),
        ("raise SystemExit('stopped')", 1, "stopped\n"),
    ],
)
def test_what_was_said_before_a_crash_is_not_lost(ends: str, status: int, told: str) -> None:
    done = loads(ends, NOTICES, "F0000 this processor has no AVX\n")
    assert (done.returncode, done.stderr) == (status, f"F0000 this processor has no AVX\n{told}")


def test_a_process_that_goes_on_is_not_waited_for() -> None:
    ends = "import redacoes.learning.quiet, subprocess; redacoes.learning.quiet.SECONDS = 0.1; subprocess.Popen(['sleep', '5'], stdout=2)"
    with subprocess.Popen([sys.executable, "-c", LOADS, ends], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.wait() == 0
        assert process.stderr
        start = time.monotonic()
        assert process.stderr.read() == "after\n"  # once the other ends, which has it open
        assert time.monotonic() - start > 1


def test_standard_error_may_be_closed() -> None:
    command = ["bash", "-c", 'exec "$@" 2>&-', "bash", sys.executable, "-c", LOADS, "print('in the block')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "in the block\nafter\n"


def test_a_command_that_uses_tensorflow_says_nothing_of_it(pulled: Clone, tmp_path: Path) -> None:
    [essay] = synthetic.essays(1, 5)
    (tmp_path / "redação.txt").write_text(essay["essay"], encoding="utf-8")
    done = pulled.run(str(BIN / "redacoes"), "explain", str(tmp_path / "redação.txt"))
    assert "expected score" in done.stdout
    assert done.stderr == ""


def test_no_needless_tensorflow() -> None:
    imports = ", ".join(f"stages.{stage}" for stage in WITHOUT_TENSORFLOW)
    code = f"import sys, {imports}; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_tokenizer_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("um", "dois", "tres")]
    processes = [subprocess.Popen([sys.executable, "-c", TRAIN, str(folder)], cwd=ROOT) for folder in folders]
    assert [process.wait() for process in processes] == [0, 0, 0]
    hashes = set()
    for folder in folders:
        files = sorted(folder.iterdir())
        hashes.add(hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest())
    assert len(hashes) == 1
