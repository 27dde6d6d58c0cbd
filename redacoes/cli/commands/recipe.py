"""Take a set of parameters by its name, or list what there is."""

import argparse
import sys
from pathlib import Path

from redacoes.formatting import table
from redacoes.layout import PARAMS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="recipes, such as one of data and one of a model; none to list them"
    )
    parser.add_argument(
        "--flags", action="store_true", help="print the parameters for `dvc exp run`, and write nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes import parameters_file, recipes

    if not options.names:
        known = [recipes.load(name) for name in recipes.names()]
        print(table(["recipe", "what it is for"], [[recipe.name, recipe.summary] for recipe in known]))
        return 0
    values = recipes.together([recipes.load(name) for name in options.names])
    if options.flags:
        print(recipes.flags(values))
        return 0
    changed = parameters_file.edit(Path(PARAMS), values)
    for key in changed:
        print(f"{key}: {values[key] or 'null'}")
    said = f"{len(changed)} keys of params.yaml were changed" if changed else "params.yaml is so already"
    print(f"{said}; dvc repro runs it", file=sys.stderr)
    return 0
