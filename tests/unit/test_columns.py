"""Which columns of a file hold what is told by their names, and else by what stands in them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from redacoes.errors import FileError
from redacoes.essays import columns

LONG = "A educação é um direito de todos. " * 5


@pytest.mark.parametrize(
    ("names", "essay", "student"),
    [
        (["id", "Aluno", "Redação", "tema"], "Redação", "Aluno"),
        (["NOME_DO_ALUNO", "texto da redação"], "texto da redação", "NOME_DO_ALUNO"),
        (["text", "essay", "matrícula"], "essay", "matrícula"),
        (["turma", "Texto", "nota"], "Texto", None),
    ],
)
def test_a_column_is_known_by_its_name(tmp_path: Path, names: list[str], essay: str, student: str | None) -> None:
    for content in (["x"] * len(names), [LONG] * len(names)):
        pd.DataFrame([content], columns=names).to_csv(tmp_path / "a.csv", index=False, sep=";", encoding="cp1252")
        assert columns.look(str(tmp_path / "a.csv")) == columns.Columns(names, essay, student)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_else_the_essay_is_where_the_longest_texts_stand(tmp_path: Path, suffix: str) -> None:
    """Rows whose first field is empty, which cannot be scored by it, count as well."""
    table = pd.DataFrame({"a": ["", "", "um"], "produção": [LONG, LONG, ""], "tema": ["dois três"] * 3})
    path = tmp_path / f"a.{suffix}"
    {
        "csv": lambda: table.to_csv(path, index=False),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True, force_ascii=False),
        "parquet": lambda: table.to_parquet(path),
    }[suffix]()
    found = columns.look(str(path))
    assert (found.names, found.essay, found.student) == (["a", "produção", "tema"], "produção", None)


def test_rows_that_lack_fields_are_looked_at_as_far_as_they_go(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b,c\n1\n2,{LONG}\n1,2,3,4\n", encoding="utf-8")
    assert columns.look(str(tmp_path / "a.csv")).essay == "b"
    lines = ["[1]", "nada", json.dumps({"n": 1, "b": LONG}), "{}"]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert columns.look(str(tmp_path / "a.jsonl")) == columns.Columns(["n", "b"], "b", None)
    (tmp_path / "vazio.jsonl").write_text("[]", encoding="utf-8")
    assert columns.look(str(tmp_path / "vazio.jsonl")) == columns.Columns([], "", None)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04")
    with pytest.raises(FileError, match="read as csv"):
        columns.look(str(tmp_path / "a.csv"))
