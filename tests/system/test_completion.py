"""What `redacoes completion` prints, in a real bash."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.command import redacoes
from tests.support.project import Folder

ASK = """
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
complete -p redacoes >&2
_shtab_redacoes
printf '%s\\n' "${COMPREPLY[@]}" | sort
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    return redacoes(Folder(tmp_path_factory.mktemp("vazio")), "completion", "bash").stdout


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "redações").mkdir()
    (tmp_path / "redacoes.csv").touch()
    for command in ("init -q -b main", "-c user.name=T -c user.email=t@example.org commit -q --allow-empty -m Start"):
        subprocess.run(["git", *shlex.split(command)], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("sco", ["score"]),
        ("ex", ["experiments", "explain", "export"]),
        ("export --fo", ["--format"]),
        ("export --format ", ["onnx", "savedmodel"]),
        ("score reda", ["redacoes.csv", "redações"]),
        ("score redacoes.csv --model reda", ["redações"]),
        ("compare ma", ["main"]),
        ("completion ", ["bash", "zsh"]),
    ],
)
def test_words_are_completed(script: str, here: Path, line: str, offered: list[str]) -> None:
    words = ["redacoes", *line.split(" ")]
    command = ["bash", "--norc", "-c", f"eval {shlex.quote(script)}\n{ASK}", "bash", *words]
    done = subprocess.run(command, cwd=here, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == offered
    assert "-F _shtab_redacoes redacoes" in done.stderr
