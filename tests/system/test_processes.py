"""What shows in a process of its own: what it imports, and bytes that depend on no process."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

WITHOUT_TENSORFLOW = ("sample", "prepare", "checkpoint", "tokenize", "baseline", "crossval", "zero_shot")
TRAIN = """
from pathlib import Path
from redacoes import checkpoint, synthetic
from tests.support import PARAMS
import sys
texts = [row["essay"] for row in synthetic.essays(200, 1)]
settings = PARAMS.checkpoint.model_copy(update={"vocabulary_size": 2000})
checkpoint.from_scratch([texts], settings, Path(sys.argv[1]))
"""


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
