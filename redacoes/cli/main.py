"""The command `redacoes`: what DVC's own commands leave open.

redacoes adopt ~/redacoes.xlsx      essays of your own, and the parameters that they need
redacoes score essays.csv --out scores.parquet     what the model grades them
redacoes app                        a page for all of it
redacoes explain essay.txt          which sentences and words moved its expected score
redacoes tokens essay.txt           what the model sees of it
redacoes recipe pretrained          a set of parameters by its name
redacoes compare main my-branch     which of the two grades better, or whether the test essays are too few to tell
redacoes experiments                what experiments differ in, and how well they grade
redacoes inspect [REV]              what made a model
redacoes verify                     whether outputs and cache are what dvc.lock says
redacoes export --format onnx --out DIR     the scorer for ONNX Runtime
redacoes publish OWNER/NAME         the model and its card on the Hugging Face Hub
redacoes completion bash            what lets a shell complete all this
"""

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from redacoes.errors import UserError, exit_on_user_error, nearest
from redacoes.layout import PARAMS

COMMANDS = (
    "adopt",
    "score",
    "app",
    "explain",
    "tokens",
    "recipe",
    "compare",
    "experiments",
    "inspect",
    "verify",
    "export",
    "publish",
    "completion",
)
# commands that only make sense in the project's folder
OF_PROJECT = {"adopt", "recipe", "compare", "experiments", "inspect", "publish"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand in the project's folder, and return its exit status: 0, or 1 where something is wrong."""
    parser = new_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    with exit_on_user_error(), _hint_of_project(options.command):
        status: int = options.run(options)
    return status


@contextmanager
def _hint_of_project(command: str) -> Iterator[None]:
    """Add a hint to errors in a subfolder of a project; commands of `OF_PROJECT` fail there at once.

    These commands also fail at once where there is no project at all.
    """
    here = Path.cwd()
    found = next((folder for folder in (here, *here.parents) if (folder / ".dvc/config").is_file()), here)
    if command in OF_PROJECT and found == here and not Path(PARAMS).is_file():
        raise UserError("this folder is not a project; run it in the folder that holds params.yaml and .dvc")
    hint = f"the project's folder is another: cd {shlex.quote(str(found))}"
    if found != here and command in OF_PROJECT:
        raise UserError(hint)
    try:
        yield
    except UserError as error:
        if found == here:
            raise
        raise UserError(f"{error}; {hint}") from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if found := re.search(r"invalid choice: '?([^' ]+)'? \(choose from (.*)\)", message):
            message += nearest(found[1], re.findall(r"[\w-]+", found[2]))
        super().error(message)


def new_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line of every subcommand."""
    parser = _Parser(
        prog="redacoes", description="Score essays, and compare, verify and publish what this project's runs have made."
    )
    parser.add_argument("--version", action="version", version=f"redacoes {version('redacoes')}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for name in COMMANDS:
        module = import_module(f"redacoes.cli.commands.{name}")
        command = commands.add_parser(name, help=module.__doc__, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
