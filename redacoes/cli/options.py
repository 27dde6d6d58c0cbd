"""Options that several subcommands share."""

import argparse

from redacoes.layout import SCORER

REVISION = "a branch, tag, commit, experiment, or 'workspace'"


def add_model(parser: argparse.ArgumentParser) -> None:
    """Describe which model is used."""
    parser.add_argument(
        "--model",
        default=str(SCORER),
        help="a folder, a branch, tag, commit or experiment, or OWNER/NAME@HASH on the Hub (%(default)s)",
    )


def add_backend(parser: argparse.ArgumentParser, onnx: str = "onnx for an export") -> None:
    """Describe what computes; `onnx` says what ONNX Runtime is for."""
    parser.add_argument("--backend", choices=("tensorflow", "onnx"), default="tensorflow", help=f"{onnx} (%(default)s)")
