"""Reading files of essays to score: CSV, JSON lines and Parquet, in windows, whatever else they hold carried along.

What is learnt from is read by `corpus`, which asks for more. Nothing here knows about models.
"""

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from redacoes import corpus
from redacoes.errors import UserError, first_line, nearest

STDIN = "-"
ROWS = 1024  # of a window
CHARACTERS = 8_000_000  # of the essays of a window, whichever comes first
BATCH = 256  # rows of Parquet at once
SUFFIXES = {".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
RAW = "json"  # the one column in which a row of JSON lines is carried, as it was written
ADDED = re.compile(r"predicted|expected|confidence|p_\d+|low|high|tokens|truncated")  # columns that scoring adds


@dataclass(frozen=True)
class Reject:
    """A row that cannot be scored.

    Attributes:
        line: On which it begins, counted from 1; in Parquet the number of the row.
        reason: What is wrong with it.
        raw: The row, as far as it can be told.
    """

    line: int
    reason: str
    raw: Any


@dataclass
class Window:
    """Rows that are scored together.

    Attributes:
        texts: Their essays.
        carried: Their rows, as a table whose one column `RAW` holds JSON objects where `kind` is json.
        rejects: Rows that stood between them and cannot be scored.
        share: Of the file, how much had been read by their end; None where its size is not known.
    """

    texts: list[str]
    carried: pa.Table
    rejects: list[Reject]
    share: float | None


class EssayFile:
    """A file of essays, open for reading.

    Attributes:
        kind: csv, json or parquet.
    """

    def __init__(self, path: str, column: str, delimiter: str, encoding: str) -> None:
        """Open the file and look at what it begins with, so that a mistake is told before anything takes long.

        Args:
            path: Of the file; ``-`` for the standard input, which may be a CSV or JSON lines.
            column: Where the essay stands.
            delimiter: Between the fields of a CSV: one character, or ``\\t`` written out.
            encoding: Of the text of a CSV or of JSON lines.

        Raises:
            UserError: There is no such file or column, or it is a file of another kind.
        """
        self._delimiter = delimiter.replace("\\t", "\t")
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            raise UserError(f"--delimiter is {delimiter!r}; it must be one character, and no quote or line break")
        self.name, self.column = "standard input" if path == STDIN else path, column
        try:
            "".encode(encoding)
        except LookupError as error:
            raise UserError(f"--encoding is {encoding!r}, which Python does not know as a text encoding") from error
        self._encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        self._file = self._open(path)
        start = self._file.peek(4096)[:4096]
        self._size = None if path == STDIN else Path(path).stat().st_size
        suffix = Path(path).suffix.lower()
        if path != STDIN and suffix not in SUFFIXES:
            raise UserError(f"{path} must be named .csv, .jsonl or .parquet, so that its format is known")
        self.kind = SUFFIXES.get(suffix, "json" if start.lstrip().startswith(b"{") else "csv")
        if (found := corpus.container(start)) and (self.kind, found) != ("parquet", corpus.CONTAINERS[b"PAR1"]):
            raise UserError(f"{self.name} is {found}, and is read as {self.kind}; export it, or name it as what it is")
        if not start:
            raise UserError(f"{self.name} is empty")
        self._share: float | None = None
        self.schema: pa.Schema | None = None  # of what is carried; JSON has none
        self._items = {"csv": self._csv, "json": self._json, "parquet": self._parquet}[self.kind]()

    def _open(self, path: str) -> io.BufferedReader:
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
        """Yield all rows in windows of no more than `ROWS` rows, and of `CHARACTERS` or one essay more.

        Raises:
            UserError: The file cannot be read on: a quote is open, or a file is cut short.
        """
        rows: list[Any] = []
        texts: list[str] = []
        rejects: list[Reject] = []
        size = 0
        for item in self._items:
            if isinstance(item, Reject):
                rejects.append(item)
                continue
            row, text = item
            rows.append(row)
            texts.append(text)
            size += len(text)
            if len(rows) == ROWS or size >= CHARACTERS:
                yield self._window(rows, texts, rejects)
                rows, texts, rejects, size = [], [], [], 0
        if rows or rejects:
            yield self._window(rows, texts, rejects)

    def _window(self, rows: list[Any], texts: list[str], rejects: list[Reject]) -> Window:
        if self.schema is None:
            carried = pa.table({RAW: pa.array(rows, pa.string())})
        elif self.kind == "csv":
            columns = zip(*rows, strict=True) if rows else [()] * len(self.schema)
            carried = pa.table([pa.array(column, pa.string()) for column in columns], schema=self.schema)
        else:
            carried = pa.Table.from_pylist(rows, schema=self.schema)
        if self._size and self.kind != "parquet":
            self._share = 1.0 if self._file.closed else self._file.tell() / self._size
        return Window(texts, carried, rejects, self._share)

    def _require(self, columns: Sequence[str]) -> None:
        if repeated := [name for place, name in enumerate(columns) if name in columns[:place]]:
            raise UserError(f"{self.name}: the column {repeated[0]!r} stands twice; rename one")
        if taken := [name for name in columns if ADDED.fullmatch(name)]:
            raise UserError(f"{self.name} has a column {taken[0]!r} already, which scoring would add; rename it")
        if self.column not in columns:
            for other in ",;\t|":
                if len(columns) == 1 and other != self._delimiter and other in columns[0]:
                    raise UserError(
                        f"{self.name}: the columns are separated by {other!r}, not by {self._delimiter!r}; "
                        f"add --delimiter {other!r}"
                    )
            raise UserError(
                f"{self.name}: no column {self.column!r} among {', '.join(map(repr, columns))}"
                f"{nearest(self.column, columns)} (--text-column names it)"
            )

    def _fault(self, text: Any) -> str:
        """Return why an essay cannot be scored, or an empty string."""
        if text is None:
            return f"{self.column!r} is missing"
        if not isinstance(text, str):
            return f"{self.column!r} is of type {type(text).__name__}, and must be text"
        return self._unreadable(text) or ("" if corpus.clean(text) else "the essay is empty")

    def _unreadable(self, text: str) -> str:
        """Return why what was read is no text, or an empty string."""
        if "\0" in text:
            return "it holds a NUL, so it is no text"
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return f"not {self._encoding.removesuffix('-sig')} text (--encoding names another, such as latin-1)"
        return ""

    def _lines(self) -> Iterator[str]:
        # a byte that is no text becomes a lone surrogate, which marks its row alone
        with io.TextIOWrapper(self._file, self._encoding, errors="surrogateescape", newline="") as lines:
            try:
                yield from lines
            except UnicodeError as error:
                raise UserError(f"{self.name} is not {self._encoding} text; --encoding names another") from error

    def _csv(self) -> Iterator[tuple[Any, str] | Reject]:
        rows = corpus.rows(self._lines(), self._delimiter, self.name)
        first = next(rows, None)
        if first is None:
            raise UserError(f"{self.name} is empty; it needs a header and rows")
        header = [name.strip() for name in first[1]]
        self._require(header)
        self.schema = pa.schema([(name, pa.string()) for name in header])
        place = header.index(self.column)

        def items() -> Iterator[tuple[Any, str] | Reject]:
            for line, fields in rows:
                if len(fields) != len(header):
                    yield Reject(line, f"{len(fields)} fields where the header has {len(header)}", fields)
                elif fault := next(filter(None, map(self._unreadable, fields)), "") or self._fault(fields[place]):
                    yield Reject(line, fault, fields)
                else:
                    yield fields, fields[place]

        return items()

    def _json(self) -> Iterator[tuple[Any, str] | Reject]:
        for number, written in enumerate(self._lines(), 1):
            line = written.strip()
            if not line:
                continue
            fault, row = "", None
            try:
                line.encode()
                row = json.loads(line)
            except UnicodeEncodeError:
                fault = self._unreadable(line)
            except (ValueError, RecursionError) as error:
                fault = f"no JSON ({first_line(error)})"
            if not fault and not isinstance(row, dict):
                fault = "no JSON object"
            if isinstance(row, dict):
                if taken := [name for name in row if ADDED.fullmatch(name)]:
                    raise UserError(
                        f"{self.name}, line {number}, has a {taken[0]!r} already, which scoring would add; rename it"
                    )
                if self.column not in row:
                    fault = f"no {self.column!r}{nearest(self.column, row)}"
                fault = fault or self._fault(row[self.column])
            yield Reject(number, fault, line) if fault or row is None else (line, row[self.column])

    def _parquet(self) -> Iterator[tuple[Any, str] | Reject]:
        try:
            file = pq.ParquetFile(self._file, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.name} is no whole Parquet file ({first_line(error)})") from error
        self._require(file.schema_arrow.names)
        self.schema = file.schema_arrow.remove_metadata()

        def items() -> Iterator[tuple[Any, str] | Reject]:
            number = 0
            try:
                for batch in file.iter_batches(BATCH):
                    for row in batch.to_pylist():
                        number += 1
                        self._share = number / file.metadata.num_rows
                        fault = self._fault(row[self.column])
                        yield Reject(number, fault, row) if fault else (row, row[self.column])
            except (pa.ArrowException, OSError) as error:
                raise UserError(f"{self.name} cannot be read after row {number} ({first_line(error)})") from error

        return items()
