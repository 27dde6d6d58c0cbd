"""What the page says and does, without the page: a model is asked, texts and files are read or refused."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redacoes import app_service
from redacoes.app_service import RefusedError, Service
from redacoes.app_texts import TEXTS, say
from tests.support.tiny import tiny_model


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(str(tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")), "onnx", reveals=False)


def test_every_text_is_in_both_languages() -> None:
    for key, (portuguese, english) in TEXTS.items():
        assert portuguese, key
        assert english, key
        assert set(re.findall(r"{(\w+)}", portuguese)) == set(re.findall(r"{(\w+)}", english)), key
    assert say("score", "pt") == "Corrigir"
    assert say("score", "en") == "Score"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_text_file_is_read_as_it_was_written(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A educação\né só isso.", encoding=encoding)
    assert app_service.read_text(str(path), "pt") == "A educação\né só isso."


@pytest.mark.parametrize("content", [b"%PDF\x00\xe2", b"\xff\xd8\x81", b"\xff\xfea"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(RefusedError, match="O arquivo não é um texto"):
        app_service.read_text(str(tmp_path / "a.txt"), "pt")


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "There is no text"), (" \0\n", "There is no text"), ("x" * 1_000_000, "1000000 characters")],
)
def test_a_text_that_cannot_be_scored_is_told(service: Service, text: str, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        service.score(text, "en")


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.csv", "essay\na\n")
    return buffer.getvalue()


REFUSED = [
    ("csv", zipped(), "not what its name says"),
    ("csv", b"texto\na\n", "no column 'essay'; those of the file are 'texto'"),
    ("csv", b"essay,essay\na,b\n", "'essay' stands twice"),
    ("csv", b"essay,low\na,b\n", "'low' has the name of one that scoring adds"),
    ("csv", b"essay\n\n", "No row of the file can be scored"),
    ("csv", b"essay\n \n", "No row of the file can be scored. line 2, with an empty essay"),
    ("csv", b"essay\n" + b"a" * (app_service.CHARACTERS + 1), "line 2, with an essay of more than 100000 characters"),
    ("csv", b"essay,a\nb\n", "line 2, with more or fewer fields than the header"),
    ("csv", b"essay\na\0\n", "line 2, with a null character"),
    ("csv", b"essay\n\x81\n", "line 2, with bytes that are no text"),
    ("csv", b'"a;b,c"\n1\n', "no column 'essay'; those of the file are 'a;b,c'"),
    ("csv", b"a;b,c;d\n1\n", "no column 'essay'; those of the file are 'a', 'b,c', 'd'"),
    ("csv", b"", "The file is empty"),
    ("csv", b'essay\n"a\n', "On line 2, a quote is not closed"),
    ("csv", b"essay\n" + b"a\n" * (app_service.ROWS + 1), "more than 20000 essays"),
    ("jsonl", b'{"texto": "a"}', "line 1, without the column of the text"),
    ("jsonl", b'{"essay": 1}', "line 1, whose essay is no text"),
    ("jsonl", b"[1]", "line 1, which is no JSON object"),
    ("parquet", b"PAR1" + b"x" * 100, "damaged or not whole"),
]


@pytest.mark.parametrize(("suffix", "content", "says"), REFUSED, ids=[says[:30] for _, _, says in REFUSED])
def test_a_file_that_cannot_be_scored_is_told(
    service: Service, tmp_path: Path, suffix: str, content: bytes, says: str
) -> None:
    path = tmp_path / f"turma.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=says) as told:
        service.score_file(str(path), "essay", "en", print)
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
    monkeypatch.setattr(app_service, "ALL_CHARACTERS", 1_000_000)
    write(tmp_path / "turma.parquet")
    assert (tmp_path / "turma.parquet").stat().st_size < 10_000
    with pytest.raises(RefusedError, match="more than 1000000 characters"):
        service.score_file(str(tmp_path / "turma.parquet"), "essay", "en", print)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_what_excel_writes_in_brazil_is_read(service: Service, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "turma.csv"
    path.write_text("aluno;redação\r\nJoão;A educação é um direito.\r\nAna;Não é.", encoding=encoding)
    rows, shown = service.score_file(str(path), "redação", "pt", print)
    assert list(rows["aluno"]) == ["João", "Ana"]
    scored = service.scorer("pt").score(["A educação é um direito.", "Não é."])
    pd.testing.assert_frame_equal(rows[list(scored)], scored, rtol=0, atol=2e-6)
    assert (sum(shown.predicted), shown.rejected) == (2, 0)
