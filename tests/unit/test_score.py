"""`redacoes score`: any format to any other, in order, whole or not at all, and on where it was stopped."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xlsxwriter import Workbook

from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.essays import scoring_input, synthetic
from redacoes.essays.cleaning import clean
from redacoes.essays.scoring_input import EssayFile, Reject
from redacoes.essays.spreadsheets import write_xlsx
from redacoes.inference import batch
from redacoes.inference.batch import Output
from redacoes.inference.scorer import Scorer
from tests.support.tiny import tiny_model
from tests.support.workbooks import cells, write_ods

ESSAYS = [row["essay"] for row in synthetic.essays(60, 5)]
ADDED = ["predicted", "expected", "confidence", *(f"p_{k}" for k in range(11)), "low", "high", "tokens", "truncated"]
Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")


@pytest.fixture(scope="module")
def scorer(model: Path) -> Scorer:
    return Scorer.load(model, "onnx")


@pytest.fixture
def command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command in this process: its status, and what it says on stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            status = main(["score", "--backend", "onnx", "--model", str(model), *arguments])
        except SystemExit as ended:
            status = 1 if isinstance(ended.code, str) else int(ended.code or 0)
            return status, str(ended.code)
        return status, capsys.readouterr().err

    return run


def rows(count: int = len(ESSAYS)) -> list[dict[str, Any]]:
    return [{"id": place, "essay": text, "turma": "3ª B, manhã"} for place, text in enumerate(ESSAYS[:count])]


def write(path: str, table: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(table)
    if path.endswith(".csv"):
        frame.to_csv(path, index=False)
    elif path.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    elif path.endswith(".xlsx"):
        write_xlsx(Path(path), list(frame), frame.to_numpy().tolist())
    elif path.endswith(".ods"):
        write_ods(Path(path), [list(frame), *frame.to_numpy().tolist()])
    else:
        frame.to_parquet(path, index=False)
    return path


def read(path: str) -> pd.DataFrame:
    if path.endswith(".csv"):
        return pd.read_csv(path)
    if path.endswith(".xlsx"):
        header, *table = cells(Path(path))
        return pd.DataFrame([[row[letter] for letter in header] for row in table], columns=list(header.values()))
    return pd.read_json(path, lines=True) if path.endswith(".jsonl") else pd.read_parquet(path)


@pytest.mark.parametrize("target", ["notas.csv", "notas.jsonl", "notas.parquet", "notas.xlsx"])
@pytest.mark.parametrize(
    "source", ["redações.csv", "redações.jsonl", "redações.parquet", "redações.xlsx", "redações.ods"]
)
def test_every_format_becomes_every_other(command: Command, scorer: Scorer, source: str, target: str) -> None:
    status, said = command(write(source, rows()), "--out", target)
    assert status == 0
    assert said.startswith("60 essays scored in ")
    found, expected = read(target), scorer.score(ESSAYS)
    assert list(found.columns) == ["id", "essay", "turma", *ADDED]
    assert list(found["id"].astype(int)) == list(range(60))
    assert list(found["essay"]) == ESSAYS
    assert set(found["turma"]) == {"3ª B, manhã"}
    pd.testing.assert_frame_equal(found[ADDED], expected, rtol=0, atol=1e-9, check_dtype=not target.endswith("xlsx"))
    assert {path.name for path in Path().iterdir()} == {source, target}


def test_standard_input_is_a_csv_or_json_lines(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for source in ("a.csv", "a.jsonl"):
        content = Path(write(source, rows(5))).read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
        assert command("-", "--out", f"{source}.csv")[0] == 0
        assert command(source, "--out", "file.csv")[0] == 0
        assert Path(f"{source}.csv").read_bytes() == Path("file.csv").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"PAR1"))))
    assert "is a Parquet file, and is read as csv" in command("-", "--out", "x.csv")[1]


def test_json_lines_keep_their_values_and_become_columns_where_they_must(command: Command) -> None:
    lines = [
        {"essay": "uma", "n": 1, "nested": {"a": [1, None]}, "mixed": 1, "big": 2**70},
        {"n": 2.5, "essay": "duas", "flag": True, "mixed": "x", "name": "ção"},
    ]
    Path("a.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", encoding="utf-8")
    for name in ("o.jsonl", "o.parquet", "o.csv"):
        assert command("a.jsonl", "--out", name)[0] == 0
    out = [json.loads(line) for line in Path("o.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [{name: row[name] for name in line} for row, line in zip(out, lines, strict=True)] == lines
    assert list(out[1])[: len(lines[1])] == list(lines[1])
    table = pd.read_parquet("o.parquet")
    assert list(table.columns)[:7] == ["essay", "n", "nested", "mixed", "big", "flag", "name"]
    assert list(table["n"]) == [1.0, 2.5]
    assert list(table["mixed"]) == ["1", "x"]
    assert json.loads(table["nested"][0]) == {"a": [1, None]}
    assert table["big"][0] == str(2**70)
    assert Path("o.csv").read_text(encoding="utf-8").splitlines()[1].startswith('uma,1,"{""a"": [1, null]}",1,')


def test_dates_and_decimal_numbers_of_parquet_are_written_as_they_are(command: Command) -> None:
    carried = {"dia": [date(2024, 5, 1)], "peso": [Decimal("7.50")], "lista": [[1, 2]]}
    pq.write_table(pa.table({"essay": ["uma"], **carried}), "a.parquet")
    assert command("a.parquet", "--out", "o.csv")[0] == 0
    assert pd.read_csv("o.csv", dtype=str).loc[0, ["dia", "peso", "lista"]].tolist() == ["2024-05-01", "7.50", "[1, 2]"]


def test_a_column_of_json_has_one_type_in_the_whole_file(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_input, "ROWS", 2)
    columns: dict[str, list[Any]] = {
        "long": [1, 2, 2**64, None],
        "least": [-(2**63), 1, 2, 2**63 - 1],
        "exact": [1, 1.5, 2**53, None],
        "digits": [1.5, None, 2**60 + 1, 3],
        "late": [None, None, True, "x"],
        "flags": [None, None, None, True],
        "never": [None] * 4,
    }
    lines = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    Path("a.jsonl").write_text("\n".join(json.dumps({"essay": "uma", **line}) for line in lines), encoding="utf-8")
    assert command("a.jsonl", "--out", "o.parquet")[0] == 0
    found = pq.read_table("o.parquet")
    assert [str(found.schema.field(name).type) for name in columns] == [
        *("string", "int64", "double", "string", "string", "bool", "string")
    ]
    columns["long"] = ["1", "2", str(2**64), None]
    columns["digits"] = ["1.5", None, str(2**60 + 1), "3"]
    columns["late"] = [None, None, "true", "x"]
    assert found.select(list(columns)).to_pydict() == columns


@pytest.mark.parametrize("target", ["o.csv", "o.tsv", "o.jsonl", "o.parquet", "o.xlsx"])
def test_half_a_character_of_a_field_becomes_a_question_mark(command: Command, target: str) -> None:
    lines = [r'{"essay": "texto bom", "obs": "a\ud83d", "\uDC00": [{"\ud83d": "\ud83d"}], "whole": "\ud83d\ude00"}']
    Path("a.jsonl").write_text("\n".join([*lines, r'{"essay": "a\ud83d", "obs": "b"}']), encoding="utf-8")
    status, said = command("a.jsonl", "--out", target)
    assert (status, "line 2: not utf-8 text" in said) == (0, True)
    found = read(target) if target != "o.tsv" else pd.read_csv(target, sep="\t")
    assert list(found)[:4] == ["essay", "obs", "?", "whole"]
    assert list(found.iloc[0, [1, 3]]) == ["a?", "😀"]
    assert found["?"][0] == ([{"?": "?"}] if target == "o.jsonl" else '[{"?": "?"}]')


def test_parquet_keeps_its_types(command: Command) -> None:
    frame = pd.DataFrame(
        {"essay": ESSAYS[:2], "when": pd.to_datetime(["2026-01-01", None]), "marks": [[1, 2], []], "n": [1, None]}
    )
    frame.to_parquet("a.parquet", index=False)
    assert command("a.parquet", "--out", "o.parquet")[0] == 0
    found = pd.read_parquet("o.parquet")
    pd.testing.assert_frame_equal(found[["essay", "when", "n"]], pd.read_parquet("a.parquet")[["essay", "when", "n"]])
    assert [list(marks) for marks in found["marks"]] == [[1, 2], []]
    for name in ("o.csv", "o.jsonl"):
        assert command("a.parquet", "--out", name)[0] == 0
        assert "2026-01-01" in Path(name).read_text(encoding="utf-8")


def test_rows_that_cannot_be_scored_are_told_by_line_and_kept(command: Command) -> None:
    content = 'essay,id\n"duas\nlinhas",1\n ,2\na,b,c\nação,3\n'.encode() + b"a\xe7ao,4\nx\0y,5\nfim,6\n"
    Path("a.csv").write_bytes(content)
    status, said = command("a.csv", "--out", "o.csv", "--rejects", "r.jsonl")
    assert status == 0
    assert said.splitlines()[:-1] == [
        "rejected: a.csv, line 4: the essay is empty",
        "rejected: a.csv, line 5: 3 fields where the header has 2",
        "rejected: a.csv, line 7: not utf-8 text (--encoding names another)",
        "rejected: a.csv, line 8: it holds a NUL, so it is not text",
    ]
    assert "3 essays scored" in said
    assert "4 rows rejected" in said
    assert list(read("o.csv")["id"]) == [1, 3, 6]
    kept = [json.loads(line) for line in Path("r.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["line"], row["raw"][-1]) for row in kept] == [(4, "2"), (5, "c"), (7, "4"), (8, "5")]

    status, said = command("a.csv", "--out", "strict.csv", "--strict", "--rejects", "s.jsonl")
    assert (status, said) == (1, "error: a.csv, line 4: the essay is empty; correct it, and --resume goes on")
    assert not list(Path().glob("*s*.csv"))
    assert not Path("s.jsonl").exists()


def test_of_many_such_rows_the_first_are_told(command: Command) -> None:
    Path("a.jsonl").write_text('{"essay": ""}\n' * 30 + '{"essay": "fim"}\n', encoding="utf-8")
    said = command("a.jsonl", "--out", "o.csv")[1].splitlines()
    assert len(said) == 22
    assert said[20] == "rejected: and more, which are counted"
    assert said[21].endswith("30 rows rejected")


def test_lines_that_are_no_objects_with_an_essay(command: Command) -> None:
    lines = ['{"essay": 7}', "[1]", '{"esay": "a"}', '{"essay": null}', '{"essay": "a"', '{"essay": "fim"}', "[" * 9999]
    Path("a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = command("a.jsonl", "--out", "o.jsonl")[1].splitlines()
    reasons = [line.split(": ", 2)[2] for line in said[:6]]
    assert reasons[:4] == [
        "'essay' is of type int, and must be text",
        "no JSON object",
        "no 'essay'; did you mean 'esay'?",
        "'essay' is missing",
    ]
    assert all(reason.startswith("no JSON (") for reason in reasons[4:])
    assert len(read("o.jsonl")) == 1


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.csv", "essay\na\n")
    return buffer.getvalue()


MISTAKES = {
    "no column": ("a.csv", b"Essay,id\na,1\n", [], "no column 'essay' among 'Essay', 'id'; did you mean 'Essay'?"),
    "delimiter": ("a.csv", b"essay;id\na;1\n", ["--delimiter", ","], "not separated by ','; leave --delimiter out"),
    "other delimiter": ("a.csv", b"Essay;id\na;1\n", [], "among 'Essay', 'id'; did you mean 'Essay'?"),
    "taken": ("a.csv", b"essay,p_3\na,1\n", [], "has a column 'p_3' already"),
    "taken in JSON": ("a.jsonl", b'{"essay": "a", "low": 1}', [], "line 1, has a 'low' already"),
    "twice": ("a.csv", b"essay,x,x\na,1,2\n", [], "the column 'x' appears twice"),
    "empty": ("a.csv", b"", [], "a.csv is empty"),
    "header alone": ("a.csv", b"essay\n", [], "a.csv has no row that can be scored"),
    "all rejected": (
        "a.csv",
        b"essay,id\n,1\n",
        [],
        "no row that can be scored; the first, line 2: the essay is empty",
    ),
    "open quote": ("a.csv", b'essay,id\na,1\n"b,2\nc,3\n', [], "line 3: the quotes of this row cannot be read"),
    "zip": ("a.csv", zipped(), [], "is a ZIP or Excel file, and is read as csv"),
    "no parquet": ("a.parquet", b"essay,id\na,1\n", [], "not a complete Parquet file"),
    "cut parquet": ("a.parquet", b"PAR1" + b"x" * 100, [], "not a complete Parquet file"),
    "suffix": ("a.txt", b"essay\na\n", [], "must be named .csv, .tsv, .xlsx, .ods, .jsonl or .parquet"),
    "encoding": ("a.csv", b"essay\na\n", ["--encoding", "utf-9"], "which Python does not know"),
    "utf-16": (
        "a.csv",
        "essay\na\n".encode("utf-16"),
        ["--encoding", "utf-8"],
        "without --encoding it is read as utf-16",
    ),
    "cp1252": (
        "a.csv",
        "id,essay\n1,ação\n2,não\n".encode("cp1252"),
        ["--encoding", "utf8"],
        "a.csv is not UTF-8 text; without --encoding it is read as cp1252",
    ),
    "long delimiter": ("a.csv", b"essay\na\n", ["--delimiter", ";;"], "must be one character"),
    "no workbook": ("a.xlsx", b"essay\na\n", [], "a.xlsx cannot be read (invalid Zip archive"),
    "sheet of none": ("a.csv", b"essay\na\n", ["--sheet", "Notas"], "leave --sheet out"),
    "excel": ("a.csv", b"essay\na\n", ["--out", "o.tsv", "--excel", "br"], "--excel is for a .csv"),
    "same file": ("a.csv", b"essay\na\n", ["--rejects", "a.csv"], "is the file of essays"),
    "out suffix": ("a.csv", b"essay\na\n", ["--out", "o.ods"], "must be named .csv"),
    "out folder": ("a.csv", b"essay\na\n", ["--out", "nada/o.csv"], "there is no folder nada"),
    "rejects folder": ("a.csv", b"essay\na\n", ["--rejects", "nada/r.jsonl"], "there is no folder nada"),
    "rejects a folder": ("a.csv", b"essay\na\n", ["--rejects", "."], "--rejects must name a file"),
    "rejects out": ("a.csv", b"essay\na\n", ["--rejects", "./o.csv"], "--rejects o.csv is --out"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_sentence_and_writes_nothing(command: Command, case: str) -> None:
    name, content, options, says = MISTAKES[case]
    Path(name).write_bytes(content)
    status, said = command(name, "--out", "o.csv", *options)
    assert (status, said.startswith("error: "), said.count("\n")) == (1, True, 0)
    assert says in said
    assert [path.name for path in Path().iterdir()] == [name]
    assert Path(name).read_bytes() == content
    Path("o.csv").touch()
    assert "there is no file b.csv" in command("b.csv", "--out", "o.csv")[1]


def test_encodings_and_odd_texts(command: Command) -> None:
    texts = [
        "ação",
        "🙂" * 50,
        "مرحبا بالعالم",
        "?!…",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "x" * 900_000,
    ]
    for encoding, option in (("utf-8-sig", []), ("utf-16", []), ("utf-16", ["--encoding", "utf-16"])):
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=";").writerows([["essay"], *([text] for text in texts)])
        Path("a.csv").write_bytes(buffer.getvalue().encode(encoding))
        assert command("a.csv", "--out", "o.jsonl", "--delimiter", ";", *option)[0] == 0
        assert list(read("o.jsonl")["essay"]) == texts


WINDOWS = "“Ação” – disse a professora…"


@pytest.mark.parametrize("options", [[], ["--encoding", "cp1252"], ["--encoding", "latin-1"]])
def test_what_excel_writes_is_read_with_its_quotes_and_dashes(command: Command, options: list[str]) -> None:
    for name, delimiter in (("a.csv", ";"), ("a.tsv", "\t")):
        rows = [f"{number}{delimiter}{WINDOWS}" for number in range(20)]
        text = "\r\n".join([f"id{delimiter}essay", *rows])  # a header in ASCII, as most are
        Path(name).write_bytes(text.encode("cp1252"))
        status, said = command(name, "--out", "o.tsv", *options)
        assert (status, "rejected" in said) == (0, False)
        assert Path("o.tsv").read_text(encoding="utf-8").splitlines()[1].startswith(f"0\t{WINDOWS}\t")


def book(path: str, **sheets: list[list[Any]]) -> str:
    with Workbook(path) as workbook:
        for name, table in sheets.items():
            sheet = workbook.add_worksheet(name)
            for place, row in enumerate(table):
                sheet.write_row(place, 0, row)
    return path


def test_a_workbook_is_read_as_people_fill_it_in(command: Command) -> None:
    table: list[list[Any]] = [
        ["Turma 3A, manhã"],
        [],
        ["nº", "essay", "", "nota", "sala"],
        [1, "Primeira.\nSegunda linha.", "", 7.5, "007"],
        [],
        [2, "", "um rabisco", 8],
        [3, "+1 é dois", "", "1.10"],
    ]
    book("a.xlsx", Vazia=[], Notas=table, Outra=[["essay"], ["outra"]])
    status, said = command("a.xlsx", "--out", "o.csv", "--excel", "br", "--rejects", "r.jsonl")
    assert status == 0
    assert "rejected: a.xlsx, sheet 'Notas', line 6: the essay is empty" in said
    lines = io.StringIO(Path("o.csv").read_text(encoding="utf-8-sig"), newline="")
    first, second = csv.DictReader(lines, delimiter=";")
    carried = ("nº", "essay", "nota", "sala")
    assert [first[name] for name in carried] == ["1", "Primeira.\nSegunda linha.", "7,5", "007"]
    assert [second[name] for name in carried] == ["3", "'+1 é dois", "1.10", ""]
    assert list(first)[:5] == [*carried, "predicted"]
    assert 0 < float(first["expected"].replace(",", ".")) < 10
    assert command("a.xlsx", "--out", "o.csv", "--sheet", "Outra")[0] == 0
    assert list(read("o.csv")["essay"]) == ["outra"]
    assert (
        "no sheet 'Nota' among 'Notas', 'Outra'; did you mean 'Notas'?"
        in command("a.xlsx", "--out", "p.csv", "--sheet", "Nota")[1]
    )


def test_columns_that_excel_writes_without_a_name_are_left_out(command: Command) -> None:
    Path("a.csv").write_text("id;;essay;;\n1;;texto;;\n2;x;;;\n3;;outro;;\n", encoding="utf-8")
    assert command("a.csv", "--out", "o.csv", "--rejects", "r.jsonl")[0] == 0
    found = read("o.csv")
    assert list(found.columns) == ["id", "essay", *ADDED]
    assert found[["id", "essay"]].to_numpy().tolist() == [[1, "texto"], [3, "outro"]]
    assert json.loads(Path("r.jsonl").read_text(encoding="utf-8"))["raw"] == ["2", ""]


def test_a_workbook_that_would_fill_the_memory_is_refused(command: Command) -> None:
    with Workbook("a.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write(0, 0, "essay")
        sheet.write(1_048_575, 16_383, "fim")
    assert Path("a.xlsx").stat().st_size < 10_000
    assert command("a.xlsx", "--out", "o.csv") == (1, "error: a.xlsx is too large a workbook; export the sheet as CSV")


def test_a_text_that_a_workbook_cannot_hold_is_told(command: Command) -> None:
    Path("a.csv").write_text(f"essay\n{'a' * 40_000}\nb\n", encoding="utf-8")
    status, said = command("a.csv", "--out", "o.xlsx")
    assert (status, "warning: 1 texts have more than 32767 characters" in said) == (0, True)
    assert list(read("o.xlsx")["essay"].str.len()) == [32_767, 1]


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1), st.text()), min_size=1
    )
)
def test_any_csv_goes_through_unchanged(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory, table: Any) -> None:
    folder = tmp_path_factory.mktemp("csv")
    table = [
        (text, other.replace("\0", "").replace("\r", "").encode("utf-8", "ignore").decode()) for text, other in table
    ]
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("essay", "other"), *table])
    scorable = [row for row in table if clean(row[0])]
    rejected: list[Reject] = []
    source = EssayFile(str(folder / "a.csv"), "essay", ",", "utf-8")
    with Output(folder / "o.csv", False) as output:
        list(batch.score(source, scorer, output, rejected.append))
        output.finish(source.schema)
    with (folder / "o.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert [tuple(row[:2]) for row in found[1:]] == scorable
    assert len(rejected) == len(table) - len(scorable)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch, command: Command) -> Callable[[int, str], None]:
    """What scores a.csv, in windows of 8, and is interrupted as by Ctrl-C once it has written so many windows."""
    monkeypatch.setattr(scoring_input, "ROWS", 8)

    def stop_at(windows: int, target: str) -> None:
        left = iter(range(windows))

        def write(*arguments: Any) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            whole(*arguments)

        whole = Output.write
        with monkeypatch.context() as patch:
            patch.setattr(Output, "write", write)
            status, said = command("a.csv", "--out", target)
        assert (status, said.splitlines()[-1]) == (
            130,
            f"interrupted; nothing was written to {target}, and --resume goes on",
        )
        assert not Path(target).exists()

    return stop_at


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    command: Command, stop_at: Callable[[int, str], None], suffix: str
) -> None:
    write("a.csv", rows())
    assert command("a.csv", "--out", f"whole.{suffix}")[0] == 0
    stop_at(3, f"o.{suffix}")
    status, said = command("a.csv", "--out", f"o.{suffix}", "--resume")
    assert (status, "; 24 of them before" in said) == (0, True)
    assert Path(f"o.{suffix}").read_bytes() == Path(f"whole.{suffix}").read_bytes()
    assert {path.name for path in Path().iterdir()} == {"a.csv", f"o.{suffix}", f"whole.{suffix}"}


def test_only_scores_of_the_same_rows_and_model_are_taken_when_a_run_goes_on(
    command: Command, stop_at: Callable[[int, str], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = rows()
    write("a.csv", table)
    stop_at(3, "o.csv")
    table[9]["essay"] = "outro texto"
    write("a.csv", table)
    assert "; 16 of them before" in command("a.csv", "--out", "o.csv", "--resume")[1]
    assert read("o.csv")["essay"][9] == "outro texto"

    Path("o.csv").unlink()
    stop_at(3, "o.csv")
    assert "before" not in command("a.csv", "--out", "o.csv", "--resume", "--text-column", "turma")[1]
    assert len(set(read("o.csv")["expected"])) == 1  # all essays are of one class

    Path("o.csv").unlink()
    stop_at(3, "o.csv")
    other = tiny_model(tmp_path_factory.mktemp("outro") / "onnx", seed=2)
    assert "before" not in command("a.csv", "--out", "o.csv", "--resume", "--model", str(other))[1]
    expected = Scorer.load(other, "onnx").score(read("o.csv")["essay"])
    pd.testing.assert_frame_equal(read("o.csv")[ADDED], expected, rtol=0, atol=2e-6)

    Path("o.csv").unlink()
    stop_at(3, "o.csv")
    said = command("a.csv", "--out", "o.csv")[1]
    assert said.startswith("starting anew: what an earlier run left of o.csv is removed\n60 essays scored")


@pytest.mark.parametrize("moment", ["before anything", "within a part", "within the whole"])
def test_a_run_that_ended_at_any_moment_goes_on_to_the_same_bytes(
    command: Command, stop_at: Callable[[int, str], None], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    write("a.csv", rows())
    assert command("a.csv", "--out", "whole.csv")[0] == 0

    def killed(self: Output, *_: Any) -> None:
        """Leave what a kill leaves at this moment: a file that is not whole, and no word of it."""
        name = "whole" if moment == "within the whole" else "00000000-0.draft"
        (self.parts / name).write_bytes(b"id,essay" * 100)
        raise MemoryError

    if moment == "before anything":
        stop_at(0, "o.csv")
    else:
        with monkeypatch.context() as patch:
            patch.setattr(Output, "finish" if moment == "within the whole" else "write", killed)
            with pytest.raises(MemoryError):
                command("a.csv", "--out", "o.csv")
    assert not Path("o.csv").exists()
    assert command("a.csv", "--out", "o.csv", "--resume")[0] == 0
    assert Path("o.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert {path.name for path in Path().iterdir()} == {"a.csv", "o.csv", "whole.csv"}


def test_two_runs_do_not_write_one_file(command: Command) -> None:
    write("a.csv", rows(3))
    with Output(Path("o.csv"), False), pytest.raises(UserError, match=r"is writing o\.csv; wait for it"):
        Output(Path("o.csv"), True)
    assert command("a.csv", "--out", "o.csv")[0] == 0
