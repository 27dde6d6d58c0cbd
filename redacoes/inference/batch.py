"""Score a file of essays in windows, so that memory does not grow with the file and a killed run can resume.

The output appears whole or not at all. Until then, parts lie beside it, one for each window. A part's name is a hash of
the window and of the scorer: a resumed run reads the file again, and uses the parts that exist.
"""

import csv
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from redacoes.errors import UserError, warn
from redacoes.essays import spreadsheets
from redacoes.essays.scoring_input import RAW, EssayFile, Reject, Window
from redacoes.files import abandoned
from redacoes.inference.scorer import DECIMALS, Scorer

NAMED = ".csv, .tsv, .xlsx, .jsonl or .parquet"  # what an output must be named
NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{0,14}[1-9])?")  # as a program writes one, and not "007" or "1.10"


@dataclass
class BatchProgress:
    """How far a run has come.

    Attributes:
        scored: Essays.
        resumed: How many of them were there already.
        rejected: Rows that cannot be scored.
        share: Of the file; None where its size is not known.
    """

    scored: int = 0
    resumed: int = 0
    rejected: int = 0
    share: float | None = None


class Output:
    """A file of scores that is being written: CSV, workbook, JSON lines or Parquet, by its suffix."""

    def __init__(self, target: Path, resume: bool, brazilian: bool = False) -> None:
        """Claim the target for this process.

        Args:
            target: The file to write. An existing file stays until the new one is whole.
            resume: Whether parts of an earlier run are used; else they are removed.
            brazilian: Whether a CSV is to be as Excel reads it in Brazil.

        Raises:
            UserError: The suffix is none that is known, or another process writes the file.
        """
        if target.suffix.lower() not in WRITERS:
            raise UserError(f"--out {target} must be named {NAMED}, so that its format is known")
        if brazilian and target.suffix.lower() != ".csv":
            raise UserError(f"--excel is for a .csv, and --out is {target}; leave it out")
        self._write = _write_csv_br if brazilian else WRITERS[target.suffix.lower()]
        self.target, self.parts = target, target.with_name(f".{target.name}.parts")
        self._owner = self.parts / "owner"
        if self._owner.exists():
            pid = self._owner.read_text(encoding="ascii")
            if pid.isdigit() and not abandoned(self._owner, int(pid)):
                raise UserError(f"process {pid} is writing {target}; wait for it, or name another file")
        if self.parts.exists() and not resume:
            print(f"starting anew: what an earlier run left of {target} is removed", file=sys.stderr)
            shutil.rmtree(self.parts)
        self.parts.mkdir(exist_ok=True)
        self._owner.write_text(str(os.getpid()), encoding="ascii")
        self._written: list[Path] = []

    def __enter__(self) -> Self:
        """Return this output."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process go on, where there is anything to go on with."""
        self._owner.unlink(missing_ok=True)
        if self.parts.exists() and not any(self.parts.glob("*.arrow")):
            shutil.rmtree(self.parts)

    def part(self, window: Window, digest: str) -> tuple[Path, bool]:
        """Return the file of the next window's scores, and whether it is there already."""
        key = blake2b(digest.encode(), digest_size=16)
        key.update(json.dumps(window.texts).encode())  # of what is carried along, another column may be the essay
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, window.carried.schema) as stream:
            stream.write_table(window.carried.combine_chunks())
        key.update(sink.getvalue())
        path = self.parts / f"{len(self._written):08d}-{key.hexdigest()}.arrow"
        self._written.append(path)
        return path, path.exists()

    def write(self, path: Path, window: Window, scores: pd.DataFrame) -> None:
        """Write the scores of a window, with what is carried along, as one of the parts."""
        table = window.carried
        for column in scores:
            table = table.append_column(column, pa.array(scores[column]))
        draft = path.with_suffix(".draft")
        with pa.ipc.new_file(draft, table.schema) as file:
            file.write_table(table)
        draft.replace(path)

    def finish(self, carried: pa.Schema | None) -> None:
        """Write the target from its parts, and remove them.

        Args:
            carried: Columns that are carried along; None for those of JSON lines.
        """
        draft = self.parts / "whole"
        self._write(draft, self._written, carried)
        draft.replace(self.target)
        shutil.rmtree(self.parts)


def in_points(scores: pd.DataFrame, points: float) -> pd.DataFrame:
    """Return scores with further columns: the same scores in points of the training file.

    Args:
        scores: As :meth:`redacoes.Scorer.score` returns them.
        points: Points of one step of the score.
    """
    kind = np.int64 if points.is_integer() else np.float64
    table = (scores[["predicted", "expected", "low", "high"]] * points).round(DECIMALS)
    table = table.astype(dict.fromkeys(("predicted", "low", "high"), kind))
    return scores.join(table.add_suffix("_points"))


def score(
    source: EssayFile,
    scorer: Scorer,
    output: Output,
    reject: Callable[[Reject], None],
    points: float | None = None,
) -> Iterator[BatchProgress]:
    """Score a file of essays into parts of `output`, in its order, and yield the progress after each window.

    Args:
        source: The file.
        scorer: The model.
        output: Where scores are written; the caller finishes it.
        reject: Called with each row that cannot be scored. What it raises stops the run.
        points: Those of `in_points`, where its columns are written as well.
    """
    progress = BatchProgress()
    digest = scorer.digest if points is None else f"{scorer.digest}{points}"

    def todo() -> Iterator[tuple[tuple[Path, Window], list[str]]]:
        for window in source.windows():
            for row in window.rejects:
                reject(row)
            progress.rejected += len(window.rejects)
            if not window.texts:
                continue
            path, there = output.part(window, digest)
            if there:
                progress.resumed += len(window.texts)
                progress.scored += len(window.texts)
            else:
                yield (path, window), window.texts

    for (path, window), scores in scorer.stream(todo()):
        output.write(path, window, scores if points is None else in_points(scores, points))
        progress.scored += len(scores)
        progress.share = window.share
        yield progress
    yield progress


def _tables(parts: Sequence[Path]) -> Iterator[pa.Table]:
    for path in parts:
        with pa.memory_map(str(path)) as file:
            yield pa.ipc.open_file(file).read_all()


def _objects(parts: Sequence[Path], carried: pa.Schema | None) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield what is carried along of each row, and its scores."""
    for table in _tables(parts):
        count = 1 if carried is None else len(carried)
        scores = table.select(table.column_names[count:]).to_pylist()
        for row, of_row in zip(table.select(table.column_names[:count]).to_pylist(), scores, strict=True):
            yield json.loads(row[RAW]) if carried is None else row, of_row


def _write_json(draft: Path, parts: Sequence[Path], carried: pa.Schema | None) -> None:
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        for row, scores in _objects(parts, carried):
            file.write(json.dumps({**row, **scores}, ensure_ascii=False, default=str) + "\n")


def _write_csv(draft: Path, parts: Sequence[Path], carried: pa.Schema | None, delimiter: str = ",") -> None:
    names = _names(parts, carried)
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        for number, (row, scores) in enumerate(_objects(parts, carried)):
            if number == 0:
                writer.writerow([*names, *scores])
            writer.writerow([*(_cell(row.get(name)) for name in names), *map(_score_cell, scores.values())])


def _names(parts: Sequence[Path], carried: pa.Schema | None) -> list[str]:
    return _schema(parts).names if carried is None else carried.names


def _for_excel(parts: Sequence[Path], carried: pa.Schema | None) -> tuple[list[str], Iterator[list[Any]]]:
    """Return a header and rows in which what looks like a number is one: in Brazil Excel takes 7.5 for 7 May."""
    names = _names(parts, carried)
    rows = ([*(typed(row.get(name)) for name in names), *scores.values()] for row, scores in _objects(parts, carried))
    return [*names, *next(_objects(parts, carried))[1]], rows


def typed(value: Any) -> Any:
    """Return a value that is carried along as a spreadsheet holds it: what looks like a number is one."""
    if isinstance(value, bool | int | float):
        return value
    text = _cell(value)
    if not text or not NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _write_csv_br(draft: Path, parts: Sequence[Path], carried: pa.Schema | None) -> None:
    spreadsheets.write_csv_br(draft, *_for_excel(parts, carried))


def _write_xlsx(draft: Path, parts: Sequence[Path], carried: pa.Schema | None) -> None:
    if cut := spreadsheets.write_xlsx(draft, *_for_excel(parts, carried)):
        most = spreadsheets.CELL
        warn(f"{cut} texts have more than {most} characters, which a workbook cannot hold: they are cut; a .csv is not")


def _write_parquet(draft: Path, parts: Sequence[Path], carried: pa.Schema | None) -> None:
    schema = _schema(parts) if carried is None else None
    writer: pq.ParquetWriter | None = None
    try:
        for table in _tables(parts):
            whole = _expand(table, schema) if schema else table
            writer = writer or pq.ParquetWriter(draft, whole.schema, compression="zstd")
            writer.write_table(whole)
    finally:
        if writer:
            writer.close()


def _schema(parts: Sequence[Path]) -> pa.Schema:
    """Return the columns of rows of JSON, by the order in which their names are met first.

    A column has one type in the whole file: what has no one simple type, or loses digits in it, is text.
    """
    kinds: dict[str, set[type]] = {}
    largest: dict[str, int] = {}
    for row, _ in _objects(parts, None):
        for name, value in row.items():
            kinds.setdefault(name, set()).update([] if value is None else [type(value)])
            if isinstance(value, int):
                largest[name] = max(largest.get(name, 0), value, -value - 1)
    return pa.schema([(name, _type(types, largest.get(name, 0))) for name, types in kinds.items()])


def _type(kinds: set[type], largest: int) -> pa.DataType:
    """Return the type of a column with values of these types, and integers of at most this size."""
    if kinds == {float} or (kinds == {int, float} and largest <= 2**53):
        return pa.float64()
    if kinds == {int} and largest < 2**63:
        return pa.int64()
    return pa.bool_() if kinds == {bool} else pa.string()


def _expand(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table whose rows of JSON are columns: in one of text, what is not text stays JSON."""
    rows = [json.loads(text) for text in table.column(RAW).to_pylist()]
    columns = {}
    for field in schema:
        values = [row.get(field.name) for row in rows]
        columns[field.name] = pa.array(map(_cell, values) if field.type == pa.string() else values, field.type)
    return pa.table({**columns, **{name: table.column(name) for name in table.column_names[1:]}})


def _cell(value: Any) -> Any:
    """Return a value that is carried along as a field of CSV; what CSV has no form for is JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool | int | float):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)  # a date or a decimal number of Parquet


def _score_cell(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return format(value, f".{DECIMALS}f") if isinstance(value, float) else str(value)


WRITERS: dict[str, Callable[[Path, Sequence[Path], pa.Schema | None], None]] = {
    ".csv": _write_csv,
    ".tsv": partial(_write_csv, delimiter="\t"),
    ".xlsx": _write_xlsx,
    ".jsonl": _write_json,
    ".ndjson": _write_json,
    ".parquet": _write_parquet,
}
