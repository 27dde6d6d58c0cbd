"""Options that several subcommands share."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from redacoes.errors import UserError
from redacoes.layout import SCORER

REVISION = "a branch, tag, commit, experiment, or 'workspace'"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option for the model."""
    parser.add_argument(
        "--model",
        default=str(SCORER),
        help="a folder, a branch, tag, commit or experiment, or OWNER/NAME@HASH on the Hub (%(default)s)",
    )


def add_backend(parser: argparse.ArgumentParser, onnx: str = "onnx for an export") -> None:
    """Add the option for the backend; `onnx` is the help text on ONNX Runtime."""
    parser.add_argument("--backend", choices=("tensorflow", "onnx"), default="tensorflow", help=f"{onnx} (%(default)s)")


def writable(path: Path, option: str, others: Mapping[str, Path]) -> Path:
    """Return the file that the path of an option leads to, checked before anything is computed.

    Args:
        path: As the user named it.
        option: Of the path, for messages.
        others: Files that the command reads or writes as well, by what they are.

    Raises:
        UserError: No file can be written there, or it is one of `others`.
    """
    target = path.resolve()
    if path.exists() and not path.is_file():
        raise UserError(f"{option} must name a file, and {path} is not one")
    if not target.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}; make it, or name another file for {option}")
    for name, other in others.items():
        if target == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
            raise UserError(f"{option} {path} is {name}; name another file to write")
    return target
