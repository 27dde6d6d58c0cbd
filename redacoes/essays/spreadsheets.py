"""Tables as spreadsheets open them: workbooks of Excel, and the CSV that Excel reads in Brazil.

A text stays a text: none is run as a formula or followed as a link. Who needs a file whole or not at all hands the name
of a draft.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from numbers import Integral, Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from xlsxwriter import Workbook

from redacoes.errors import UserError

ROWS = 1_048_576  # of a worksheet, the header among them
COLUMNS = 16_384
CELL = 32_767  # characters; the end of a longer text is cut, and "…" stands for it
DIGITS = 10**15  # whole numbers from here on lose digits in a cell, and are written as texts
WIDTHS = 10, 40  # of columns, in characters
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet take a text of a CSV for a formula


def write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a workbook of one sheet, whose header stays in sight. Memory does not grow with the rows.

    Args:
        path: The file; until it is complete, its parts lie beside it.
        header: What the columns are called.
        rows: Their values: None and NaN are empty cells, numbers and booleans stay such, all else is written as text.

    Returns:
        How many texts of the rows are longer than a cell may be, and are cut.

    Raises:
        UserError: There are more rows or columns than a sheet may have.
    """
    cut = 0
    if len(header) > COLUMNS:
        raise UserError(f"a worksheet has {COLUMNS} columns at most, and these are {len(header)}; write a .csv")
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as parts:
        workbook = Workbook(path, {"constant_memory": True, "tmpdir": parts, "use_zip64": True})
        workbook.set_properties({"created": datetime(1980, 1, 1, tzinfo=UTC)})  # the same rows, the same bytes
        sheet = workbook.add_worksheet()
        sheet.freeze_panes(1, 0)
        bold = workbook.add_format({"bold": True})
        for place, name in enumerate(header):
            sheet.set_column(place, place, min(max(len(name) + 2, WIDTHS[0]), WIDTHS[1]))
            sheet.write_string(0, place, _cell(name), bold)
        for line, row in enumerate(rows, 1):
            if line == ROWS:
                raise UserError(f"a worksheet has {ROWS} rows at most; write a .csv")
            for place, value in enumerate(row):
                _write(sheet, line, place, value)
            cut += sum(isinstance(value, str) and len(value) > CELL for value in row)
        workbook.close()
    return cut


def _write(sheet: Any, line: int, place: int, value: Any) -> None:
    if _is_empty(value):
        return
    if isinstance(value, bool | np.bool_):
        sheet.write_boolean(line, place, bool(value))
    elif isinstance(value, Integral) and abs(int(value)) < DIGITS:
        sheet.write_number(line, place, int(value))
    elif isinstance(value, Real | Decimal) and not isinstance(value, Integral) and isfinite(value):
        sheet.write_number(line, place, float(value))
    else:
        sheet.write_string(line, place, _cell(str(value)))


def _cell(text: str) -> str:
    """Return a text that a cell can hold; half a surrogate pair, which JSON can name, is in no encoding."""
    text = _encodable(text)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def write_csv_br(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV that Excel opens by a double click in Brazil: semicolons, decimal commas, UTF-8 with a BOM.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.

    Args:
        path: The file.
        header: What the columns are called.
        rows: Their values: None and NaN are empty fields, numbers get a decimal comma, booleans are Excel's VERDADEIRO
            and FALSO, and all else is written as text.
    """
    _write_csv(path, header, rows, ";", _brazilian)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV with commas, for programs, in UTF-8 with a BOM; a text that is a formula gets an apostrophe in front.

    Args:
        path: The file.
        header: What the columns are called.
        rows: Their values: None is an empty field, and all else is written as Python does.
    """
    _write_csv(path, header, rows, ",", lambda value: harmless(value) if isinstance(value, str) else value)


def _write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    delimiter: str,
    field: Callable[[Any], Any],
) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(map(field, header))
        writer.writerows(map(field, row) for row in rows)


def _brazilian(value: Any) -> str:
    if _is_empty(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return "VERDADEIRO" if value else "FALSO"
    if isinstance(value, Real | Decimal):
        return str(value).replace(".", ",")
    return harmless(_encodable(str(value)))


def harmless(text: str) -> str:
    """Return a text with an apostrophe in front where a spreadsheet that opens a CSV would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def _is_empty(value: Any) -> bool:
    # NaN and pandas' NaT alone are not equal to themselves
    return value is None or (isinstance(value, Real | Decimal | datetime) and bool(value != value))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
