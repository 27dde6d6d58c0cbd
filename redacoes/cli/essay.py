"""Reading of one essay from a file or standard input, and printing of results."""

import argparse
import os
import sys
from pathlib import Path

from redacoes.cli.options import add_model
from redacoes.errors import UserError, nearest

MOST = 1_000_000  # characters, as for a field of a CSV


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Describe the essay and the model on the command line."""
    parser.add_argument("file", metavar="FILE", help="one essay: .txt, .docx or .odt; - for standard input")
    add_model(parser)


def read(name: str) -> str:
    """Return the cleaned essay in a file, or in standard input where `name` is ``-``.

    Raises:
        UserError: The file does not exist, is not text, holds nothing readable, or is too long.
    """
    from redacoes.essays.cleaning import clean
    from redacoes.essays.documents import BYTES, text_of

    shown = "standard input" if name == "-" else name
    content = sys.stdin.buffer.read(BYTES + 1) if name == "-" else _content(Path(name), BYTES + 1)
    if len(content) > BYTES:
        raise UserError(f"{shown} has more than {BYTES:,} bytes, too many for an essay; name a file with one essay")
    text = text_of(content, shown)
    if len(text) > MOST:
        raise UserError(f"{shown} has more than {MOST:,} characters, too many for an essay; name a file with one essay")
    if not (text := clean(text)):
        raise UserError(f"{shown} holds nothing that can be read; write an essay into it")
    return text


def _content(path: Path, most: int) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file with one essay in it")
    try:
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError as error:
        near = nearest(path.name, [other.name for other in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise UserError(f"{path} does not exist; name a file with one essay, or - for standard input{near}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def show(text: str) -> None:
    """Print a text that may be long; the reader of a pipe may close it early."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter fails at exit
