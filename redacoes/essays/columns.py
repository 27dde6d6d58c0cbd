"""Find the columns of a file of essays by their names, or else by their contents."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from redacoes.essays.scoring_input import RAW, EssayFile, Reject, Window

# without accents and capitals, the most certain first
NAMES = {
    "essay": ("essay", "essays", "redacao", "redacoes", "dissertacao", "texto", "text"),
    "score": ("score", "nota", "grade", "pontuacao", "total"),
    "group": ("prompt", "theme", "topic", "tema", "proposta", "assunto"),
}
FINAL = {"final", "total", "geral"}  # marks a total among partial scores
UNNAMED = 3  # the rank of a name without a hint
# whole names; the first match counts
STUDENT = (
    "aluno", "aluna", "nome do aluno", "nome da aluna", "estudante", "nome do estudante", "nome completo", "nome",
    "student", "student name", "full name", "name", "candidato", "matricula", "ra", "codigo", "id",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The columns of a file of essays.

    Attributes:
        names: All of them.
        essay: The likely column of the essay.
        student: The likely column of the student's name; None if no column's name suggests it.
    """

    names: list[str]
    essay: str
    student: str | None


def look(path: str, longest: int | None = None) -> Columns:
    """Return the columns of a file, judged by its first rows.

    Args:
        path: Path of the file.
        longest: Longest essay, as in :class:`redacoes.essays.scoring_input.EssayFile`.

    Raises:
        FileError: The file cannot be read.
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
    """Return how clearly a column's name says that it holds the essay, the score or the group.

    Args:
        name: Name of the column.
        what: A key of `NAMES`.

    Returns:
        0 for one of these names alone, 1 for one with a word of `FINAL`, 2 for one with other words, else `UNNAMED`.
    """
    words = set(_words(name))
    if words.isdisjoint(NAMES[what]):
        return UNNAMED
    if len(words) == 1:
        return 0
    return 1 if words & FINAL else 2


def rows_of(source: EssayFile, window: Window | None) -> Iterator[tuple[Reject | None, dict[str, Any]]]:
    """Yield all rows of a window in the file's order, and the reject for each row that cannot be scored.

    Args:
        source: The file.
        window: One of its windows. None yields no rows.
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
    """Return the fields of a row that cannot be scored, by column, as far as they are known."""
    if isinstance(raw, Mapping):
        return dict(raw)
    if isinstance(raw, list):
        return dict(zip(source.columns, raw, strict=False))  # such a row may have more or fewer fields
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
