"""Numbers, texts and tables for people to read."""

from itertools import zip_longest
from textwrap import wrap
from typing import Any


def number(value: float | None, form: str = ".3f") -> str:
    """Return `value` in the given format, or a dash for None."""
    return "-" if value is None else format(value, form)


def table(header: list[str], rows: list[list[str]], markdown: bool = False) -> str:
    """Return rows of cells in aligned columns, or as a table of Markdown."""
    if markdown:
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def fitted(header: list[str], rows: list[list[str]], width: int, first: int = 26) -> str:
    """Return rows of cells in aligned columns, the first and the last wrapped so that no line is wider than `width`.

    Args:
        header: The header cells.
        rows: The other cells. Only the first and last columns are wrapped.
        width: Longest line, in characters.
        first: Widest first column, in characters. Continuation lines keep the indentation of their cell.
    """
    between = sum(max(map(len, column)) + 2 for column in list(zip(header, *rows, strict=True))[1:-1])
    longest = min(max(len(row[0]) for row in [header, *rows]), first)
    lines = []
    for row in [header, *rows]:
        indent = " " * (len(row[0]) - len(row[0].lstrip()))
        names = wrap(row[0].strip(), longest, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        rest = wrap(row[-1], width - longest - between - 2, break_on_hyphens=False)
        cells = [names, *([cell] for cell in row[1:-1]), rest]
        lines += [list(line) for line in zip_longest(*cells, fillvalue="")]
    return table(lines[0], lines[1:])


def leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested mappings by dotted name, such as ``train.epochs``."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def beginning(text: str, length: int) -> str:
    """Return the first characters of `text` in one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
