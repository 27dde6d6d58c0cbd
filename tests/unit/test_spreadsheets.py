"""Tables as spreadsheets open them: texts stay texts, numbers are those of the country, and nothing is left behind."""

import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redacoes.errors import UserError
from redacoes.essays import spreadsheets
from redacoes.essays.spreadsheets import CELL, write_csv, write_csv_br, write_xlsx
from tests.support.workbooks import cells

HEADER = ["aluno", "=nota"]
ROWS: list[list[Any]] = [
    ["João; o “outro”\né", 7.5],
    ["=1+1", np.int64(8)],
    ["007", Decimal("7.25")],
    ["http://exemplo.org", float("nan")],
    [None, True],
    ["-2,5", 10**16],
    ["\ud800", pd.NaT],
]


def test_a_workbook_holds_texts_as_texts_and_numbers_as_numbers(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", HEADER, iter(ROWS))
    assert cells(tmp_path / "a.xlsx") == [
        {"A": "aluno", "B": "=nota"},
        {"A": "João; o “outro”\né", "B": 7.5},
        {"A": "=1+1", "B": 8.0},
        {"A": "007", "B": 7.25},
        {"A": "http://exemplo.org"},
        {"B": True},
        {"A": "-2,5", "B": "10000000000000000"},
        {"A": "?"},
    ]
    with zipfile.ZipFile(tmp_path / "a.xlsx") as file:
        assert not [name for name in file.namelist() if "rels" in name and "sheet" in name]  # no link
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_xlsx(tmp_path / name, HEADER, ROWS)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_an_essay_longer_than_a_cell_is_marked_where_it_is_cut(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "a.xlsx", ["essay"], [["a" * CELL], ["b" * (CELL + 1)]])
    _, fits, cut = cells(tmp_path / "a.xlsx")
    assert fits["A"] == "a" * CELL
    assert cut["A"] == "b" * (CELL - 1) + "…"


def test_more_than_a_sheet_holds_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "ROWS", 3)
    write_xlsx(tmp_path / "a.xlsx", ["a"], [[1], [2]])
    with pytest.raises(UserError, match="3 rows at most"):
        write_xlsx(tmp_path / "b.xlsx", ["a"], [[1], [2], [3]])
    with pytest.raises(UserError, match="16384 columns"):
        write_xlsx(tmp_path / "c.xlsx", ["a"] * 16_385, [])
    assert [path.name for path in tmp_path.iterdir()] == ["a.xlsx"]


def test_rows_that_end_in_an_error_leave_nothing(tmp_path: Path) -> None:
    def rows() -> Iterator[list[int]]:
        yield [1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_xlsx(tmp_path / "a.xlsx", ["a"], rows())
    assert not list(tmp_path.iterdir())


def test_a_csv_is_as_excel_reads_it_in_brazil(tmp_path: Path) -> None:
    write_csv_br(tmp_path / "a.csv", HEADER, iter(ROWS))
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        "\ufeffaluno;'=nota\r\n"
        '"João; o “outro”\né";7,5\r\n'
        "'=1+1;8\r\n"
        "007;7,25\r\n"
        "http://exemplo.org;\r\n"
        ";VERDADEIRO\r\n"
        "-2,5;10000000000000000\r\n"
        "?;\r\n"
    )


def test_a_csv_for_programs_holds_no_lone_surrogate(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["a\ud83d"], [["\ud83d"], [None]])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8-sig").split("\n")[:2] == ["a?", "?"]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-a"])
def test_no_text_of_a_csv_is_run_as_a_formula(tmp_path: Path, text: str) -> None:
    assert spreadsheets.harmless(text) == f"'{text}"
