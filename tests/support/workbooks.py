"""Workbooks: reads cells without the library that wrote them, and writes an .ods as LibreOffice does."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells of each row by the letters of their column: str, float or bool; a formula is a tuple."""
    with zipfile.ZipFile(path) as file:
        sheet = ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml"))
    return [
        {cell.attrib["r"].rstrip("0123456789"): _value(cell) for cell in row if len(cell)}
        for row in sheet.iter(f"{MAIN}row")
    ]


def _value(cell: ElementTree.Element) -> Any:
    if cell.find(f"{MAIN}f") is not None:
        return ("formula", cell.findtext(f"{MAIN}f"))
    if cell.get("t") == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{MAIN}t"))
    value = cell.findtext(f"{MAIN}v")
    return value == "1" if cell.get("t") == "b" else float(value or "nan")


def write_ods(path: Path, rows: Sequence[Sequence[str | float]], sheet: str = "Planilha1") -> None:
    """Write a minimal .ods: a sheet of texts and numbers, and the empty rows below that LibreOffice declares."""
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )

    def cell(value: str | float) -> str:
        if isinstance(value, str):
            lines = "".join(f"<text:p>{escape(line)}</text:p>" for line in value.split("\n"))
            return f'<table:table-cell office:value-type="string">{lines}</table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'

    body = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    body += '<table:table-row table:number-rows-repeated="1048570"><table:table-cell/></table:table-row>'
    content = f"<office:body><office:spreadsheet><table:table table:name={sheet!r}>{body}</table:table>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        file.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{manifest}"/>')
        file.writestr(
            "content.xml",
            f"<office:document-content{spaces}>{content}</office:spreadsheet></office:body></office:document-content>",
        )
