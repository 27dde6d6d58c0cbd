"""What every stage script does before it does anything: it checks the parameters."""

import errno
from importlib import import_module
from pathlib import Path

import pytest

from redacoes import stage
from redacoes.errors import exit_on_user_error
from tests.support import PARAMS_FILE


@pytest.mark.parametrize("name", ["sample", "prepare", "checkpoint", "tokenize", "baseline", "crossval", "zero_shot"])
def test_a_bad_parameter_stops_a_stage_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PARAMS_FILE.read_text(encoding="utf-8")
    Path("params.yaml").write_text(text.replace("  epochs: 2", "  epochs: -1"), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        stage.run(import_module(f"stages.{name}").main)
    said = "error: params.yaml: train.epochs is -1: input should be greater than or equal to 0"
    assert ended.value.code == said  # which Python prints on stderr, and exits with 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_file_that_may_not_be_read_is_named_with_the_reason() -> None:
    with pytest.raises(SystemExit, match=r"redacoes\.csv cannot be read or written: Permission denied"), exit_on_user_error():  # fmt: skip
        raise PermissionError(errno.EACCES, "Permission denied", "redacoes.csv")
