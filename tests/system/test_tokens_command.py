"""`redacoes tokens` as a process: without TensorFlow, and with a reader that reads no further."""

import sys
from pathlib import Path

from tests.support.project import Clone

WITHOUT_TENSORFLOW = """
import sys
from redacoes.cli.main import main
status = main(sys.argv[1:])
assert not {"tensorflow", "tf_keras"} & set(sys.modules)
print("without TensorFlow", file=sys.stderr)
sys.exit(status)
"""


def test_tokens_need_no_tensorflow_and_may_meet_a_reader_that_stops(pulled: Clone, tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text("Uma escola bela.\n" + "o dia passa " * 40, encoding="utf-8")
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, "tokens", str(tmp_path / "essay.txt"), "--json"]
    done = pulled.run("bash", "-o", "pipefail", "-c", '"$@" | head -1', "bash", *command)
    assert (done.stdout, done.stderr) == ("{\n", "without TensorFlow\n")
