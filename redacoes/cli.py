"""The command `redacoes`: what DVC's own commands leave open.

redacoes score essays.csv --out scores.parquet     what the model grades them
redacoes app                        a page for all of it
redacoes explain essay.txt          which sentences and words moved its expected score
redacoes tokens essay.txt           what the model sees of it
redacoes recipe pretrained          a set of parameters by its name
redacoes compare main my-branch     which of the two grades better, or whether the test essays are too few to tell
redacoes inspect [REV]              what made a model
redacoes verify                     whether outputs and cache are what dvc.lock says
redacoes export --format onnx --out DIR     the scorer for ONNX Runtime
redacoes publish OWNER/NAME         the model and its card on the Hugging Face Hub
"""

import argparse
from collections.abc import Sequence
from importlib import import_module

from redacoes.errors import told

COMMANDS = ("score", "app", "explain", "tokens", "recipe", "compare", "inspect", "verify", "export", "publish")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand in the project's folder, and return its exit status: 0, or 1 where something is wrong."""
    options = _parser().parse_args(arguments)
    with told():
        status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redacoes", description="Score essays, and compare, verify and publish what this project's runs have made."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"redacoes.commands.{name}")
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
