"""Scoring of a file of essays for the page: rows in their order, one student's essay, and downloads.

No part of an essay is logged, or kept outside the page's private folder. This module does not depend on Gradio.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from redacoes.errors import FileError
from redacoes.essays import columns, spreadsheets
from redacoes.essays.columns import Columns, rows_of
from redacoes.essays.scoring_input import EssayFile, Window
from redacoes.essays.spreadsheets import is_cut, write_csv_br, write_xlsx
from redacoes.formatting import beginning
from redacoes.inference.batch import typed
from redacoes.inference.scorer import DECIMALS
from redacoes.languages import Language, short
from redacoes.web.service import CHARACTERS, RefusedError, Service
from redacoes.web.texts import say

ROWS = 20_000  # in one file
ALL_COLUMNS = 1000
ALL_CHARACTERS = 100_000_000  # in one file: a Parquet file of a few hundred bytes can expand to gigabytes
BYTES = 4  # maximum for a character in UTF-8
SHOWN = 200  # essays of a class, at most
SHOWN_COLUMNS = 20
SCORES = ["predicted", "expected", "low", "high", "truncated"]  # columns of the score that are shown
NAME = 80  # characters of a student's name


@dataclass(frozen=True)
class Row:
    """A row of a file.

    Attributes:
        number: Counted from 1.
        name: The student's, or an empty string.
        carried: Its values, by column.
        score: A row of what :meth:`redacoes.Scorer.score` returns; None if it cannot be scored.
        line: The line on which it begins if it cannot be scored; else 0.
        fault: Why it cannot be scored: a key of :class:`redacoes.essays.scoring_input.Reject`; else empty.
    """

    number: int
    name: str
    carried: dict[str, Any]
    score: dict[str, Any] | None
    line: int
    fault: str

    def beginning(self, shown: Sequence[str]) -> "Row":
        """Return a copy to show: only the columns in `shown`, with texts cut short."""
        carried = {name: _text(self.carried.get(name)) for name in shown}
        score = self.score and {name: self.score[name] for name in SCORES}
        return Row(self.number, self.name, carried, score, self.line, self.fault)


@dataclass(frozen=True)
class BatchSummary:
    """Summary of a scored file, kept so that it can be shown again.

    Attributes:
        path: The file.
        columns: Its columns; the user chose `essay` and `student`.
        first: The beginnings of the first rows that are scored.
        predicted: How many essays have each score.
        rejected: How many rows cannot be scored.
        fault: The beginning of the first rejected row; None if there is none.
        long: How many rows have a text that is too long for a cell of a workbook.
        scores: What :meth:`redacoes.Scorer.score` returns of the rows that are scored.
    """

    path: str
    columns: Columns
    first: list[Row]
    predicted: list[int]
    rejected: int
    fault: Row | None
    long: int
    scores: pd.DataFrame

    @property
    def scored(self) -> int:
        """How many essays have a score."""
        return sum(self.predicted)

    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return sum(score * count for score, count in enumerate(self.predicted)) / self.scored

    @property
    def spread(self) -> float:
        """Standard deviation of the scores, over the class."""
        squares = sum(count * (score - self.mean) ** 2 for score, count in enumerate(self.predicted))
        return sqrt(squares / self.scored)


def look(path: str, language: Language) -> Columns:
    """Return the columns of a file. Raises RefusedError if it cannot be read."""
    return _told(language, lambda: columns.look(_here(path, language), CHARACTERS))


def score(
    service: Service,
    path: str,
    essay: str,
    student: str | None,
    language: Language,
    progress: Callable[[tuple[int, int]], None],
) -> tuple[list[Row], BatchSummary]:
    """Return the rows of a file of essays with their scores, and what is shown of them.

    Args:
        service: The model.
        path: A file in any format of `redacoes score`. Encoding and the delimiter of a CSV are detected: spreadsheets
            in Brazil write semicolons, and Windows writes its own encoding.
        essay: The column of the essay.
        student: The column of the student's name; None if there is none.
        language: Of messages.
        progress: Called with the number of essays scored, and with their total.

    Raises:
        RefusedError: It cannot be read, or holds more than the page takes.
    """
    path = _here(path, language)
    source, windows = _told(language, lambda: _read(path, essay, language))
    total = sum(len(window.texts) for window in windows)
    if not total:
        first = next(chain.from_iterable(window.rejects for window in windows), None)
        told = told_reject(first.line, first.fault, language) if first else ""
        raise RefusedError(say("no_row", language, first=told))
    scorer, tables, done = service.scorer(language), [], 0
    for _, table in scorer.stream(enumerate(window.texts for window in windows if window.texts)):
        tables.append(table)
        done += len(table)
        progress((done, total))
    scores = pd.concat(tables, ignore_index=True)
    rows = list(_rows(source, windows, student, scores))
    names = source.columns or list(dict.fromkeys(name for row in rows for name in row.carried))
    shown = [name for name in names if name != student][:SHOWN_COLUMNS]
    rejects = [row for row in rows if row.score is None]
    counts = np.bincount(scores["predicted"], minlength=scorer.classes).tolist()
    first = [row.beginning(shown) for row in rows if row.score is not None][:SHOWN]
    fault = rejects[0].beginning([]) if rejects else None
    long = sum(any(map(is_cut, row.carried.values())) for row in rows)
    return rows, BatchSummary(path, Columns(names, essay, student), first, counts, len(rejects), fault, long, scores)


def rows(found: BatchSummary, language: Language) -> list[Row]:
    """Return all rows of a class with the scores that they have. Raises RefusedError if the file is gone."""
    path, essay, student = _here(found.path, language), found.columns.essay, found.columns.student
    source, windows = _told(language, lambda: _read(path, essay, language))
    return list(_rows(source, windows, student, found.scores))


def _rows(source: EssayFile, windows: Sequence[Window], student: str | None, scores: pd.DataFrame) -> Iterator[Row]:
    number = 0
    of_rows: Iterator[Any] = iter(scores.to_dict("records"))
    for window in windows:
        for reject, carried in rows_of(source, window):
            number += 1
            name = _text(carried.get(student), NAME) if student else ""
            if reject:
                yield Row(number, name, carried, None, reject.line, reject.fault)
            else:
                yield Row(number, name, carried, next(of_rows), 0, "")


def essays(found: BatchSummary, language: Language) -> Iterator[tuple[int, str, str]]:
    """Yield number, student's name and essay of each valid row. Raises RefusedError if the file is gone."""
    path, essay, student = _here(found.path, language), found.columns.essay, found.columns.student
    source, windows = _told(language, lambda: _read(path, essay, language))
    rows = chain.from_iterable(rows_of(source, window) for window in windows)
    for number, (reject, carried) in enumerate(rows, 1):
        if not reject:
            yield number, _text(carried.get(student), NAME) if student else "", carried[essay]


def essay(found: BatchSummary, number: int, language: Language) -> tuple[str, str]:
    """Return student's name and essay of a row. Raises RefusedError if the file or the essay is missing."""
    for row, name, text in essays(found, language):
        if row == number:
            return name, text
    raise RefusedError(say("no_student", language))


def _here(path: str, language: Language) -> str:
    """Return the path of a file that still exists, and keep it for another quarter of an hour."""
    if not Path(path).exists():
        raise RefusedError(say("file_gone", language))
    Path(path).touch()
    return path


def _told(language: Language, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except FileError as error:
        raise RefusedError(say(f"file_{error.key}", language, **error.values)) from error


def _read(path: str, column: str, language: Language) -> tuple[EssayFile, list[Window]]:
    source = EssayFile(path, column, longest=CHARACTERS)
    return source, list(_within_limits(source, language))


def _within_limits(source: EssayFile, language: Language) -> Iterator[Window]:
    too_large = RefusedError(say("too_large", language, most=ALL_CHARACTERS))
    if source.unpacked > BYTES * ALL_CHARACTERS:
        raise too_large
    if len(source.columns) > ALL_COLUMNS:
        raise RefusedError(say("too_many_columns", language, most=ALL_COLUMNS))
    rows = characters = 0
    for window in source.windows():
        rows += len(window.texts) + len(window.rejects)
        characters += window.characters
        if rows > ROWS:
            raise RefusedError(say("too_many", language, most=ROWS))
        if characters > ALL_CHARACTERS:
            raise too_large
        yield window


def _text(value: Any, length: int = 100) -> str:
    return "" if value is None else beginning(str(value), length)


def told_reject(line: int, fault: str, language: Language) -> str:
    """Return a sentence that says which row cannot be scored, and why."""
    return say("reject", language, line=line, reason=reason(fault, language))


def reason(fault: str, language: Language) -> str:
    """Return why a row cannot be scored."""
    return say(f"row_{fault}", language, most=CHARACTERS)


def downloads(rows: Sequence[Row], found: BatchSummary, points: float, language: Language, folder: Path) -> list[Path]:
    """Write all rows of a class as a workbook and a CSV; rows that cannot be scored have the reason.

    Args:
        rows: Of the class, in the file's order.
        found: The class.
        points: Points for one step of the score.
        language: Of the headings.
        folder: Where the files are written.

    Returns:
        The workbook, and the CSV in the form that Excel reads in Brazil.
    """
    names, classes = found.columns.names, range(len(found.predicted))
    header = [*names, say("col_predicted", language)]
    if points != 1:
        header.append(say("col_class", language, most=classes[-1]))
    header += [say(f"col_{name}", language) for name in ("expected", "low", "high", "confidence")]
    header += [say("col_chance", language, score=short(step * points, language)) for step in classes]
    header += [say(f"col_{name}", language) for name in ("tokens", "truncated", "reason")]

    def values(row: Row) -> list[Any]:
        kept = [typed(row.carried.get(name)) for name in names]
        if row.score is None:
            return [*kept, *[None] * (len(header) - len(names) - 1), reason(row.fault, language)]
        score = row.score
        low, high, decided = (_whole(score[name] * points) for name in ("low", "high", "predicted"))
        of_class = [score["predicted"]] if points != 1 else []
        cells = [decided, *of_class, round(score["expected"] * points, 4), low, high]
        chances = [score["confidence"], *(score[f"p_{step}"] for step in classes)]
        return [*kept, *cells, *chances, score["tokens"], say(str(score["truncated"]), language), None]

    stem = say("file_scores", language)
    workbook, table = folder / f"{stem}.xlsx", folder / f"{stem}.csv"
    write_xlsx(workbook, header, map(values, rows))
    write_csv_br(table, header, map(values, rows))
    return [workbook, table]


def _whole(value: float) -> float:
    return int(value) if value == int(value) else round(value, DECIMALS)


def write_csv(rows: Sequence[Row], names: Sequence[str], path: Path) -> None:
    """Write the rows that have a score as a comma-separated CSV for programs; no text can run as a formula.

    Args:
        rows: Of a class.
        names: Its columns.
        path: The file.
    """
    scored = [(row.carried, row.score) for row in rows if row.score is not None]
    values = ([*(carried.get(name) for name in names), *score.values()] for carried, score in scored)
    spreadsheets.write_csv(path, [*names, *scored[0][1]], values)
