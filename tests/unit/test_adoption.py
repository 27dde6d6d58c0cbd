"""A file of essays that somebody brings: which parameters it needs, and what is said where that is not sure."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from redacoes.errors import UserError
from redacoes.essays import adoption, synthetic, training_csv
from redacoes.essays.adoption import Asked, look
from redacoes.essays.spreadsheets import write_xlsx
from redacoes.params import Params
from tests.support import PARAMS, PARAMS_FILE
from tests.support.command import refused
from tests.support.workbooks import write_ods

ESSAYS = [row["essay"] for row in synthetic.essays(60, 3)]


class Adopted(NamedTuple):
    """What was found by key, why, and the essays that `training_csv` reads of the file with it."""

    values: dict[str, Any]
    why: dict[str, str]
    essays: list[training_csv.Essay]


Look = Callable[..., Adopted]


def table(**columns: Sequence[Any]) -> list[list[Any]]:
    """Rows beneath a header; `_` stands for a blank in a name."""
    header = [name.replace("_", " ") for name in columns]
    return [header, *map(list, zip(*columns.values(), strict=True))]


def text(rows: list[list[Any]], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


@pytest.fixture
def adopt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Look at a file with this content."""
    monkeypatch.chdir(tmp_path)

    def run(content: str | bytes, name: str = "a.csv", params: Params = PARAMS, **asked: Any) -> Adopted:
        if not Path(name).exists() or content:
            Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        findings = look(Path(name), Asked(**asked), params, "data/a.csv", Path("draft.csv"))
        values = {key: value for key, value, _ in findings}
        data = PARAMS.data.model_copy(
            update={key.removeprefix("data."): value for key, value in values.items() if key.startswith("data.")}
        )
        why = {key: why for key, _, why in findings}
        return Adopted(
            values, why, [row for row in training_csv.read("draft.csv", data) if isinstance(row, training_csv.Essay)]
        )

    return run


NAMES = [f"Aluno {number}" for number in range(60)]
HALVES = [f"{number % 20 / 2}".replace(".", ",") for number in range(60)]


def test_what_excel_writes_in_brazil(adopt: Look) -> None:
    rows = table(nº=range(60), Aluno=NAMES, Texto_da_redação=[f"“{essay}” – fim…" for essay in ESSAYS], Nota=HALVES)
    found = adopt(text(rows, ";").encode("cp1252"))
    assert found.values == {
        "data.csv": "data/a.csv",
        "data.delimiter": ";",
        "data.encoding": "cp1252",
        "data.essay_column": "Texto da redação",
        "data.score_column": "Nota",
        "data.group_column": None,
        "data.score_scale": 10,
        "data.rounding": "half_up",
        "split.strategy": "shuffled",
    } | {key: value for key, value in found.values.items() if key == "tokenize.max_length"}
    assert found.essays[0].text.startswith("“")
    assert [essay.score for essay in found.essays[:4]] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("scores", "asked", "scale", "told", "rounding", "read"),
    [
        (["660", "1.000", "0"], {}, 1000, "the highest score is 1000", "half_up", [7, 10, 0]),
        (["600", "1.000,00", "0"], {}, 1000, "the highest score is 1000.00", "error", [6, 10, 0]),
        (["1.000", "600", "0"], {"scale": 1000.0}, 1000, "as asked", "error", [10, 6, 0]),
        (["9.500", "1.000", "0"], {}, 10, "the highest score is 9.500", "half_up", [10, 1, 0]),
    ],
)
def test_a_point_for_thousands_is_none_for_decimals(
    adopt: Look, scores: list[str], asked: dict[str, float], scale: float, told: str, rounding: str, read: list[int]
) -> None:
    found = adopt(text(table(texto=ESSAYS, nota=scores * 20), ";"), **asked)
    assert (found.values["data.score_scale"], found.values["data.rounding"]) == (scale, rounding)
    assert found.why["data.score_scale"] == told
    assert [essay.score for essay in found.essays[:3]] == read


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_a_workbook_of_the_enem(adopt: Look, tmp_path: Path, suffix: str) -> None:
    rows = table(
        tema=[f"Tema {number % 12}" for number in range(60)],
        redação=ESSAYS,
        C1=[float(number % 6 * 40) for number in range(60)],
        C2=[200.0] * 60,
        nota=[float(number % 6 * 40 + 200) for number in range(60)],
    )
    if suffix == ".xlsx":
        write_xlsx(tmp_path / "a.xlsx", rows[0], rows[1:])
    else:
        write_ods(tmp_path / "a.ods", rows)
    found = adopt("", f"a{suffix}")
    wanted = {"score_column": "nota", "essay_column": "redação", "group_column": "tema", "score_scale": 1000}
    wanted |= {"rounding": "half_up", "delimiter": ",", "encoding": "utf-8"}
    assert {key: found.values[f"data.{key}"] for key in wanted} == wanted
    assert found.values["split.strategy"] == "grouped"
    assert len(found.essays) == 60


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_usual_delimiter_and_encoding(adopt: Look, delimiter: str, encoding: str) -> None:
    rows = table(essay=[f'{essay}; d\'água, "sim" | não' for essay in ESSAYS], score=[n % 11 for n in range(60)])
    found = adopt(text(rows, delimiter).encode(encoding), "a.tsv")
    assert (found.values["data.delimiter"], found.values["data.encoding"]) == (delimiter, encoding.removesuffix("-sig"))
    assert found.values["data.rounding"] == "error"
    assert len(found.essays) == 60


@pytest.mark.parametrize(
    ("header", "asked", "columns"),
    [
        ("Nome, turma;Redação;Nota", {}, ("Redação", "Nota")),
        ("tema;texto;nota, de 0 a 10", {}, ("texto", "nota, de 0 a 10")),
        ("\r\n\r\nAluno, turma;Redação;Nota", {}, ("Redação", "Nota")),
        ("Redação, na íntegra;Nota", {}, ("Redação, na íntegra", "Nota")),
        ("a, b, c;essay;d, e", {"essay": "essay", "score": "d, e"}, ("essay", "d, e")),
    ],
)
def test_a_comma_in_the_header_divides_no_columns(
    adopt: Look, header: str, asked: dict[str, str], columns: tuple[str, str]
) -> None:
    before = ["x"] * (header.count(";") - 1)
    found = adopt(f"{header}\r\n{text([[*before, essay, n % 11] for n, essay in enumerate(ESSAYS)], ';')}", **asked)
    assert found.values["data.delimiter"] == ";"
    assert (found.values["data.essay_column"], found.values["data.score_column"]) == columns
    assert len(found.essays) == 60


SCORES = [number % 11 for number in range(60)]
UNSURE = {
    "two columns of essays": (
        table(primeira=ESSAYS, segunda=ESSAYS[::-1], nota=SCORES),
        "several columns that may hold the essay, 'primeira', 'segunda'; --essay-column names the one",
    ),
    "two scores": (
        table(texto=ESSAYS, nota_1=SCORES, nota_2=SCORES),
        "several columns that may hold the score, 'nota 1', 'nota 2'; --score-column names the one",
    ),
    "no essays": (
        table(a=["x"] * 60, nota=SCORES),
        "no column of long texts for the essay among 'a' ('x', say), 'nota' ('0', say); --essay-column names one",
    ),
    "empty": ([], "a.csv is empty"),
    "no numbers": (
        table(texto=ESSAYS, nota=["A"] * 60, idade=[15] * 60),
        "no column of numbers for the score among 'nota' ('A', say), 'idade' ('15', say); --score-column names one",
    ),
    "no scale": (table(texto=ESSAYS, nota=[1200] * 60), "a score is 1200, and no exam's scale goes so far; --scale"),
    "many bad rows": (
        table(texto=ESSAYS, nota=[*SCORES[:53], *[""] * 7]),
        "7 of 60 rows cannot be used; the first: a.csv, line ",
    ),
    "no rows": (table(texto=[], nota=[]), "a.csv has a header and no rows; add essays to it"),
    "empty rows": (table(texto=["", ""], nota=["", ""]), "a.csv has a header and no rows; add essays to it"),
    "one column": ([["texto"], ["a"]], "a.csv has no two columns"),
    "twice": ([["texto", "texto", "nota"], ["a", "b", 1]], "the column 'texto' appears twice"),
    "few": (table(texto=ESSAYS[:2], nota=[1, 2]), "split: "),
}


@pytest.mark.parametrize("case", UNSURE)
def test_nothing_is_guessed(adopt: Look, case: str) -> None:
    rows, says = UNSURE[case]
    with pytest.raises(UserError) as error:
        adopt(text(rows))
    assert says in str(error.value)
    assert "draft" not in str(error.value)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"delimiter": ";;"}, "--delimiter is ';;'; it must be one character"),
        ({"encoding": "utf-9"}, "--encoding is 'utf-9', which Python does not know"),
        ({"sheet": "Notas"}, "a.csv is not a workbook and has no sheets; leave --sheet out"),
        ({"encoding": "utf-16"}, "a.csv is not utf-16 text (UTF-16 stream does not start with BOM); --encoding names"),
        ({"scale": float("nan")}, "--scale is nan; it must be the highest score that the file can hold"),
        ({"scale": float("inf")}, "--scale is inf; it must be"),
        ({"scale": 0.0}, "--scale is 0; it must be"),
    ],
)
def test_an_option_that_means_nothing_is_told(adopt: Look, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        adopt(text(table(texto=ESSAYS, nota=SCORES)), **asked)
    assert says in str(error.value)


def test_columns_that_excel_writes_without_a_name_mean_nothing(adopt: Look) -> None:
    rows = [[*row, "", ""] for row in table(texto=ESSAYS, nota=SCORES)]
    found = adopt(text(rows, ";"))
    assert found.values["data.essay_column"] == "texto"
    assert len(found.essays) == 60


def test_what_the_user_says_is_taken(adopt: Look) -> None:
    rows = table(
        primeira=ESSAYS, segunda=ESSAYS[::-1], nota_1=SCORES, nota_2=SCORES, turma=[f"T{n % 12}" for n in SCORES]
    )
    found = adopt(text(rows), essay="segunda", score="nota 2", group="turma", scale=20.0)
    assert [found.values[f"data.{key}"] for key in ("essay_column", "score_column", "group_column", "score_scale")] == [
        "segunda",
        "nota 2",
        "turma",
        20.0,
    ]
    with pytest.raises(UserError, match=r"no column 'segund' among .*; did you mean 'segunda'"):
        adopt(text(rows), essay="segund")


def test_a_name_decides_and_what_else_might_be_meant_is_told(adopt: Look) -> None:
    rows = table(
        comentário=ESSAYS[::-1], redação=ESSAYS, nota_1=SCORES, nota_final=SCORES, turma=[n % 12 for n in SCORES]
    )
    rows = [[*row[:-1], f"T{row[-1]}" if isinstance(row[-1], int) else row[-1]] for row in rows]
    found = adopt(text(rows))
    assert (found.values["data.essay_column"], found.values["data.score_column"]) == ("redação", "nota final")
    why = found.why
    assert why["data.essay_column"] == "its name; long texts as well: 'comentário'"
    assert why["data.group_column"] == "--group-column could name 'turma' (11 values)"


def test_rows_that_cannot_be_used_and_copies_are_counted(adopt: Look) -> None:
    rows = table(texto=[*ESSAYS[:58], ESSAYS[0].upper(), ESSAYS[1]], nota=[*SCORES[:30], "", *SCORES[31:59], 9])
    found = adopt(text(rows))
    assert (found.values["data.invalid_rows"], found.values["data.duplicates"]) == ("drop", "drop")
    why = found.why
    assert re.match(
        r"1 of 60; the first: a\.csv, line \d+, column 'nota': the score is missing", why["data.invalid_rows"]
    )
    assert why["data.duplicates"] == "2 copies of an essay, 2 with another score: the first is kept"
    assert len(found.essays) == 57


def test_few_themes_are_not_divided_and_an_old_division_is_undone(adopt: Look) -> None:
    old = PARAMS.model_copy(
        update={
            "data": PARAMS.data.model_copy(update={"group_column": "prompt"}),
            "split": PARAMS.split.model_copy(update={"strategy": "grouped"}),
        }
    )
    rows = table(texto=ESSAYS, nota=SCORES, tema=[f"Tema {n % 3}" for n in SCORES])
    found = adopt(text(rows), params=old)
    assert (found.values["data.group_column"], found.values["split.strategy"]) == (None, "shuffled")
    assert found.why["data.group_column"] == "'tema' has only 3 values, too few to divide"
    assert adopt(text(rows), group="tema").values["data.group_column"] == "tema"


def test_long_essays_are_given_the_tokens_that_they_need(adopt: Look) -> None:
    params = PARAMS.model_copy(update={"tokenize": PARAMS.tokenize.model_copy(update={"max_length": 64})})
    positions = params.checkpoint.max_positions
    rows = table(texto=[" ".join([essay] * 3) for essay in ESSAYS], nota=SCORES)
    assert adopt(text(rows), params=params).values["tokenize.max_length"] == min(adoption.POSITIONS, positions)
    assert (
        "tokenize.max_length"
        not in adopt(text(table(texto=[f"{n} casas" for n in range(60)], nota=SCORES)), params=params).values
    )


def test_a_file_that_dvc_refuses_is_not_left_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("params.yaml").write_bytes(PARAMS_FILE.read_bytes())
    rows = {"essay": ESSAYS, "score": [place % 11 for place in range(len(ESSAYS))]}
    Path("a.csv").write_text(text(table(**rows)), encoding="utf-8")
    for _ in range(2):
        assert "dvc add data/a.csv failed (you are not inside of a DVC repository" in refused("adopt", "a.csv")
        assert list(Path("data").iterdir()) == []
