"""What the page does, without the page: load a model in the background, score one essay or a file of them.

Nothing of an essay is logged or kept. Nothing here knows about Gradio.
"""

import csv
import io
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from redacoes import corpus, documents
from redacoes.app_texts import Language, say
from redacoes.errors import FileError, UserError
from redacoes.essay_files import RAW, EssayFile, Window
from redacoes.explain import Effect, score_by_sentence, sentences
from redacoes.explanation import beginning
from redacoes.neighbours import Neighbour, Neighbours
from redacoes.portable import SCORER
from redacoes.provenance import describe
from redacoes.revisions import WORKSPACE, Folder, Revision
from redacoes.scorer import Backend, Scorer
from redacoes.sources import PUBLISHED

CHARACTERS = 100_000  # of one essay
MEGABYTES = 20  # of one file
ROWS = 20_000  # of one file
ALL_CHARACTERS = 100_000_000  # of one file: a Parquet of a few hundred bytes can unfold to gigabytes
BYTES = 4  # of a character in UTF-8, at most
SENTENCES = 200  # that are told apart: each is a score more
SHORT = 50  # words
NEIGHBOURS = 3
SHOWN = 100  # rows of a class
SCORES = ["predicted", "expected", "low", "high", "truncated"]  # that are shown of it
LANGUAGES = ["pt", "en", "es", "fr", "it", "de"]  # that are told apart; Galician, say, would be taken for Portuguese
SURE = 0.9  # probability of another language from which the page warns
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet take a text for a formula


class RefusedError(Exception):
    """What a user of the page asked for and cannot have: the message is in their language."""


@dataclass(frozen=True)
class Answer:
    """One essay, scored.

    Attributes:
        text: The cleaned essay.
        score: A row of what :meth:`redacoes.Scorer.score` returns.
        effects: Of its sentences; None where there are too many.
        neighbours: Training essays most like it; empty where there are none at hand.
        warnings: In the user's language.
    """

    text: str
    score: dict[str, Any]
    effects: list[Effect] | None
    neighbours: list[Neighbour]
    warnings: list[str]


@dataclass(frozen=True)
class Class:
    """What is shown of a file of essays.

    Attributes:
        first: Scores of its first rows, and what else stands in them as text that is cut short.
        predicted: How many essays have each score.
        rejected: How many rows cannot be scored.
        line: On which the first of them begins; 0 where there is none.
        fault: What is wrong with that one: a key, as :class:`redacoes.essay_files.Reject` has it.
    """

    first: pd.DataFrame
    predicted: list[int]
    rejected: int
    line: int
    fault: str


class Service:
    """A model that is loaded in the background, and what is known of it.

    Attributes:
        model: As the user named it.
        failure: Why it could not be loaded, or an empty string.
        run: What made it, as :func:`redacoes.provenance.describe` tells; None where that is not known.
        unknown: Then why.
        confusion: Columns score, predicted and essays; None where it is not known.
    """

    def __init__(self, model: str, backend: Backend, reveals: bool) -> None:
        """Begin to load a model.

        Args:
            model: As :meth:`redacoes.Scorer.load` takes it.
            backend: What computes.
            reveals: Whether training essays may be shown, which are those of real people.
        """
        self.model, self.failure, self.unknown = model, "", ""
        self.run: dict[str, Any] | None = None
        self.confusion: pd.DataFrame | None = None
        self._backend, self._reveals, self._done = backend, reveals, threading.Event()
        self._neighbours: Neighbours | None = None
        threading.Thread(target=self._load, name="load", daemon=True).start()

    def _load(self) -> None:
        try:
            self._describe()
            self._scorer = Scorer.load(self.model, self._backend)
            if Path(self.model).resolve() == SCORER.resolve() and self._backend == "tensorflow":
                try:
                    self._neighbours = Neighbours.load(self._scorer)
                except UserError as error:
                    print(f"no neighbours are shown: {error}", file=sys.stderr)
        except UserError as error:
            self.failure = str(error)
        except Exception as error:  # the page must tell of it, or it would load for ever
            traceback.print_exc()
            self.failure = f"{type(error).__name__}: {error}"
        self._done.set()

    def _describe(self) -> None:
        folder = Path(self.model)
        here = folder.is_dir()
        if (here and folder.resolve() != SCORER.resolve()) or (not here and PUBLISHED.fullmatch(self.model)):
            self.unknown = "only models/scorer, and revisions of this project, say what made them"
            return
        try:
            in_clone = Path(".dvc").is_dir()
            revision = Revision(WORKSPACE if here else self.model, Path()) if in_clone else Folder(Path())
            self.run = describe(revision)
            self.confusion = pd.read_csv(io.StringIO(revision.text("metrics/confusion.csv")))
        except UserError as error:
            self.unknown = str(error)

    @property
    def state(self) -> str:
        """``loading``, ``ready`` or ``failed``."""
        if not self._done.is_set():
            return "loading"
        return "failed" if self.failure else "ready"

    def scorer(self, language: Language) -> Scorer:
        """Return the scorer, once it has been loaded. Raises RefusedError where that has failed."""
        self._done.wait()
        if self.failure:
            raise RefusedError(say("failed", language, reason=self.failure))
        return self._scorer

    def score(self, text: str, language: Language) -> Answer:
        """Score one essay. Raises RefusedError where the text is empty or too long."""
        cleaned = checked(text, language)
        scorer = self.scorer(language)
        essay = scorer.read(cleaned, cleaned=True)
        spans = sentences(cleaned)
        few = len(spans) <= SENTENCES
        with ThreadPoolExecutor(1) as beside:
            compared = beside.submit(self._neighbours.compare, essay, NEIGHBOURS) if self._neighbours else None
            score, effects = score_by_sentence(scorer, essay, spans if few else [])
        nearest, far = compared.result() if compared else ([], False)
        warnings = []
        if score["truncated"]:
            warnings.append(say("cut_off", language, tokens=score["tokens"], most=scorer.tokenize.max_length))
        if (words := len(cleaned.split())) < SHORT:
            warnings.append(say("short", language, words=words))
        if not seems_portuguese(cleaned):
            warnings.append(say("not_portuguese", language))
        if far:
            warnings.append(say("far", language))
        return Answer(cleaned, score, effects if few else None, nearest if self._reveals else [], warnings)

    def score_file(
        self, path: str, column: str, language: Language, progress: Callable[[tuple[int, int]], None]
    ) -> tuple[pd.DataFrame, Class]:
        """Return the rows of a file of essays with their scores, and what is shown of them.

        Args:
            path: A CSV, JSON lines or a Parquet file. How its text is encoded, and what separates the columns of a
                CSV, is found out: spreadsheets in Brazil write semicolons, and Windows writes its own encoding.
            column: Where the essay stands.
            language: Of what is said.
            progress: Called with how many essays are scored, and of how many.

        Raises:
            RefusedError: It cannot be read, or holds more than the page takes.
        """
        try:
            source = EssayFile(path, column, longest=CHARACTERS)
            windows = list(_within_limits(source, language))
        except FileError as error:
            raise RefusedError(say(f"file_{error.key}", language, **error.values)) from error
        rejects = [row for window in windows for row in window.rejects]
        line, fault = (rejects[0].line, rejects[0].fault) if rejects else (0, "")
        total = sum(len(window.texts) for window in windows)
        if not total:
            raise RefusedError(say("no_row", language, first=told_reject(line, fault, language)))
        scorer, parts = self.scorer(language), []
        for _, scored in scorer.stream(enumerate(window.texts for window in windows if window.texts)):
            parts.append(scored)
            progress((sum(map(len, parts)), total))
        rows = pd.concat([window.carried.to_pandas() for window in windows], ignore_index=True)
        if source.kind == "json":
            rows = pd.DataFrame(map(json.loads, rows[RAW]))
        scores = pd.concat(parts, ignore_index=True)
        counts = scores["predicted"].value_counts().reindex(range(scorer.classes), fill_value=0)
        cut = rows.head(SHOWN).map(lambda value: beginning(str(value), 100))
        first = pd.concat([scores[SCORES].head(SHOWN), cut], axis=1)
        return pd.concat([rows, scores], axis=1), Class(first, counts.tolist(), len(rejects), line, fault)


def told_reject(line: int, fault: str, language: Language) -> str:
    """Return which row cannot be scored and why, or an empty string where `line` is 0."""
    return say("reject", language, line=line, reason=say(f"row_{fault}", language, most=CHARACTERS)) if line else ""


def read_text(path: str, language: Language) -> str:
    """Return the text of a file, or of a document. Raises RefusedError where it is neither."""
    try:
        return documents.text_of(Path(path).read_bytes(), Path(path).name)
    except FileError as error:
        raise RefusedError(say(f"document_{error.key}", language)) from error


def _within_limits(source: EssayFile, language: Language) -> Iterator[Window]:
    too_large = RefusedError(say("too_large", language, most=ALL_CHARACTERS))
    if source.unpacked > BYTES * ALL_CHARACTERS:
        raise too_large
    rows = characters = 0
    for window in source.windows():
        rows += len(window.texts)
        characters += window.characters
        if rows > ROWS:
            raise RefusedError(say("too_many", language, most=ROWS))
        if characters > ALL_CHARACTERS:
            raise too_large
        yield window


def checked(text: str, language: Language) -> str:
    """Return a text as the model sees it. Raises RefusedError where it is empty or too long."""
    if len(text) > CHARACTERS:
        raise RefusedError(say("too_long", language, count=len(text), most=CHARACTERS))
    cleaned = corpus.clean(text)
    if not cleaned:
        raise RefusedError(say("empty", language))
    return cleaned


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def seems_portuguese(text: str) -> bool:
    """Tell whether a text may be Portuguese; of a few words nothing can be told, and they may."""
    language, probability = _identifier().classify(text)
    return language == "pt" or probability < SURE


def spreadsheet(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a CSV that a spreadsheet shows as it is: with accents, and with no text run as a formula."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(_harmless, table.columns))
        writer.writerows(map(_harmless, row) for row in table.itertuples(index=False))


def _harmless(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
