"""A file of essays on the page: read or refused, scored, one student's essay opened, downloaded, and printed."""

import csv
import io
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redacoes.essays.columns import Columns
from redacoes.essays.spreadsheets import write_xlsx
from redacoes.languages import Language
from redacoes.web import batch, batch_views, reports
from redacoes.web.batch import BatchSummary, Row
from redacoes.web.service import CHARACTERS, RefusedError, Service
from tests.support.tiny import tiny_model
from tests.support.workbooks import cells


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(str(tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")), "onnx", reveals=False)


@pytest.fixture(scope="module")
def of_thousand(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A model that has learnt from scores of 0 to 1000."""
    folder = tiny_model(tmp_path_factory.mktemp("enem") / "onnx", scale=1000)
    return Service(str(folder), "onnx", reveals=False)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.csv", "essay\na\n")
    return buffer.getvalue()


REFUSED = [
    ("csv", zipped(), "not what its name says"),
    ("csv", b"texto\na\n", "no column 'essay'; those of the file are 'texto'"),
    ("csv", b"essay,essay\na,b\n", "'essay' appears twice"),
    ("csv", b"essay,low\na,b\n", "'low' has the name of one that scoring adds"),
    ("csv", b"essay\n\n", "No row of the file can be scored"),
    ("csv", b"essay\n \n", "No row of the file can be scored. line 2, with an empty essay"),
    ("csv", b"essay\n" + b"a" * (CHARACTERS + 1), "line 2, with an essay of more than 100000 characters"),
    ("csv", b"essay,a\nb\n", "line 2, with more or fewer fields than the header"),
    ("csv", b"essay\na\0\n", "line 2, with a null character"),
    ("csv", b"essay\n\x81\n", "line 2, with bytes that are not text"),
    ("csv", b'"a;b,c"\n1\n', "no column 'essay'; those of the file are 'a;b,c'"),
    ("csv", b"a;b,c;d\n1\n", "no column 'essay'; those of the file are 'a', 'b,c', 'd'"),
    ("csv", b"", "The file is empty"),
    ("csv", b'essay\n"a\n', "On line 2, a quote is not closed"),
    ("csv", b"essay\n" + b"a\n" * (batch.ROWS + 1), "more than 20000 essays"),
    ("jsonl", b'{"texto": "a"}', "line 1, without the column of the text"),
    ("jsonl", b'{"essay": 1}', "line 1, whose essay is not text"),
    ("jsonl", b"[1]", "line 1, which is not a JSON object"),
    ("parquet", b"PAR1" + b"x" * 100, "damaged or incomplete"),
]


@pytest.mark.parametrize(("suffix", "content", "says"), REFUSED, ids=[says[:30] for _, _, says in REFUSED])
def test_a_file_that_cannot_be_scored_is_told(
    service: Service, tmp_path: Path, suffix: str, content: bytes, says: str
) -> None:
    path = tmp_path / f"turma.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=says) as told:
        batch.score(service, str(path), "essay", None, "en", print)
    assert str(tmp_path) not in str(told.value)


def repeated(path: Path) -> None:
    essays = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["a" * 500]))
    pq.write_table(pa.table({"essay": essays}), path)


def one_long_text(path: Path) -> None:
    pq.write_table(pa.table({"essay": ["a"], "texto": ["b" * 5_000_000]}), path, compression="zstd")


@pytest.mark.parametrize("write", [repeated, one_long_text])
def test_a_small_file_that_unfolds_to_a_large_one_is_refused(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(batch, "ALL_CHARACTERS", 1_000_000)
    write(tmp_path / "turma.parquet")
    assert (tmp_path / "turma.parquet").stat().st_size < 10_000
    with pytest.raises(RefusedError, match="more than 1000000 characters"):
        batch.score(service, str(tmp_path / "turma.parquet"), "essay", None, "en", print)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_what_excel_writes_in_brazil_is_read(service: Service, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "turma.csv"
    path.write_text("aluno;redação\r\nJoão;A educação é um direito.\r\nAna;Não é.", encoding=encoding)
    rows, shown = batch.score(service, str(path), "redação", "aluno", "pt", print)
    assert [row.name for row in rows] == ["João", "Ana"]
    scored = service.scorer("pt").score(["A educação é um direito.", "Não é."])
    for row, expected in zip(rows, scored.to_dict("records"), strict=True):
        assert row.score == pytest.approx(expected, abs=2e-6)
    assert (shown.scored, shown.rejected) == (2, 0)


ESSAYS = ["A educação é um direito de todos. Não é?", "", "O trânsito <b>cresce</b>. E a cidade também.", "=1+1"]
KINDS = ["csv", "xlsx", "jsonl", "parquet"]


def class_file(folder: Path, kind: str = "csv") -> Path:
    """Four students, of whom one has written nothing."""
    table = pd.DataFrame({"aluno": ["Ana", "Bia <i>", "", "=cmd()"], "redação": ESSAYS, "nota": [7.5, 0.0, 3.0, None]})
    path = folder / f"turma.{kind}"
    {
        "csv": lambda: table.to_csv(path, index=False),
        "jsonl": lambda: table.to_json(path, orient="records", lines=True, force_ascii=False),
        "parquet": lambda: table.to_parquet(path),
        "xlsx": lambda: write_xlsx(path, list(table), table.itertuples(index=False)),
    }[kind]()
    return path


def scored(service: Service, path: Path) -> tuple[list[Row], BatchSummary]:
    return batch.score(service, str(path), "redação", "aluno", "pt", lambda done: None)


@pytest.mark.parametrize("kind", KINDS)
def test_who_cannot_be_scored_stays_in_the_download_with_the_reason(
    service: Service, tmp_path: Path, kind: str
) -> None:
    rows, found = scored(service, class_file(tmp_path, kind))
    assert (found.scored, found.rejected) == (3, 1)
    workbook, table = batch.downloads(rows, found, service.points, "pt", tmp_path)
    assert (workbook.name, table.name) == ("notas.xlsx", "notas.csv")
    header, *written = csv.reader(io.StringIO(table.read_text(encoding="utf-8-sig")), delimiter=";")
    assert header[:5] == ["aluno", "redação", "nota", "nota estimada", "nota média esperada"]
    assert header[-2:] == ["texto cortado", "por que não foi corrigida"]
    by_name = [dict(zip(header, line, strict=True)) for line in written]
    assert [line["redação"] for line in by_name] == ["A educação é um direito de todos. Não é?", "", ESSAYS[2], "'=1+1"]
    assert [line["aluno"] for line in by_name] == ["Ana", "Bia <i>", "", "'=cmd()"]
    assert [line["por que não foi corrigida"] for line in by_name] == ["", "com uma redação vazia", "", ""]
    assert by_name[0]["nota"] == "7,5"
    assert by_name[1]["nota estimada"] == by_name[1]["tokens"] == ""
    assert re.fullmatch(r"\d+,\d+", by_name[0]["nota média esperada"])
    of_workbook = cells(workbook)
    assert list(of_workbook[0].values()) == header
    assert of_workbook[4]["A"] == "=cmd()"
    assert of_workbook[4]["B"] == "=1+1"
    assert of_workbook[2]["A"] == "Bia <i>"
    assert "com uma redação vazia" in of_workbook[2].values()
    assert of_workbook[1]["C"] == 7.5
    assert of_workbook[1]["D"] == float(by_name[0]["nota estimada"])


def test_a_download_is_in_points_and_in_the_users_language(of_thousand: Service, tmp_path: Path) -> None:
    rows, found = scored(of_thousand, class_file(tmp_path))
    workbook, table = batch.downloads(rows, found, of_thousand.points, "en", tmp_path)
    assert (workbook.name, table.name) == ("scores.xlsx", "scores.csv")
    [header, first, *_] = cells(workbook)
    of_first = {header[place]: value for place, value in first.items()}
    assert rows[0].score
    assert of_first["estimated score"] == 100 * rows[0].score["predicted"]
    assert of_first["class (0 to 10)"] == rows[0].score["predicted"]
    assert of_first["expected score"] == pytest.approx(100 * rows[0].score["expected"], abs=1e-4)
    assert of_first["probability of 1000"] == rows[0].score["p_10"]
    assert of_first["text cut"] == "no"


def test_a_download_can_be_written_again_in_another_language(service: Service, tmp_path: Path) -> None:
    path = class_file(tmp_path)
    rows, found = scored(service, path)
    assert batch.rows(found, "en") == rows
    written = batch.downloads(batch.rows(found, "en"), found, service.points, "en", tmp_path)
    assert [file.name for file in written] == ["scores.xlsx", "scores.csv"]
    assert "estimated score" in cells(written[0])[0].values()
    path.unlink()
    with pytest.raises(RefusedError, match="has been removed"):
        batch.rows(found, "en")


def test_programs_get_a_csv_of_what_was_scored(service: Service, tmp_path: Path) -> None:
    rows, found = scored(service, class_file(tmp_path))
    batch.write_csv(rows, found.columns.names, tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv", encoding="utf-8-sig")
    assert list(table)[:5] == ["aluno", "redação", "nota", "predicted", "expected"]
    assert list(table["aluno"].fillna("")) == ["Ana", "", "'=cmd()"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_essay_is_opened_by_its_row(service: Service, tmp_path: Path, kind: str) -> None:
    _, found = scored(service, class_file(tmp_path, kind))
    assert [row.number for row in found.first] == [1, 3, 4]
    for row in found.first:
        assert batch.essay(found, row.number, "pt") == (row.name, ESSAYS[row.number - 1])
    for number in (0, 2, 5, -1):
        with pytest.raises(RefusedError, match="Não há redação nessa linha"):
            batch.essay(found, number, "pt")


def test_a_file_stays_while_it_is_used_and_is_told_to_be_gone(service: Service, tmp_path: Path) -> None:
    path = class_file(tmp_path)
    _, found = scored(service, path)
    os.utime(path, (0, 0))
    batch.essay(found, 1, "pt")
    assert path.stat().st_mtime > time.time() - 60
    path.unlink()
    for ask in (lambda: batch.essay(found, 1, "en"), lambda: batch.look(str(path), "en")):
        with pytest.raises(RefusedError, match="has been removed"):
            ask()


@pytest.mark.parametrize(("language", "says"), [("pt", "32767 caracteres: 1."), ("en", "32767 characters: 1.")])
def test_who_loses_the_end_of_a_text_to_the_workbook_is_told(
    service: Service, tmp_path: Path, language: Language, says: str
) -> None:
    lengthy = ESSAYS[0] + " e" * 17_000
    path = tmp_path / "a.csv"
    pd.DataFrame({"redação": [lengthy, ESSAYS[2]], "aluno": ["Ana", "Bia"]}).to_csv(path, index=False)
    rows, found = scored(service, path)
    _, table = batch.downloads(rows, found, service.points, "pt", tmp_path)
    assert lengthy in table.read_text(encoding="utf-8-sig")
    assert says in batch_views.many(found, service.points, language)


def test_columns_of_a_file_are_told_in_the_users_language(tmp_path: Path) -> None:
    assert batch.look(str(class_file(tmp_path)), "pt") == Columns(["aluno", "redação", "nota"], "redação", "aluno")
    (tmp_path / "a.csv").write_bytes(zipped())
    with pytest.raises(RefusedError, match="O arquivo não é o que o nome diz"):
        batch.look(str(tmp_path / "a.csv"), "pt")


def a_class(predicted: list[int], count: int = 2) -> BatchSummary:
    score = {"predicted": 7, "expected": 6.84, "low": 5, "high": 9, "truncated": False}
    first = [Row(place, f"<Ana {place}>", {"turma": "3ª B", "t": "<b>"}, score, 0, "") for place in range(1, count + 1)]
    fault = Row(9, "", {}, None, 10, "empty")
    return BatchSummary(
        "a.csv", Columns(["nome", "turma", "t"], "t", "nome"), first, predicted, 1, fault, 0, pd.DataFrame()
    )


@pytest.mark.parametrize(
    ("language", "points", "says"),
    [
        ("pt", 1.0, ["Redações corrigidas: 4. Média da turma: 6,5; desvio padrão: 2,2.", "7: 2,", ">6,8</td>"]),
        ("pt", 100.0, ["Média da turma: 650; desvio padrão: 218.", "700: 2,", ">684</td>", ">classe</button>", ">700</td>"]),
        ("en", 1.0, ["Essays scored: 4. Mean of the class: 6.5; standard deviation: 2.2.", ">from</button>"]),
    ],
)  # fmt: skip
def test_a_class_is_shown_with_mean_spread_and_every_student(
    language: Language, points: float, says: list[str]
) -> None:
    shown = batch_views.many(a_class([0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0]), points, language)
    for text in says:
        assert text in shown
    assert '<th scope="row"><button type="button" data-row="1">&lt;Ana 1&gt;</button></th>' in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 3


def test_a_class_that_is_longer_than_what_is_shown_says_so() -> None:
    assert "As primeiras 2 redações de 5" in batch_views.many(a_class([5, *[0] * 10]), 1.0, "pt")
    assert "The others are in the files" in batch_views.many(a_class([5, *[0] * 10]), 1.0, "en")


def printed(service: Service, *noted: tuple[str, str]) -> list[reports.StudentReport]:
    essays = ["A educação é um direito. Não é <b>?", "O trânsito cresce."]
    names = ["Ana / Souza", "Redação 12"]
    return [
        reports.StudentReport(place, name, service.score(text, "pt"), *(noted or [("", "")] * 2)[at])
        for at, (place, name, text) in enumerate(zip((3, 12), names, essays, strict=True))
    ]


def test_a_report_is_one_file_with_score_sentences_and_the_teachers_part(of_thousand: Service) -> None:
    filled, blank = printed(of_thousand, ("720 <", "Bom.\nReveja & releia."), ("", ""))
    page = reports.page([filled], of_thousand, "pt")
    assert "Relatório da redação: Ana / Souza" in page
    assert f"Nota estimada: <strong>{filled.answer.score['predicted'] * 100}</strong>" in page
    assert "Com 90 % de probabilidade" in page
    assert "Frases que mais mudaram a nota" in page
    assert "Não é &lt;b&gt;?" in page
    assert "720 &lt;" in page
    assert "Bom.\nReveja &amp; releia." in page
    assert 'class="line"' not in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    empty = reports.page([blank], of_thousand, "en")
    assert empty.count('<div class="line"></div>') == reports.LINES
    assert '<html lang="en">' in empty
    assert "Teacher&#x27;s score" in empty


def test_the_reports_of_a_class_are_a_zip_with_one_page_of_all(service: Service, tmp_path: Path) -> None:
    reports.write_zip(printed(service), service, "pt", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.namelist() == ["todos.html", "03 Ana Souza.html", "12 Redação 12.html"]
        assert file.read("todos.html").decode().count("<article>") == 2
        assert file.read("03 Ana Souza.html").decode() == reports.page(printed(service)[:1], service, "pt")
