"""The process that reads workbooks: what it is told and tells, and why it ends."""

import os
from pathlib import Path

import pytest

import redacoes
from redacoes.errors import FileError
from redacoes.essays import workbook
from redacoes.essays.spreadsheets import write_xlsx

ROWS = [["essay", "nota"], ["um texto", "7"]]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    write_xlsx(tmp_path / "a.xlsx", ROWS[0], ROWS[1:])
    return tmp_path / "a.xlsx"


@pytest.mark.parametrize(("name", "value"), [("PYTHONPROFILEIMPORTTIME", "1"), ("PYTHONWARNINGS", "nada")])
def test_what_python_says_on_stderr_is_no_fault(
    book: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert [cells for _, cells in workbook.read(book).rows()] == ROWS


PAST = f"import sys; sys.stdout.buffer.seek({workbook.LARGEST}); sys.stdout.buffer.write(b'a'); sys.stdout.flush()"
TOO_MUCH = "is too large a workbook; export the sheet as CSV"


@pytest.mark.parametrize(
    ("ends", "key", "says"),
    [
        ("raise ImportError('nothing\\nhere')", "unread_workbook", "cannot be read (here); export the sheet as CSV"),
        ("raise OSError('no disk')", "unread_workbook", "cannot be read (OSError: no disk); export the sheet as CSV"),
        ("raise SystemExit(3)", "unread_workbook", "cannot be read (exit status 3); export the sheet as CSV"),
        ("raise MemoryError", "too_much", TOO_MUCH),
        ("bytearray(1 << 31)", "too_much", TOO_MUCH),
        ("import os; os.abort()", "too_much", TOO_MUCH),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "too_much", TOO_MUCH),
        (PAST, "too_much", TOO_MUCH),
    ],
)
def test_a_workbook_is_too_large_only_where_a_limit_says_so(
    book: Path, monkeypatch: pytest.MonkeyPatch, ends: str, key: str, says: str
) -> None:
    calamine(ends, book.parent, monkeypatch)
    with pytest.raises(FileError) as error:
        workbook.read(book)
    assert (error.value.key, str(error.value)) == (key, f"{book} {says}")


def test_no_module_of_the_package_hides_another(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calamine("import os; raise ImportError(os.getcwd())", book.parent, monkeypatch)
    with pytest.raises(FileError, match=r"ImportError: (.*)\)") as error:
        workbook.read(book)
    assert f"ImportError: {Path(redacoes.__file__).parents[1]})" in str(error.value)


def calamine(content: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module in the place of calamine, for a process that begins now."""
    (folder / "python_calamine.py").write_text(content, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep))
