"""Encoding and delimiter of a text file: detected, or given by the user."""

import codecs
import csv
import io
import re
from collections.abc import Container
from typing import IO, NamedTuple

from redacoes.errors import UserError
from redacoes.essays import training_csv

CHUNK = 1 << 20  # bytes per read


class Form(NamedTuple):
    """The user's options for a file. None means that the value is detected.

    Attributes:
        delimiter: Delimiter of a CSV: one character.
        codec: Codec of the text.
    """

    delimiter: str | None
    codec: str | None


def asked_form(name: str, is_workbook: bool, sheet: str | None, delimiter: str | None, encoding: str | None) -> Form:
    r"""Validate the options for a file of essays.

    Args:
        name: Name of the file in messages.
        is_workbook: Whether the file is a workbook.
        sheet: The option `--sheet`. None, here and below: the option is not given.
        delimiter: The option `--delimiter`: one character, or ``\t`` as two characters.
        encoding: The option `--encoding`: any text encoding that Python knows.

    Raises:
        UserError: An option is invalid, or does not apply to such a file.
    """
    if is_workbook and (delimiter or encoding):
        raise UserError(f"{name} is a workbook, which has no --delimiter and no --encoding; leave them out")
    if sheet and not is_workbook:
        raise UserError(f"{name} is not a workbook and has no sheets; leave --sheet out")
    divides = delimiter and delimiter.replace("\\t", "\t")
    if divides is not None and (len(divides) != 1 or divides in '"\r\n'):
        raise UserError(f"--delimiter is {delimiter!r}; it must be one character, and no quote or line break")
    try:
        return Form(divides, None if encoding is None else training_csv.codec(encoding))
    except LookupError as error:
        raise UserError(f"--encoding is {encoding!r}, which Python does not know as a text encoding") from error


def delimiter_of(start: str, wanted: Container[str | None]) -> str:
    """Detect the delimiter of a CSV from its header alone, since the commas and quotes of essays mislead.

    It is the one with which the header has the most columns that are wanted, then the one with the most columns, so
    that a message can list them. Of two such it is a semicolon or a tab, since a comma also occurs within a name.

    Args:
        start: The beginning of the file.
        wanted: Names of columns, as far as they are known.
    """
    header = next(filter(None, start.splitlines()), "")

    def columns(delimiter: str) -> tuple[int, int, bool]:
        names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
        return sum(name in wanted for name in names), len(names), len(names) > 1 and delimiter in ";\t"

    return max(training_csv.DELIMITERS, key=columns)


def encoding_of(file: IO[bytes]) -> str:
    """Detect the codec of a file: UTF-16 by its byte order mark, UTF-8, or else Windows-1252.

    Excel in Brazil writes Windows-1252. A damaged byte does not rule out UTF-8: Windows-1252 is assumed only if, beyond
    ASCII, invalid bytes outnumber valid characters.

    Args:
        file: A file at its beginning. It is rewound at the end.
    """
    if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        file.seek(0)
        return "utf-16"
    file.seek(0)
    decoder, balance = codecs.getincrementaldecoder("utf-8")("surrogateescape"), 0
    while chunk := file.read(CHUNK):
        text = decoder.decode(chunk)
        if not text.isascii():
            escaped = len(re.findall("[\udc80-\udcff]", text))
            balance += len(re.findall("[^\0-\x7f]", text)) - 2 * escaped
    file.seek(0)
    return "utf-8-sig" if balance >= 0 else "cp1252"


def decoded(content: bytes) -> str | None:
    """Decode the content of a file. Return None if it is not text."""
    try:
        text = content.decode(encoding_of(io.BytesIO(content)))
    except UnicodeError:
        return None
    return None if "\0" in text else text
