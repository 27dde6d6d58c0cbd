"""Read a CSV of training essays: validate each row, and report each fault."""

import codecs
import csv
import json
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from hashlib import blake2b
from io import TextIOWrapper
from math import floor
from pathlib import Path
from typing import NamedTuple

from redacoes.errors import FileError, UserError, nearest
from redacoes.essays.cleaning import clean
from redacoes.params import Data

MAX_FIELD = 1_000_000  # characters in a field; a longer one means an open quote
DELIMITERS = ",;\t|"  # candidates for detection
THOUSANDS = re.compile(r"[1-9]\d{0,2}(\.\d{3})+(,\d+)?")  # a number as Brazilians write one from 1.000 on
CONTAINERS = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"\x1f\x8b": "a gzip file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True)
class Essay:
    """A valid row.

    Attributes:
        line: The line of the CSV on which the row begins; the header is on line 1.
        text: The cleaned essay.
        score: 0 to ``max_score``.
        group: The value of the group column; an empty string without such a column.
        first: The line of the first copy of the essay, regardless of spaces and capitals; mostly `line` itself.
    """

    line: int
    text: str
    score: int
    group: str
    first: int


class Dropped(NamedTuple):
    """A row that is left out, and the reason."""

    line: int
    reason: str


class InvalidRowError(Exception):
    """An invalid row: the reason (a key for counting), the column, and a message."""

    def __init__(self, reason: str, column: str | None, message: str) -> None:
        """Keep reason and column apart from the message, for counting."""
        super().__init__(message)
        self.reason, self.column = reason, column


class FieldCount(NamedTuple):
    """A row with more or fewer fields than the header."""

    found: int
    expected: int


def read(path: str | Path, data: Data) -> Iterator[Essay | Dropped]:
    """Yield the rows of a CSV in order, one at a time. Memory hardly grows with the file.

    Args:
        path: The CSV.
        data: Columns, scale, delimiter, encoding, and what to do with invalid and repeated rows.

    Raises:
        UserError: The file is not a CSV of essays, no row is left, or a row is invalid or repeated and `data` does not
            say to drop it.
    """
    copies, line, fault, kept = _Copies(), 0, "", False
    for line, fields in _records(Path(path), data):
        try:
            text, score, group = _values(fields, data)
            first, first_score = copies.first(text, line, score)
            if first != line and data.duplicates != "keep":
                raise InvalidRowError(
                    "duplicate" if first_score == score else "duplicate_with_another_score",
                    data.essay_column,
                    f"the essay of line {first} again; set data.duplicates to drop or keep",
                )
        except InvalidRowError as invalid:
            column = f", column {invalid.column!r}" if invalid.column else ""
            told = f"line {line}{column}: {invalid}"
            drop = data.duplicates if invalid.reason.startswith("duplicate") else data.invalid_rows
            if drop != "drop":
                raise UserError(f"{path}, {told}") from invalid
            fault = fault or told
            yield Dropped(line, invalid.reason)
        else:
            kept = True
            yield Essay(line, text, score, group, first)
    if not line:
        raise UserError(f"{path} has a header and no rows; add essays to it")
    if not kept:
        raise UserError(f"{path}: no row is valid, so none is left; the first: {fault}")


def number_of(text: str, scale: float) -> Decimal:
    """Return the number that `text` is on a scale of 0 to `scale`. It may be outside, infinite or no number (NaN).

    A decimal comma is read as a point. A point before three digits divides off thousands where they cannot be decimals,
    as in 1.000,5, and where the scale goes so far: 1.000 is a thousand on a scale to 1000, and 1.500 is one and a half
    on a scale to 10.

    Raises:
        InvalidOperation: `text` is not a number.
    """
    if THOUSANDS.fullmatch(text):
        number = Decimal(text.replace(".", "").replace(",", "."))
        if number <= Decimal(str(scale)) or "," in text or text.count(".") > 1:
            return number
    return Decimal(text.replace(",", "."))


def parse_score(text: str, data: Data) -> int:
    """Convert `text` to a score from 0 to ``max_score``.

    `number_of` reads it. The arithmetic is exact, so 3.5 is exactly half way.

    Raises:
        InvalidRowError: `text` is empty, not a finite number, outside the scale, or not whole although
            `data.rounding` is error.
    """
    column = data.score_column
    text = text.strip()
    if not text:
        raise InvalidRowError("score_missing", column, "the score is missing; fill it in or remove the row")
    try:
        number = number_of(text, data.score_scale)
    except InvalidOperation:
        raise InvalidRowError(
            "score_not_a_number", column, f"{text!r} is not a number; correct it or remove the row"
        ) from None
    if not number.is_finite():
        raise InvalidRowError(
            "score_not_finite", column, f"{text!r} is not a finite number; correct it or remove the row"
        )
    if number < 0:
        raise InvalidRowError("score_negative", column, f"{text!r} is negative; correct it or remove the row")
    if number > Decimal(str(data.score_scale)):
        raise InvalidRowError(
            "score_above_scale",
            column,
            f"{text!r} is above {data.score_scale:g}; set data.score_scale to the highest score that the file can hold",
        )
    scaled = Fraction(number) * data.max_score / Fraction(str(data.score_scale))
    if scaled.denominator == 1:
        return int(scaled)
    if data.rounding == "error":
        raise InvalidRowError(
            "score_not_whole",
            column,
            f"{text!r} is not a whole score from 0 to {data.max_score}; set data.rounding to half_up or half_even",
        )
    return floor(scaled + Fraction(1, 2)) if data.rounding == "half_up" else round(scaled)


class _Copies:
    """The essays seen so far, as hashes and in flat arrays: 100,000 of them take about 15 MB."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}
        self._lines, self._scores = array("q"), array("q")

    def first(self, text: str, line: int, score: int) -> tuple[int, int]:
        """Return line and score of the first copy of `text`, regardless of spaces and capitals; its own if new."""
        key = blake2b(" ".join(text.casefold().split()).encode(), digest_size=16).digest()
        index = self._index.setdefault(key, len(self._lines))
        if index == len(self._lines):
            self._lines.append(line)
            self._scores.append(score)
        return self._lines[index], self._scores[index]


def _values(fields: dict[str, str] | FieldCount, data: Data) -> tuple[str, int, str]:
    """Return the cleaned essay, the score and the group of a row."""
    if isinstance(fields, FieldCount):
        raise InvalidRowError(
            "ragged_row",
            None,
            f"{fields.found} fields where the header has {fields.expected}; correct the row, or put a field that holds "
            f"{data.delimiter!r} in quotes",
        )
    text = clean(fields[data.essay_column])
    if not text:
        raise InvalidRowError("essay_empty", data.essay_column, "the essay is empty; fill it in or remove the row")
    score = parse_score(fields[data.score_column], data)
    group = fields[data.group_column].strip() if data.group_column else ""
    if data.group_column and not group:
        raise InvalidRowError("group_missing", data.group_column, "the group is missing; fill it in or remove the row")
    return text, score, group


def _records(path: Path, data: Data) -> Iterator[tuple[int, dict[str, str] | FieldCount]]:
    """Yield each row's first line, and its fields by column."""
    encoding = _check_file(path, data.encoding)
    with path.open("rb") as binary, TextIOWrapper(binary, encoding=encoding, newline="") as text:
        header: list[str] | None = None
        try:
            for begins, fields in rows(_lines(text, path), data.delimiter, str(path)):
                if header is None:
                    header = [name.strip() for name in fields]
                    _check_header(path, header, data)
                else:
                    whole = len(fields) == len(header)
                    yield (
                        begins,
                        dict(zip(header, fields, strict=True)) if whole else FieldCount(len(fields), len(header)),
                    )
        except UnicodeError as error:
            raise UserError(
                f"{path}{_bad_line(path, encoding)}: not {data.encoding} text ({_reason(error)}); "
                "set data.encoding to what it is (cp1252 where Excel wrote it), or save the file as UTF-8"
            ) from error
    if header is None:
        raise UserError(f"{path} is empty; it needs a header and rows")


def rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line of each row of a CSV, and its fields. Blank lines are skipped.

    Raises:
        FileError: A quote is left open or misplaced, so the rest cannot be divided into fields.
    """
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begins = 1
    try:
        for fields in reader:
            if fields:
                yield begins, fields
            begins = reader.line_num + 1
    except csv.Error as error:
        raise FileError(
            f"{name}, line {begins}: the quotes of this row cannot be read ({error}): "
            "close the quote, and write a quote inside a field twice",
            "quotes",
            line=begins,
        ) from error


def container(start: bytes) -> str | None:
    """Return the format of a file that begins with these bytes, if people mistake it for a CSV."""
    return next((kind for magic, kind in CONTAINERS.items() if start.startswith(magic)), None)


def codec(encoding: str) -> str:
    """Return the codec that reads text of an encoding.

    UTF-8 may begin with a byte order mark. Latin-1 is read as Windows-1252, as in browsers (WHATWG, "Encoding
    Standard", 4.2): in Latin-1 its quotes and dashes would be control characters.

    Raises:
        LookupError: Python knows no text encoding of this name.
    """
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except ValueError as error:
        raise LookupError(str(error)) from error
    return {"utf-8": "utf-8-sig", "iso8859-1": "cp1252"}.get(name, name)


def _check_file(path: Path, encoding: str) -> str:
    if path.is_dir():
        raise UserError(f"{path} is a folder; data.csv must name a CSV file in it")
    if not path.is_file():
        raise UserError(f"{path} does not exist; data.csv must name a CSV file{nearest(path.name, _siblings(path))}")
    try:
        name = codec(encoding)
    except LookupError as error:
        raise UserError(f"data.encoding is {encoding!r}, which Python does not know as a text encoding") from error
    with path.open("rb") as binary:
        start = binary.read(4096)
    if kind := container(start):
        raise UserError(f"{path} is {kind}, despite its name; export it as CSV text, or `redacoes adopt` it")
    return name


def _siblings(path: Path) -> list[str]:
    return [other.name for other in path.parent.glob("*.csv")]


def _lines(text: TextIOWrapper, path: Path) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if "\0" in line:
            raise UserError(
                f"{path}, line {number}: holds a NUL byte, so it is binary or UTF-16; "
                "export it as CSV text, or set data.encoding to utf-16"
            )
        yield line


def require_unique(header: Sequence[str], where: str) -> None:
    """Raise FileError, which names `where`, if a column occurs twice."""
    if repeated := [name for place, name in enumerate(header) if name in header[:place]]:
        raise FileError(f"{where}: the column {repeated[0]!r} appears twice; rename one", "twice", column=repeated[0])


def require_column(name: str, header: Sequence[str], where: str, named_by: str) -> None:
    """Raise FileError, which names `where` and the origin of the name, unless the header has the column."""
    if name not in header:
        known = ", ".join(map(repr, header))
        raise FileError(
            f"{where}: no column {name!r} among {known}{nearest(name, header)} ({named_by} names it)",
            "no_column",
            column=name,
            known=known,
        )


def _check_header(path: Path, header: list[str], data: Data) -> None:
    # Excel writes columns without a name where cells are formatted and empty
    require_unique([name for name in header if name], f"{path}, line 1")
    wanted = {"essay_column": data.essay_column, "score_column": data.score_column, "group_column": data.group_column}
    for key, name in wanted.items():
        if name is None or name in header:
            continue
        for other in DELIMITERS:
            if len(header) == 1 and other != data.delimiter and name in header[0].split(other):
                typed = "" if other == "\t" else f" (-S \"data.delimiter='{other}'\")"
                raise UserError(
                    f"{path}, line 1: the columns are separated by {other!r}, not by {data.delimiter!r}; "
                    f"set data.delimiter to {json.dumps(other)}{typed}"
                )
        require_column(name, header, f"{path}, line 1", f"data.{key}")


def _bad_line(path: Path, encoding: str) -> str:
    """Return ``", line N"`` for the first line that cannot be decoded, if the encoding lets lines be split first."""
    with path.open("rb") as binary:
        for number, line in enumerate(binary, 1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return "" if encoding.startswith(("utf-16", "utf-32")) else f", line {number}"
    return ""


def _reason(error: UnicodeError) -> str:
    return error.reason if isinstance(error, UnicodeDecodeError) else str(error)
