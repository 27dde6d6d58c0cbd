"""Named sets of parameters: files of `recipes/` with the keys that differ and the reason for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redacoes import parameters_file
from redacoes.errors import UserError, nearest

FOLDER = Path("recipes")


@dataclass(frozen=True)
class Recipe:
    """A set of parameters.

    Attributes:
        name: Its file's name, without the suffix.
        summary: One line on what it is for: the file's first comment.
        values: The value of each key, by ``section.key``, as YAML text on one line; null is empty, as in `params.yaml`.
    """

    name: str
    summary: str
    values: dict[str, str]


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the recipes in `folder`.

    Raises:
        UserError: There are none; the current folder is not a project.
    """
    found = sorted(path.stem for path in folder.glob("*.yaml"))
    if not found:
        raise UserError(f"there are no recipes in {folder}/; run this from the project's folder")
    return found


def load(name: str, folder: Path = FOLDER) -> Recipe:
    """Return the recipe `name`.

    Raises:
        UserError: There is no such recipe.
    """
    known = names(folder)
    if name not in known:
        raise UserError(f"there is no recipe {name!r}{nearest(name, known)} (there are {', '.join(known)})")
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    values = {key: "" if value == "null" else value for key, value in parameters_file.values(text).items()}
    return Recipe(name, text.partition("\n")[0].removeprefix("#").strip(), values)


def together(recipes: Sequence[Recipe]) -> dict[str, str]:
    """Return the values of several recipes together, such as one for data and one for a model.

    Raises:
        UserError: Two of them set one key to different values.
    """
    values: dict[str, str] = {}
    for recipe in recipes:
        for key, value in recipe.values.items():
            if values.setdefault(key, value) != value:
                wanted, other = value or "null", values[key] or "null"
                raise UserError(
                    f"the recipes do not go together: {recipe.name} wants {key} to be {wanted}, not {other}"
                )
    return values


def flags(values: dict[str, str]) -> str:
    """Return the values as options of `dvc exp run`, separated by blanks for a shell to split."""
    return " ".join(f"-S {key}={value.replace(' ', '') or 'null'}" for key, value in values.items())
