"""One essay, from a file or standard input, and what is shown of it."""

import argparse
import os
import sys
from pathlib import Path

from redacoes.commands import add_model
from redacoes.errors import UserError, nearest

MOST = 1_000_000  # characters, as of a field of a CSV


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Describe the essay and the model on the command line."""
    parser.add_argument("file", metavar="FILE", help="a text file with one essay, or - for standard input")
    add_model(parser)


def read(name: str) -> str:
    """Return the cleaned essay in a file, or in standard input where `name` is ``-``.

    Raises:
        UserError: There is no such file, or it holds no text, nothing that can be read, or too much.
    """
    from redacoes.corpus import clean, container
    from redacoes.essay_files import decoded

    shown = "standard input" if name == "-" else name
    content = sys.stdin.buffer.read(4 * MOST + 4) if name == "-" else _content(Path(name))
    if kind := container(content):
        raise UserError(f"{shown} is {kind}, not a text file; save the essay as plain text")
    text = decoded(content)
    if text is None:
        raise UserError(f"{shown} is not a text file, or damaged; save the essay as plain text in UTF-8")
    if len(text) > MOST:
        raise UserError(f"{shown} has more than {MOST:,} characters, which is no essay; name a file with one essay")
    if not (text := clean(text)):
        raise UserError(f"{shown} holds nothing that can be read; write an essay into it")
    return text


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file with one essay in it")
    try:
        with path.open("rb") as file:
            return file.read(4 * MOST + 4)  # in UTF-8, one character more
    except FileNotFoundError as error:
        near = nearest(path.name, [other.name for other in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise UserError(f"{path} does not exist; name a file with one essay, or - for standard input{near}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def show(text: str) -> None:
    """Print what may be long, and into a pipe that may be closed early."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter fails when it ends
