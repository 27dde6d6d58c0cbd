"""Find the parameters that a file of essays needs, and the reasons.

`training_csv`, which later reads the file, decides what is a number, a copy, or an invalid row.
"""

import csv
import shutil
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import partial
from io import TextIOWrapper
from math import inf
from pathlib import Path
from typing import NamedTuple

from redacoes.errors import UserError, nearest
from redacoes.essays import training_csv, workbook
from redacoes.essays.columns import UNNAMED, rank
from redacoes.essays.splits import assign
from redacoes.essays.summary import gather
from redacoes.essays.text_files import Form, asked_form, delimiter_of, encoding_of
from redacoes.formatting import beginning
from redacoes.params import Data, Params

TABLES = {".csv", ".tsv", ".txt"}
LONG = 200  # characters: smallest mean length of a column that may hold essays, whatever its name
SHORT = 40  # characters: longest number or name of a theme
MOST = 10_000  # distinct values kept per column
SURE = 0.9  # share of values or rows for which a condition must hold
THEMES = 10  # minimum for a grouped split; with fewer, its parts say nothing about new themes
SCALES = (10, 100, 1000)  # the highest scores of exams
TOKENS = 1.5  # per word; on Essay-BR, 1.4 with e5's vocabulary and 1.75 with 2,000 pieces from scratch
POSITIONS = 512  # tokens: the usual longest input of an encoder


class Asked(NamedTuple):
    """The user's options for a file. None means that the value is detected.

    Attributes:
        essay: Column of the essay.
        score: Column of the score.
        group: Column of the group, such as the theme, that must stay on one side of the split; an empty string for
            none.
        scale: The highest score that the file can hold.
        sheet: Name of a workbook's sheet.
        delimiter: Delimiter of a CSV.
        encoding: Encoding of a CSV.
    """

    essay: str | None = None
    score: str | None = None
    group: str | None = None
    scale: float | None = None
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None


class Setting(NamedTuple):
    """The value that a parameter needs, and the reason."""

    key: str
    value: str | float | None
    reason: str


@dataclass
class _Column:
    """Statistics of a column, updated row by row."""

    name: str
    filled: int = 0
    characters: int = 0
    numbers: int = 0
    highest: dict[int, Decimal] = field(default_factory=lambda: dict.fromkeys(SCALES, Decimal(0)))  # as read on each
    first: str = ""
    values: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        text = text.strip()
        if not text:
            return
        self.filled += 1
        self.first = self.first or beginning(text, SHORT)
        self.characters += len(text)
        if len(self.values) < MOST:
            self.values.add(text if len(text) <= SHORT else str(hash(text)))  # a hash needs less memory than an essay
        if len(text) <= SHORT:
            try:
                numbers = {scale: training_csv.number_of(text, scale) for scale in SCALES}
            except InvalidOperation:
                return
            if all(map(Decimal.is_finite, numbers.values())):
                self.numbers += 1
                self.highest = {scale: max(self.highest[scale], number) for scale, number in numbers.items()}

    @property
    def length(self) -> float:
        return self.characters / max(self.filled, 1)

    @property
    def is_of_numbers(self) -> bool:
        return bool(self.filled) and self.numbers >= SURE * self.filled

    @property
    def is_of_own_values(self) -> bool:
        """Whether most values are unique."""
        return len(self.values) > min(self.filled, MOST) / 2


class _Table(NamedTuple):
    """A file whose columns have no role yet: their statistics, its origin, and the parameters to read it."""

    columns: list[_Column]
    origin: str
    form: list[Setting]


def look(path: Path, asked: Asked, params: Params, target: str, draft: Path) -> list[Setting]:
    """Return the parameters that a file needs, after reading it as `prepare` does.

    Args:
        path: A CSV, or a workbook.
        asked: The user's options for the file.
        params: The current parameters.
        target: The path of its copy in the project.
        draft: The path at which the file is written as a CSV.

    Raises:
        UserError: The columns are ambiguous, or the file cannot be used for training.
    """
    is_workbook = path.suffix.lower() in workbook.SUFFIXES
    form = asked_form(str(path), is_workbook, asked.sheet, asked.delimiter, asked.encoding)
    table = _sheet(path, asked, draft) if is_workbook else _csv(path, asked, form, draft)
    essay = _choose(path, "essay", asked.essay, table.columns)
    left = [column for column in table.columns if column.name != essay.value]
    score = _choose(path, "score", asked.score, left)
    group = _group(path, asked.group, [column for column in left if column.name != score.value])
    scores = next(column for column in left if column.name == score.value)
    found = [Setting("data.csv", target, table.origin), *table.form, essay, score, group, _scale(path, asked, scores)]
    data = params.data.model_copy(update={finding.key.removeprefix("data."): finding.value for finding in found})
    found.append(_rounding(data, scores))
    data = data.model_copy(update={"rounding": found[-1].value})
    name = target if is_workbook else str(path)  # messages give line numbers of this file
    try:
        found += _rows(draft, data, params, name)
    except UserError as error:
        raise UserError(str(error).replace(str(draft), name)) from error
    return found


def _sheet(path: Path, asked: Asked, draft: Path) -> _Table:
    sheet = workbook.read(path, asked.sheet)
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)

        def written() -> Iterator[list[str]]:
            for _, row in sheet.rows():
                writer.writerow(row)
                yield row

        columns = _columns(path, written())
    others = f"; not: {', '.join(map(repr, sheet.others))} (--sheet)" if sheet.others else ""
    form = [
        Setting("data.delimiter", ",", "what a workbook becomes"),
        Setting("data.encoding", "utf-8", "what a workbook becomes"),
    ]
    return _Table(columns, f"sheet {sheet.name!r} of {path.name}{others}", form)


def _csv(path: Path, asked: Asked, form: Form, draft: Path) -> _Table:
    if path.suffix.lower() not in TABLES:
        raise UserError(f"{path} must be a table: {', '.join(sorted(TABLES | workbook.SUFFIXES))}; export it as CSV")
    shutil.copyfile(path, draft)
    with draft.open("rb") as file:
        start = file.read(1 << 16)
        if kind := training_csv.container(start):
            raise UserError(f"{path} is {kind}, despite its name; give it the suffix of what it is")
        file.seek(0)
        codec = form.codec or encoding_of(file)
        encoding = asked.encoding or codec.removesuffix("-sig")
        wanted = {asked.essay, asked.score, asked.group} - {""}
        delimiter = form.delimiter or delimiter_of(start.decode(codec, "replace"), wanted)
        try:
            with TextIOWrapper(file, codec, errors="replace", newline="") as lines:
                columns = _columns(path, (fields for _, fields in training_csv.rows(lines, delimiter, str(path))))
        except UnicodeError as error:  # some codecs raise it all the same
            raise UserError(f"{path} is not {encoding} text ({error}); --encoding names another") from error
    seen = "its bytes are not UTF-8" if encoding == "cp1252" else "its bytes"
    found = [
        Setting("data.delimiter", delimiter, "as asked" if asked.delimiter else "the header"),
        Setting("data.encoding", encoding, "as asked" if asked.encoding else seen),
    ]
    return _Table(columns, f"a copy of {path.name}", found)


def _columns(path: Path, rows: Iterator[list[str]]) -> list[_Column]:
    header = [name.strip() for name in next(rows, [])]
    if not header:
        raise UserError(f"{path} is empty; it needs a header and rows")
    if repeated := [name for name, count in Counter(header).items() if count > 1 and name]:
        raise UserError(f"{path}: the column {repeated[0]!r} appears twice; rename one")
    columns = [_Column(name) for name in header]
    if len(columns) < 2:
        raise UserError(
            f"{path} has no two columns, of which one holds essays and one scores (--delimiter divides them)"
        )
    for row in rows:
        for column, text in zip(columns, row, strict=False):
            column.add(text)
    if not any(column.filled for column in columns):
        raise UserError(f"{path} has a header and no rows; add essays to it")
    return [column for column in columns if column.name]


def _asked(path: Path, name: str, columns: Sequence[_Column]) -> _Column:
    known = [column.name for column in columns]
    if name not in known:
        raise UserError(f"{path} has no column {name!r} among {', '.join(map(repr, known))}{nearest(name, known)}")
    return columns[known.index(name)]


def _choose(path: Path, what: str, asked: str | None, columns: Sequence[_Column]) -> Setting:
    """Return the column of the essay or the score. Raises UserError if it is ambiguous."""
    key = f"data.{what}_column"
    if asked:
        return Setting(key, _asked(path, asked, columns).name, "as asked")
    if what == "essay":
        texts = [column for column in columns if not column.is_of_numbers and column.is_of_own_values]
        fit = [column for column in texts if column.length >= LONG] or [
            column for column in texts if rank(column.name, what) < UNNAMED
        ]
        trait = "long texts"
    else:
        named = [column for column in columns if rank(column.name, what) < UNNAMED]
        fit = [column for column in named or columns if column.is_of_numbers]
        trait = "numbers"
    if not fit:
        known = ", ".join(f"{column.name!r} ({column.first!r}, say)" for column in columns)
        raise UserError(f"{path} has no column of {trait} for the {what} among {known}; --{what}-column names one")
    ranks = [rank(column.name, what) for column in fit]
    best = [column for column, rank in zip(fit, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        known = ", ".join(repr(column.name) for column in best)
        raise UserError(f"{path} has several columns that may hold the {what}, {known}; --{what}-column names the one")
    why = "its name" if min(ranks) < UNNAMED else f"the only one of {trait}"
    others = [repr(column.name) for column in fit if column is not best[0]]
    also = f"; {trait} as well: {', '.join(others)}" if others else ""
    return Setting(key, best[0].name, f"{why}{also}")


def _group(path: Path, asked: str | None, columns: Sequence[_Column]) -> Setting:
    """Return the column of the theme, found by its name. Other candidates are named in the reason."""
    key = "data.group_column"
    if asked == "":
        return Setting(key, None, "as asked")
    if asked:
        return Setting(key, _asked(path, asked, columns).name, "as asked")
    named = sorted((rank(column.name, "group"), place) for place, column in enumerate(columns))
    if named and named[0][0] < UNNAMED:
        column = columns[named[0][1]]
        count = len(column.values)
        if count < THEMES:
            return Setting(key, None, f"{column.name!r} has only {count} values, too few to divide")
        if column.is_of_own_values:
            return Setting(key, None, f"nearly every row has a {column.name!r} of its own")
        return Setting(key, column.name, f"its name; {count} values")
    others = [
        f"{column.name!r} ({len(column.values)} values)"
        for column in columns
        if len(column.values) >= THEMES and not column.is_of_own_values and not column.is_of_numbers
    ]
    return Setting(key, None, f"--group-column could name {' or '.join(others)}" if others else "no column of themes")


def _scale(path: Path, asked: Asked, scores: _Column) -> Setting:
    key = "data.score_scale"
    if asked.scale is not None:
        if not 0 < asked.scale < inf:
            raise UserError(f"--scale is {asked.scale:g}; it must be the highest score that the file can hold")
        return Setting(key, asked.scale, "as asked")
    scale = next((scale for scale in SCALES if scores.highest[scale] <= scale), None)
    highest = scores.highest[scale or SCALES[-1]]
    if scale is None:
        raise UserError(f"{path}: a score is {highest}, and no exam's scale goes so far; --scale gives the highest one")
    other = f"; --scale where it can hold no more than {highest}" if highest <= scale / 2 else ""
    return Setting(key, scale, f"the highest score is {highest}{other}")


def _rounding(data: Data, scores: _Column) -> Setting:
    key, exact = "data.rounding", data.model_copy(update={"rounding": "error"})
    for text in sorted(scores.values):
        try:
            training_csv.parse_score(text, exact)
        except training_csv.InvalidRowError as invalid:
            if invalid.reason == "score_not_whole":
                value = data.rounding if data.rounding != "error" else "half_up"
                return Setting(key, value, f"{text!r}, for one, is not whole on the scale of 0 to {data.max_score}")
    return Setting(key, "error", f"all scores are whole on the scale of 0 to {data.max_score}")


def _rows(draft: Path, data: Data, params: Params, name: str) -> list[Setting]:
    """Read all rows as `prepare` does. Return how to treat unusable rows, the split strategy and the longest input."""
    strategy: str = "grouped" if data.group_column else params.split.strategy.replace("grouped", "shuffled")
    lenient = {"invalid_rows": "drop", "duplicates": "keep" if data.duplicates == "keep" else "drop"}
    _, prepared = gather(
        training_csv.read(draft, data.model_copy(update=lenient)), strategy == "grouped", partial(deque, maxlen=0)
    )
    counted, words = prepared.counted, prepared.words
    copies = sum(count for reason, count in counted.dropped.items() if reason.startswith("duplicate"))
    invalid, found = sum(counted.dropped.values()) - copies, []
    if invalid:
        first = _first_fault(draft, data).replace(str(draft), name)
        if invalid > (1 - SURE) * counted.read:
            raise UserError(f"{invalid} of {counted.read} rows cannot be used; the first: {first}")
        found.append(Setting("data.invalid_rows", "drop", f"{invalid} of {counted.read}; the first: {first}"))
    if copies:
        others = counted.dropped.get("duplicate_with_another_score")
        told = f"{copies} copies of an essay{f', {others} with another score' if others else ''}: the first is kept"
        found.append(Setting("data.duplicates", "drop", told))
    split = params.split.model_copy(update={"strategy": strategy})
    parts = assign(prepared.scores, prepared.groups, prepared.copies, split)
    told = ", ".join(f"{len(rows)} {part}" for part, rows in parts.items())
    whole = f"; no {data.group_column!r} on two sides" if data.group_column else ""
    found.append(Setting("split.strategy", strategy, f"{told}{whole}"))
    most = min(POSITIONS, params.checkpoint.max_positions)
    now = params.tokenize.max_length
    cut = (TOKENS * words > now).mean()
    if now < most and cut > 1 - SURE:
        told = f"of {sorted(words)[len(words) // 2]} words in the middle, {cut:.0%} may have more than {now} tokens"
        found.append(Setting("tokenize.max_length", most, told))
    return found


def _first_fault(draft: Path, data: Data) -> str:
    try:
        for _ in training_csv.read(draft, data.model_copy(update={"invalid_rows": "error", "duplicates": "keep"})):
            pass
    except UserError as error:
        return str(error)
    return ""
