"""Options that several subcommands share."""

import argparse

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
