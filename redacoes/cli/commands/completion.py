"""What lets a shell complete this command's words."""

import argparse
from itertools import chain

REVISIONS = "git rev-parse --symbolic --branches --tags"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("shell", metavar="SHELL", choices=("bash", "zsh"), help="bash or zsh")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    import shtab

    from redacoes.cli.main import new_parser

    kinds = {  # by metavar
        "FILE": shtab.FILE,
        "DIR": shtab.DIRECTORY,
        "FOLDER": shtab.DIRECTORY,
        "MODEL": shtab.DIRECTORY,
        **dict.fromkeys(("REV", "REV_A", "REV_B"), shtab.cmd(REVISIONS)),
    }
    parser = new_parser()
    commands = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    for action in chain.from_iterable(command._actions for command in commands.values()):
        if kind := kinds.get(action.metavar or action.dest.upper()):
            action.complete = kind
    print(shtab.complete(parser, options.shell))
    return 0
