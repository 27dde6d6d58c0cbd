"""Reading CSVs of essays: good ones of many shapes, and every fault that a user can make."""

import csv
import io
import shlex
import shutil
import tracemalloc
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from hypothesis import assume, given
from hypothesis import strategies as st

from redacoes.errors import UserError
from redacoes.essays import training_csv
from redacoes.essays.cleaning import clean
from redacoes.essays.training_csv import Dropped, Essay
from redacoes.params import load
from tests.support import PARAMS, ROOT

DATA = PARAMS.data


def read(path: Path, **changes: object) -> tuple[list[Essay], list[Dropped]]:
    rows = list(training_csv.read(path, DATA.model_copy(update=changes)))
    dropped = [row for row in rows if isinstance(row, Dropped)]
    return [row for row in rows if isinstance(row, Essay)], dropped


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "redacoes.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FAULTS = {
    "empty file": ("", {}, "is empty"),
    "header only": ("essay,score\n", {}, "has a header and no rows"),
    "missing column": ("esay,score\na,1\n", {}, "line 1: no column 'essay' among 'esay', 'score'; did you mean 'esay'?"),
    "the same column twice": ("essay,score,essay\na,1,b\n", {}, "line 1: the column 'essay' appears twice"),
    "empty essay": ("essay,score\na,1\n\xa0,2\n", {}, "line 3, column 'essay': the essay is empty"),
    "score missing": ("essay,score\na,\n", {}, "line 2, column 'score': the score is missing"),
    "not a number": ("essay,score\na,dez\n", {}, "line 2, column 'score': 'dez' is not a number"),
    "NaN": ("essay,score\na,NaN\n", {}, "line 2, column 'score': 'NaN' is not a finite number"),
    "infinite": ("essay,score\na,inf\n", {}, "'inf' is not a finite number"),
    "negative": ("essay,score\na,-1\n", {}, "'-1' is negative"),
    "above the scale": ("essay,score\na,640\n", {}, "'640' is above 10; set data.score_scale"),
    "thousands above the scale": ("essay;score\na;1.000,5\n", {"delimiter": ";"}, "'1.000,5' is above 10; set data.score_scale"),
    "half point": ("essay,score\na,3.5\n", {}, "'3.5' is not a whole score from 0 to 10; set data.rounding"),
    "ragged row": ("essay,score\na,1\nb,2,3\n", {}, "line 3: 3 fields where the header has 2; correct the row, or put a field that holds ',' in quotes"),
    "unclosed quote": ('essay,score\na,1\n"b,2\nc,3\n', {}, "line 3: the quotes of this row cannot be read"),
    "wrong delimiter": ("essay;score\na;1\n", {}, "separated by ';', not by ','; set data.delimiter to \";\" (-S \"data.delimiter=';'\")"),
    "encoding": ("essay,score\na,1\nação,2\n".encode("latin-1"), {}, "set data.encoding to what it is (cp1252 where"),
    "unknown encoding": ("essay,score\na,1\n", {"encoding": "utf-9"}, "data.encoding is 'utf-9'"),
    "NUL": ("essay,score\na,1\nb\0,2\n", {}, "line 3: holds a NUL byte"),
    "binary": (b"PK\x03\x04rest", {}, "is a ZIP or Excel file"),
    "duplicate": ("essay,score\na,1\nA ,1\n", {"duplicates": "error"}, "line 3, column 'essay': the essay of line 2 again"),
    "group missing": ("essay,score,tema\na,1,\n", {"group_column": "tema"}, "line 2, column 'tema': the group is missing"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, fault: str) -> None:
    content, changes, message = FAULTS[fault]
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read(path, **changes)
    assert str(caught.value).startswith((str(path), "data."))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("delimiter", list(";|"))
def test_the_option_that_a_message_gives_is_right_in_a_shell(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, f"essay{delimiter}score\na{delimiter}1\n")
    with pytest.raises(UserError) as caught:
        read(path)
    typed = str(caught.value).partition("(")[2].removesuffix(")")
    params = Path(shutil.copy(ROOT / "tests/params.yaml", tmp_path))
    apply_overrides(params, shlex.split(typed)[1:])
    assert [essay.text for essay in training_csv.read(path, load(params).data)] == ["a"]


@pytest.mark.parametrize("encoding", ["latin-1", "ISO-8859-1", "cp1252"])
def test_quotes_and_dashes_of_windows_are_kept(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "essay,score\n“Ação” – fim…,1\n".encode("cp1252"))
    assert [essay.text for essay in read(path, encoding=encoding)[0]] == ["“Ação” – fim…"]


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "essay,score\na,1\n")
    with pytest.raises(UserError, match=r"does not exist.*did you mean 'redacoes.csv'"):
        read(tmp_path / "redacao.csv")
    with pytest.raises(UserError, match="is a folder"):
        read(tmp_path)


def test_invalid_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "essay,score\na,1\n,2\nb,x\nc,11\nd,1,1\na,1\nA,3\ne,4\n")
    essays, dropped = read(path, invalid_rows="drop")
    assert [(essay.line, essay.text, essay.score) for essay in essays] == [(2, "a", 1), (9, "e", 4)]
    assert dropped == [
        (3, "essay_empty"),
        (4, "score_not_a_number"),
        (5, "score_above_scale"),
        (6, "ragged_row"),
        (7, "duplicate"),
        (8, "duplicate_with_another_score"),
    ]


def test_a_file_of_which_no_row_is_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no row is valid.*the first: line 2, column 'score': .*'dez'"):
        read(write(tmp_path, "essay,score\na,dez\nb,onze\n"), invalid_rows="drop")


def test_line_is_that_on_which_the_row_begins(tmp_path: Path) -> None:
    path = write(tmp_path, '\ufeffessay,score\r\n"uma\r\nduas",1\r\n\r\ntres,2\r\n')
    essays, _ = read(path)
    assert [(essay.line, essay.text) for essay in essays] == [(2, "uma\nduas"), (5, "tres")]


@pytest.mark.parametrize(
    ("text", "scale", "rounding", "score"),
    [
        ("5,0", 10, "error", 5), ("640", 1000, "half_up", 6), ("650", 1000, "half_up", 7), ("650", 1000, "half_even", 6),
        ("750", 1000, "half_even", 8), ("3.5", 10, "half_up", 4), ("100", 100, "error", 10), ("1e1", 10, "error", 10),
        ("1.000", 1000, "half_up", 10), ("1.000,0", 1000, "error", 10), ("1.500", 10, "half_up", 2),
        ("1.000", 10, "error", 1), ("640.000", 1000, "half_up", 6), ("0.500", 1000, "half_up", 0),
        ("1.000", 1500, "half_up", 7), ("1.0000", 1000, "half_up", 0),
    ],
)  # fmt: skip
def test_scores(text: str, scale: float, rounding: str, score: int) -> None:
    data = DATA.model_copy(update={"score_scale": scale, "rounding": rounding})
    assert training_csv.parse_score(text, data) == score


def test_lists_of_paragraphs_are_joined() -> None:
    assert clean("['Um\\xa0\\xa0dois. ', '', 'Três\\x07.']") == "Um dois.\nTrês."
    assert clean("['não é uma lista]") == "['não é uma lista]"
    assert clean("[__import__('os').getcwd()]").startswith("[__import__")


def test_what_ends_a_line_or_a_page_parts_words() -> None:
    assert clean("fim.\x0cNo segundo\x0bparágrafo\x1fdois") == "fim.\nNo segundo\nparágrafo dois"


@given(st.text(max_size=200) | st.text("a\u0301\u200b\u0327 \n\x0c\x85", max_size=20))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    cleaned = clean(text)
    if not cleaned.startswith("["):
        assert clean(cleaned) == cleaned
    assert not any(line != line.strip() or not line for line in cleaned.split("\n") if cleaned)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.integers(0, 10)),
                min_size=1, max_size=20))  # fmt: skip
def test_what_csv_writes_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerows([("essay", "score"), *rows])
    path = write(tmp_path_factory.mktemp("csv"), buffer.getvalue())
    expected = [(clean(text), score) for text, score in rows if clean(text)]
    assume(expected)
    essays, dropped = read(path, invalid_rows="drop", duplicates="keep")
    assert [(essay.text, essay.score) for essay in essays] == expected
    assert len(essays) + len(dropped) == len(rows)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = write(tmp_path, "essay,score\n" + "".join(f"{'palavra ' * 300}{row},5\n" for row in range(rows)))
        tracemalloc.start()
        count = sum(1 for _ in training_csv.read(path, DATA))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == rows
        return used

    assert peak(800) - peak(100) < 700 * 500  # 2,400 bytes of text a row; what is kept is a hash
