"""Read workbooks of Excel and LibreOffice as CSV.

A child process with limits on memory and time reads them: a file of 20 kB can declare seventeen billion cells, and
calamine aborts its process if it cannot allocate them.
"""

import csv
import errno
import io
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from redacoes.errors import FileError, UserError, nearest

SUFFIXES = {".xlsx", ".xls", ".ods"}
MEMORY = 2 << 30  # bytes
SECONDS = 120  # of processor time
LARGEST = 1 << 30  # bytes of the CSV


class Sheet(NamedTuple):
    """A sheet of a workbook.

    Attributes:
        content: A CSV in UTF-8, with commas and a row for each row of the sheet, empty ones included.
        name: Name of the sheet.
        others: Names of the other sheets that are not empty.
    """

    content: IO[bytes]
    name: str
    others: list[str]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of each row, and its cells as text: the header, then every row that is not empty.

        The header is the first row with more than one filled cell, since a title may precede it; in a sheet of one
        column it is the first row. Columns without a name are left out.
        """
        with io.TextIOWrapper(self.content, "utf-8", newline="") as lines:
            found = ((number, cells) for number, cells in enumerate(csv.reader(lines), 1) if any(cells))
            rows: Iterator[tuple[int, list[str]]] = found
            above = []
            for number, cells in found:
                above.append((number, cells))
                if sum(map(bool, cells)) > 1:
                    break
            else:
                rows, above = iter(above[1:]), above[:1]
            named = [place for place, name in enumerate(above[-1][1]) if name.strip()]
            for number, cells in chain(above[-1:], rows):
                yield number, [cells[place] for place in named]


def read(path: str | Path, sheet: str | None = None) -> Sheet:
    """Return a sheet of a workbook.

    Args:
        path: Path of the workbook.
        sheet: Name of the sheet; None for the first that is not empty.

    Raises:
        FileError: It is damaged, has a password, is empty, or exceeds `MEMORY`, `SECONDS` or `LARGEST`; or the child
            fails for another reason, which the message gives.
        UserError: It has no such sheet.
    """
    with ExitStack() as opened:
        content = opened.enter_context(tempfile.TemporaryFile())
        found = _ask(path, sheet, content)
        if "fault" in found:
            raise FileError(f"{path} cannot be read ({found['fault']}); export the sheet as CSV", "damaged_workbook")
        if sheet and sheet not in found["names"]:
            known = ", ".join(map(repr, found["names"]))
            raise UserError(f"{path} has no sheet {sheet!r} among {known}{nearest(sheet, found['names'])}")
        if found["name"] is None:
            raise FileError(f"{path} is empty", "empty")
        content.seek(0)
        opened.pop_all()  # the caller closes it
    return Sheet(content, found["name"], [name for name in found["names"] if name != found["name"]])


def _ask(path: str | Path, sheet: str | None, content: IO[bytes]) -> dict[str, Any]:
    """Return what a child says of a workbook, whose sheet it writes to `content`: see `_convert`."""
    home = Path(__file__).parents[2]  # of the package
    with tempfile.TemporaryFile() as answer:  # not stderr, where Python says what it likes
        place = answer.fileno()
        command = [sys.executable, "-m", "redacoes.essays.workbook", str(place), str(Path(path).absolute())]
        done = subprocess.run(
            [*command, *([sheet] if sheet else [])],
            stdout=content,
            stderr=subprocess.PIPE,
            cwd=home,
            pass_fds=[place],
            check=False,
        )
        answer.seek(0)
        found: dict[str, Any] = json.loads(answer.read() or "{}")
    if done.returncode < 0 or "too_much" in found:  # the limits on memory and time end it by a signal
        raise FileError(f"{path} is too large a workbook; export the sheet as CSV", "too_much")
    if not found:
        reason = (done.stderr.decode(errors="replace").splitlines() or [f"exit status {done.returncode}"])[-1]
        raise FileError(f"{path} cannot be read ({reason}); export the sheet as CSV", "unread_workbook", reason=reason)
    return found


def _text(value: Any) -> str:
    """Return a cell as text. A workbook stores integers as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value)


def _convert(path: str, wanted: str | None) -> dict[str, Any]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(path)
        sheets = {name: workbook.get_sheet_by_name(name) for name in workbook.sheet_names}
    except (CalamineError, OSError) as error:
        return {"fault": str(error)}
    names = [name for name, sheet in sheets.items() if sheet.height]
    name = wanted or next(iter(names), None)
    if name in names:
        with io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="") as file:
            csv.writer(file).writerows(map(_text, row) for row in sheets[name].iter_rows())
    return {"names": names, "name": name}


def _main(answer: int, path: str, wanted: str | None = None) -> None:
    """Write the sheet to stdout, and what `read` needs to know of it to the descriptor `answer`."""
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_FSIZE, LARGEST)):
        resource.setrlimit(limit, (most, most))
    try:
        told = _convert(path, wanted)
    except (MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EFBIG:
            raise
        told = {"too_much": True}
    with open(answer, "w", encoding="utf-8") as file:
        json.dump(told, file)


if __name__ == "__main__":
    _main(int(sys.argv[1]), *sys.argv[2:])
