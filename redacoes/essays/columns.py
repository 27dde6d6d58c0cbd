"""Which columns of a file of essays hold what: told by their names, and else by what stands in them."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from redacoes.essays.scoring_input import RAW, EssayFile, Reject, Window

# without accents and capitals, the surest first
NAMES = {
    "essay": ("essay", "essays", "redacao", "redacoes", "dissertacao", "texto", "text"),
    "score": ("score", "nota", "grade", "pontuacao", "total"),
    "group": ("prompt", "theme", "topic", "tema", "proposta", "assunto"),
}
FINAL = {"final", "total", "geral"}  # what tells the score from those that it is made of
UNNAMED = 3  # the rank of a name that says nothing
# whole names; the first that a file has
STUDENT = (
    "aluno", "aluna", "nome do aluno", "nome da aluna", "estudante", "nome do estudante", "nome completo", "nome",
    "student", "student name", "full name", "name", "candidato", "matricula", "ra", "codigo", "id",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The columns of a file of essays.

    Attributes:
        names: All of them.
        essay: Where the essay stands, most likely.
        student: Where it stands whose essay it is, most likely; None where no name says so.
    """

    names: list[str]
    essay: str
    student: str | None


def look(path: str, longest: int | None = None) -> Columns:
    """Return the columns of a file, by its first rows.

    Args:
        path: Of the file.
        longest: As :class:`redacoes.essays.scoring_input.EssayFile` takes it.

    Raises:
        FileError: It is none that can be read.
    """
    source = EssayFile(path, None, longest=longest)
    rows = [row for _, row in rows_of(source, next(source.windows(), None))]
    names = source.columns or list(dict.fromkeys(name for row in rows for name in row))
    called = {" ".join(_words(name)): name for name in reversed(names)}
    student = next((called[name] for name in STUDENT if name in called), None)
    exact = next((called[name] for name in NAMES["essay"] if name in called), None)
    essay = exact or min(names, key=lambda name: (rank(name, "essay"), -_length(rows, name)), default="")
    return Columns(names, essay, student)


def rank(name: str, what: str) -> int:
    """Return how well a column's name says that it holds the essay, the score or the group.

    Args:
        name: Of the column.
        what: A key of `NAMES`.

    Returns:
        0 where it is one of these names, 1 where it also says that it is the final one, 2 where there is more in it,
        and `UNNAMED`.
    """
    words = set(_words(name))
    if words.isdisjoint(NAMES[what]):
        return UNNAMED
    if len(words) == 1:
        return 0
    return 1 if words & FINAL else 2


def rows_of(source: EssayFile, window: Window | None) -> Iterator[tuple[Reject | None, dict[str, Any]]]:
    """Yield all rows of a window in the file's order, and with each that cannot be scored the reason.

    Args:
        source: The file.
        window: One of its windows; None for none.
    """
    if window is None:
        return
    scored = window.carried.to_pylist()
    if source.kind == "json":
        scored = [json.loads(row[RAW]) for row in scored]
    place = 0
    for reject, before in zip(window.rejects, window.before, strict=True):
        for row in scored[place:before]:
            yield None, row
        yield reject, _known(source, reject.raw)
        place = before
    for row in scored[place:]:
        yield None, row


def _known(source: EssayFile, raw: Any) -> dict[str, Any]:
    """Return what is known of a row that cannot be scored, by the names of its columns."""
    if isinstance(raw, Mapping):
        return dict(raw)
    if isinstance(raw, list):
        return dict(zip(source.columns, raw, strict=False))  # it may have more or fewer fields
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}


def _words(name: str) -> list[str]:
    """Return the words of a name, without accents and capitals."""
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.findall("[a-z0-9]+", letters)


def _length(rows: list[dict[str, Any]], name: str) -> float:
    return fmean(len(value) if isinstance(value := row.get(name), str) else 0 for row in rows) if rows else 0.0
