"""Essays of one's own, from the file that Excel wrote to what DVC makes of it, by one command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.utils.serialize import modify_yaml

from redacoes import params
from redacoes.cli.main import main
from redacoes.essays import synthetic
from redacoes.essays.spreadsheets import write_xlsx
from tests.support.project import Clone

ESSAYS = [row["essay"] for row in synthetic.essays(80, 3)]


def test_a_file_of_ones_own_is_adopted_and_learnt_from(
    make_clone: Callable[[str], Clone],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clone = make_clone("adoção")
    monkeypatch.chdir(clone.path)
    windows = tmp_path / "Redações da 3ª série.csv"
    rows = "".join(
        f'Aluno {n};"{essay} – fim…";{n % 20 / 2}\r\n'.replace(".5\r", ",5\r") for n, essay in enumerate(ESSAYS)
    )
    windows.write_bytes(f"Nome;Redação;Nota\r\n{rows}".encode("cp1252"))
    before = clone.text("params.yaml")

    assert main(["adopt", str(windows), "--dry-run"]) == 0
    assert clone.git("status", "--short") == ""
    assert clone.text("params.yaml") == before
    shown = capsys.readouterr().out.splitlines()

    assert main(["adopt", str(windows)]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == shown
    assert "git add data/Redacoes-da-3a-serie.csv.dvc params.yaml" in told.err
    assert clone.git("status", "--short").split("\n")[:2] == [" M params.yaml", "?? data/Redacoes-da-3a-serie.csv.dvc"]
    found = params.load("params.yaml").data
    assert (found.delimiter, found.encoding, found.rounding) == (";", "cp1252", "half_up")
    after = clone.text("params.yaml")
    assert [line for line in after.splitlines() if "#" in line] == [line for line in before.splitlines() if "#" in line]
    with modify_yaml("params.yaml"):  # as -S does
        pass
    assert clone.text("params.yaml") == after

    clone.dvc("repro", "prepare")
    summary = json.loads(clone.text("metrics/data.json"))
    assert (summary["file"], summary["rows"]["kept"]) == ("data/Redacoes-da-3a-serie.csv", 80)

    # the next term, as a workbook of the same name: DVC keeps the old one
    workbook = windows.with_suffix(".xlsx")
    write_xlsx(workbook, ["Redação", "Nota"], [[essay, 100.0 * (n % 10)] for n, essay in enumerate(ESSAYS[:70])])
    assert main(["adopt", str(workbook)]) == 0
    clone.dvc("repro", "prepare")
    assert json.loads(clone.text("metrics/data.json"))["rows"]["kept"] == 70
    assert params.load("params.yaml").data.score_scale == 1000

    (clone.path / "data/turma.csv").write_text("a file that DVC knows nothing of", encoding="utf-8")
    other = windows.rename(tmp_path / "turma.csv")
    with pytest.raises(SystemExit, match=r"data/turma\.csv exists already, and DVC does not track it"):
        main(["adopt", str(other)])
    assert clone.text("data/turma.csv") == "a file that DVC knows nothing of"
