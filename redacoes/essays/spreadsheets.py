"""Write tables for spreadsheets: Excel workbooks, and CSV for Excel in Brazil.

A text stays a text: none runs as a formula or becomes a link. For a file that appears whole or not at all, pass the
path of a draft.
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

ROWS = 1_048_576  # maximum for a worksheet, header included
COLUMNS = 16_384
CELL = 32_767  # characters: maximum for a cell; a longer text is cut and ends with "…"
DIGITS = 10**15  # larger integers would lose digits in a cell, and are written as text
WIDTHS = 10, 40  # characters: narrowest and widest column
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a CSV text that begins so as a formula


def write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a workbook with one sheet and a frozen header. Memory does not grow with the rows.

    Args:
        path: The file. Its parts lie beside it until it is complete.
        header: Names of the columns.
        rows: None and NaN become empty cells; numbers and booleans stay; everything else is written as text.

    Returns:
        How many texts are cut because a cell cannot hold them.

    Raises:
        UserError: There are more rows or columns than a sheet may have.
    """
    cut = 0
    if len(header) > COLUMNS:
        raise UserError(f"a worksheet has {COLUMNS} columns at most, and these are {len(header)}; write a .csv")
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as parts:
        workbook = Workbook(path, {"constant_memory": True, "tmpdir": parts, "use_zip64": True})
        workbook.set_properties({"created": datetime(1980, 1, 1, tzinfo=UTC)})  # same rows, same bytes
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
            cut += sum(map(is_cut, row))
        workbook.close()
    return cut


def is_cut(value: Any) -> bool:
    """Return whether a value is a text that a cell cannot hold whole."""
    return isinstance(value, str) and len(value) > CELL


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
    """Return a text that fits into a cell and can be encoded: JSON may contain lone surrogates."""
    text = _encodable(text)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def write_csv_br(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV that Excel opens by a double click in Brazil: semicolons, decimal commas, UTF-8 with a BOM.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.

    Args:
        path: The file.
        header: Names of the columns.
        rows: None and NaN become empty fields, numbers get a decimal comma, booleans become Excel's VERDADEIRO and
            FALSO, and everything else is written as text.
    """
    _write_csv(path, header, rows, ";", _brazilian)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV with commas, for programs, in UTF-8 with a BOM. A formula gets an apostrophe in front.

    Args:
        path: The file.
        header: Names of the columns.
        rows: None becomes an empty field; everything else is written as `str` does.
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
    return harmless(str(value))


def harmless(text: str) -> str:
    """Return a text that can be encoded, with an apostrophe in front if a spreadsheet would run it as a formula."""
    text = _encodable(text)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ".", 1))
    except ValueError:
        return False
    return True


def _is_empty(value: Any) -> bool:
    # only NaN and pandas' NaT differ from themselves
    return value is None or (isinstance(value, Real | Decimal | datetime) and bool(value != value))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
