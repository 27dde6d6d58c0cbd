"""Numbers and tables as the terminal shows them."""

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


def leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested mappings under their whole names, such as ``train.epochs``."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found
