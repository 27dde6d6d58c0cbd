"""Read files of essays to score, in windows, and carry their other columns along.

Formats are CSV, TSV, workbooks, JSON lines and Parquet. Training data is read by `training_csv`, which is stricter.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from redacoes.errors import FileError, UserError, first_line, nearest
from redacoes.essays import training_csv, workbook
from redacoes.essays.cleaning import clean
from redacoes.essays.text_files import asked_form, delimiter_of, encoding_of

STDIN = "-"
ROWS = 1024  # maximum for a window
CHARACTERS = 8_000_000  # a window also ends when its rows have this many
BATCH = 256  # rows of Parquet read at once
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
SUFFIXES |= dict.fromkeys(workbook.SUFFIXES, "csv")  # workbooks are read as CSV
NAMED = ".csv, .tsv, .xlsx, .ods, .jsonl or .parquet"  # suffixes that messages name
RAW = "json"  # the column that carries a line of JSON
# columns that scoring adds
ADDED = re.compile(r"(predicted|expected|low|high)(_points)?|confidence|p_\d+|tokens|truncated")


class Fault(NamedTuple):
    """What is wrong with a row."""

    key: str  # the page has its own text for each
    reason: str


@dataclass(frozen=True)
class Reject:
    """A row that cannot be scored.

    Attributes:
        line: The line on which it begins, counted from 1; for a sheet or Parquet, the number of the row.
        fault: The key of its fault.
        reason: The fault in words.
        raw: The row, as far as it could be read.
    """

    line: int
    fault: str
    reason: str
    raw: Any


@dataclass
class Window:
    """Rows that are scored together.

    Attributes:
        texts: The essays.
        carried: The rows as a table. For JSON lines, its only column is `RAW`.
        characters: All characters of these rows and of the rejects.
        rejects: Rows between them that cannot be scored.
        before: For each reject, how many of `texts` come before it.
        share: Share of the file that has been read after these rows; None if its size is unknown.
    """

    texts: list[str]
    carried: pa.Table
    characters: int
    rejects: list[Reject]
    before: list[int]
    share: float | None


class EssayFile:
    """A file of essays, open for reading.

    Attributes:
        kind: csv, json or parquet.
        columns: Names of the columns of a CSV or Parquet file; empty for JSON lines, which may differ in their keys.
        unpacked: Its size after decompression, in bytes; 0 if unknown.
        has_rows: Whether it has any row, valid or not.
    """

    def __init__(
        self,
        path: str,
        column: str | None,
        delimiter: str | None = None,
        encoding: str | None = None,
        longest: int | None = None,
        sheet: str | None = None,
    ) -> None:
        """Open the file and check its beginning, so that a mistake is reported before anything takes long.

        Args:
            path: The file; ``-`` for standard input, which may be a CSV or JSON lines.
            column: The column of the essay. None: the first column, or the first key of the first JSON line.
            delimiter: Delimiter of a CSV: one character, or ``\\t`` as two characters. None: detected from the header.
            encoding: Encoding of a CSV or of JSON lines. None: detected by `encoding_of`.
            longest: Longest essay, in characters. With a limit, a Parquet file is not trusted: its texts are read so
                that one that repeats a long text does not fill the memory. None: no limit, and the file is trusted.
            sheet: Name of a workbook's sheet. None: the first that is not empty.

        Raises:
            FileError: It has no such column, or is a file of another kind.
            UserError: There is no such file, or it cannot be opened.
        """
        self.name, self.column, self._longest = "standard input" if path == STDIN else path, column, longest
        suffix = "" if path == STDIN else Path(path).suffix.lower()
        form = asked_form(self.name, suffix in workbook.SUFFIXES, sheet, delimiter, encoding)
        self._delimiter, self._delimiter_named = form.delimiter, bool(delimiter)
        self._file = self._open(path)
        if path != STDIN and suffix not in SUFFIXES:
            raise FileError(f"{path} must be named {NAMED}, so that its format is known", "suffix")
        self._sheet: workbook.Sheet | None = None
        if suffix in workbook.SUFFIXES:
            self._sheet = workbook.read(path, sheet)
            self._file.close()
            self._file, self.name = self._sheet.content, f"{path}, sheet {self._sheet.name!r}"
        start = self._file.peek(4096)[:4096]
        self.unpacked = 0 if path == STDIN else os.fstat(self._file.fileno()).st_size
        self.kind = SUFFIXES.get(suffix, "json" if start.lstrip().startswith(b"{") else "csv")
        other = training_csv.container(start)
        is_parquet = self.kind == "parquet" and other == training_csv.CONTAINERS[b"PAR1"]
        if other and not is_parquet:
            raise FileError(
                f"{self.name} is {other}, and is read as {self.kind}; export it, or give it the suffix of what it is",
                "kind",
            )
        if not start:
            raise FileError(f"{self.name} is empty", "empty")
        found = "" if self.kind == "parquet" else encoding_of(io.BytesIO(start) if path == STDIN else self._file)
        if form.codec == "utf-8-sig" and found not in ("", form.codec):
            raise FileError(f"{self.name} is not UTF-8 text; without --encoding it is read as {found}", "encoding")
        self._encoding = form.codec or found
        self._share: float | None = None
        self.schema: pa.Schema | None = None  # of the carried columns; JSON has none
        self.columns: list[str] = []
        items = {"csv": self._csv, "json": self._json, "parquet": self._parquet}[self.kind]()
        first = list(islice(items, 1))
        self.has_rows, self._items = bool(first), chain(first, items)

    def _open(self, path: str) -> Any:
        if path == STDIN:
            stdin: Any = sys.stdin.buffer
            return stdin
        if Path(path).is_dir():
            raise UserError(f"{path} is a folder; name a file of essays in it")
        try:
            return Path(path).open("rb")
        except FileNotFoundError:
            siblings = [other.name for other in Path(path).parent.glob("*") if other.suffix in SUFFIXES]
            raise UserError(f"there is no file {path}{nearest(Path(path).name, siblings)}") from None
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error

    def windows(self) -> Iterator[Window]:
        """Yield all rows in windows of at most `ROWS` rows, and of about `CHARACTERS` characters.

        Raises:
            FileError: The rest cannot be read: a quote is open, or the file is cut short.
        """
        rows: list[Any] = []
        texts: list[str] = []
        rejects: list[Reject] = []
        before: list[int] = []
        size = 0
        for item in self._items:
            if isinstance(item, Reject):
                rejects.append(item)
                before.append(len(texts))
                size += _characters(item.raw)
            else:
                row, text = item
                rows.append(row)
                texts.append(text)
                size += _characters(row)
            if len(rows) + len(rejects) == ROWS or size >= CHARACTERS:
                yield self._window(rows, texts, size, rejects, before)
                rows, texts, rejects, before, size = [], [], [], [], 0
        if rows or rejects:
            yield self._window(rows, texts, size, rejects, before)

    def _window(self, rows: list[Any], texts: list[str], size: int, rejects: list[Reject], before: list[int]) -> Window:
        if self.schema is None:
            carried = pa.table({RAW: pa.array(rows, pa.string())})
        elif self.kind == "csv":
            columns = zip(*rows, strict=True) if rows else [()] * len(self.schema)
            carried = pa.table([pa.array(column, pa.string()) for column in columns], schema=self.schema)
        else:
            carried = pa.Table.from_pylist(rows, schema=self.schema)
        if self.unpacked and self.kind != "parquet":
            self._share = 1.0 if self._file.closed else self._file.tell() / self.unpacked
        return Window(texts, carried, size, rejects, before, self._share)

    def _require(self, columns: Sequence[str]) -> None:
        training_csv.require_unique(columns, self.name)
        if taken := [name for name in columns if ADDED.fullmatch(name)]:
            raise FileError(
                f"{self.name} has a column {taken[0]!r} already, which scoring would add; rename it",
                "taken",
                column=taken[0],
            )
        self.columns = list(columns)
        if self.column is None and columns:
            self.column = columns[0]
        if self.column not in columns:
            if (
                self._delimiter_named
                and len(columns) == 1
                and any(other in columns[0] for other in training_csv.DELIMITERS)
            ):
                raise FileError(
                    f"{self.name}: the columns are not separated by {self._delimiter!r}; leave --delimiter out",
                    "separator",
                )
            training_csv.require_column(self.column or "", columns, self.name, "--text-column")

    def _fault(self, text: Any) -> Fault | None:
        """Return why an essay cannot be scored, or None if it can."""
        if text is None:
            return Fault("missing", f"{self.column!r} is missing")
        if not isinstance(text, str):
            return Fault("type", f"{self.column!r} is of type {type(text).__name__}, and must be text")
        if self._longest and len(text) > self._longest:
            return Fault("long", f"the essay has {len(text)} characters, and may have {self._longest}")
        return self._unreadable(text) or (None if clean(text) else Fault("empty", "the essay is empty"))

    def _unreadable(self, text: str) -> Fault | None:
        """Return the fault of text that could not be decoded, or None."""
        if "\0" in text:
            return Fault("nul", "it holds a NUL, so it is not text")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            told = self._encoding.removesuffix("-sig")
            return Fault("encoding", f"not {told} text (--encoding names another)")
        return None

    def _lines(self) -> Iterator[str]:
        # an undecodable byte becomes a lone surrogate, so that only its row is rejected
        with io.TextIOWrapper(self._file, self._encoding, errors="surrogateescape", newline="") as lines:
            try:
                yield from lines
            except UnicodeError as error:
                message = f"{self.name} is not {self._encoding} text; --encoding names another"
                raise FileError(message, "encoding") from error

    def _csv(self) -> Iterator[tuple[Any, str] | Reject]:
        if self._sheet:
            rows = self._sheet.rows()
        else:
            start = self._file.peek(4096)[:4096].decode(self._encoding, "replace")
            self._delimiter = self._delimiter or delimiter_of(start, {self.column})
            rows = training_csv.rows(self._lines(), self._delimiter, self.name)
        first = next(rows, None)
        if first is None:
            raise FileError(f"{self.name} is empty; it needs a header and rows", "empty")
        header = [name.strip() for name in first[1]]
        # Excel writes columns without a name where cells are formatted and empty
        kept = [place for place, name in enumerate(header) if name or header.count("") == 1]
        names = [header[place] for place in kept]
        self._require(names)
        self.schema = pa.schema([(name, pa.string()) for name in names])
        place = header.index(self.column or names[0])

        def items() -> Iterator[tuple[Any, str] | Reject]:
            for line, fields in rows:
                if len(fields) != len(header):
                    reason = f"{len(fields)} fields where the header has {len(header)}"
                    yield Reject(line, "fields", reason, fields)
                    continue
                fault = next(filter(None, map(self._unreadable, fields)), None) or self._fault(fields[place])
                row = [fields[number] for number in kept]
                yield Reject(line, *fault, row) if fault else (row, fields[place])

        return items()

    def _json(self) -> Iterator[tuple[Any, str] | Reject]:
        for number, written in enumerate(self._lines(), 1):
            line = written.strip()
            if not line:
                continue
            fault: Fault | None = None
            row: Any = None
            try:
                line.encode()
                row = json.loads(line)
            except UnicodeEncodeError:
                fault = self._unreadable(line)  # undecodable bytes
            except (ValueError, RecursionError) as error:
                fault = Fault("json", f"no JSON ({first_line(error)})")
            if not fault and not isinstance(row, dict):
                fault = Fault("json", "no JSON object")
            if isinstance(row, dict):
                self.column = self.column or next(iter(row), None)
                if taken := [name for name in row if ADDED.fullmatch(name)]:
                    raise FileError(
                        f"{self.name}, line {number}, has a {taken[0]!r} already, which scoring would add; rename it",
                        "taken",
                        column=taken[0],
                    )
                if self.column in row:
                    fault = self._fault(row[self.column])
                else:
                    fault = Fault("missing", f"no {self.column!r}{nearest(self.column or '', row)}")
            yield Reject(number, *fault, line) if fault else (_encodable(line, row), row[self.column])

    def _parquet(self) -> Iterator[tuple[Any, str] | Reject]:
        try:
            self.schema = pq.read_schema(self._file).remove_metadata()
            # dictionaries hold each distinct text once, but grow with the file
            texts = [field.name for field in self.schema if _is_text(field.type)] if self._longest else None
            file = pq.ParquetFile(self._file, pre_buffer=False, read_dictionary=texts)
        except (pa.ArrowException, OSError) as error:
            raise FileError(f"{self.name} is not a complete Parquet file ({first_line(error)})", "damaged") from error
        self._require(self.schema.names)
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        self.unpacked = sum(group.total_byte_size for group in groups)

        names = self.schema.names

        def items() -> Iterator[tuple[Any, str] | Reject]:
            number = 0
            try:
                for batch in file.iter_batches(BATCH):
                    for place in range(len(batch)):  # one at a time, since each is a copy
                        row = {name: column[place].as_py() for name, column in zip(names, batch.columns, strict=True)}
                        number += 1
                        self._share = number / file.metadata.num_rows
                        fault = self._fault(row[self.column])
                        yield Reject(number, *fault, row) if fault else (row, row[self.column])
            except (pa.ArrowException, OSError) as error:
                message = f"{self.name} cannot be read after row {number} ({first_line(error)})"
                raise FileError(message, "damaged") from error

        return items()


def _encodable(line: str, row: dict[str, Any]) -> str:
    """Return a line of JSON, with a question mark for each lone surrogate: no file of scores could hold one."""
    if "\\ud" not in line.lower():
        return line
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace").decode()


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _characters(row: str | list[str] | dict[str, Any]) -> int:
    """Return the characters of a row's texts: a line of JSON, the fields of a CSV or the columns of Parquet."""
    values = [row] if isinstance(row, str) else row.values() if isinstance(row, dict) else row
    return sum(len(value) for value in values if isinstance(value, str))
