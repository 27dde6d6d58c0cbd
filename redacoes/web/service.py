"""The model behind the page: it is loaded in the background, and scores an essay. `batch` scores files.

No part of an essay is logged or kept. This module does not depend on Gradio.
"""

import io
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from redacoes.errors import FileError, UserError
from redacoes.essays import documents
from redacoes.essays.cleaning import clean
from redacoes.explain.attribution import Attribution, score_with_occlusion
from redacoes.explain.neighbours import Neighbour, Neighbours
from redacoes.explain.sentences import sentences
from redacoes.inference.resolve import MISSING, PUBLISHED
from redacoes.inference.scorer import Backend, Scorer
from redacoes.languages import Language
from redacoes.layout import CONFUSION, SCORER
from redacoes.tracking.provenance import describe
from redacoes.tracking.revisions import WORKSPACE, Folder, Revision
from redacoes.web.texts import say

CHARACTERS = 100_000  # maximum for one essay
MEGABYTES = 20  # maximum for one file
SENTENCES = 200  # maximum; each costs one forward pass
SHORT = 50  # words
NEIGHBOURS = 3
LANGUAGES = ["pt", "en", "es", "fr", "it", "de"]  # detected; Galician would be confused with Portuguese
SURE = 0.9  # the page warns from this probability of another language


class RefusedError(Exception):
    """A request of a user that is refused; the message is in their language."""


@dataclass(frozen=True)
class Answer:
    """One essay, scored.

    Attributes:
        text: The cleaned essay.
        score: A row of what :meth:`redacoes.Scorer.score` returns.
        effects: Of its sentences; None if there are too many, or if they are not known yet.
        neighbours: Training essays most similar to it; empty if unavailable, or not known yet.
        warnings: In the user's language.
        pending: Whether the effects are not known yet.
    """

    text: str
    score: dict[str, Any]
    effects: list[Attribution] | None
    neighbours: list[Neighbour]
    warnings: list[str]
    pending: bool = False


def _defect(error: Exception) -> str:
    """Print the traceback of the exception that is being handled, to find its cause; return what the page can say."""
    traceback.print_exc()
    return f"{type(error).__name__}: {error}"


class Service:
    """A model that is loaded in the background, and its provenance.

    Attributes:
        model: As the user named it.
        missing: Whether it is the project's own model, which has not been trained yet.
        failure: Why it could not be loaded, or an empty string.
        run: The run that made it, from :func:`redacoes.tracking.provenance.describe`; None if unknown.
        unknown: Why `run` is unknown.
        confusion: Columns score, predicted and essays; None if unknown.
    """

    def __init__(self, model: str, backend: Backend, reveals: bool) -> None:
        """Begin to load a model.

        Args:
            model: As :meth:`redacoes.Scorer.load` takes it.
            backend: tensorflow or onnx.
            reveals: Whether training essays, which real people wrote, may be shown.
        """
        self.model, self.failure, self.unknown = model, "", ""
        self.missing = Path(model) == SCORER and not SCORER.exists()
        self.run: dict[str, Any] | None = None
        self.confusion: pd.DataFrame | None = None
        self._backend, self._reveals, self._done = backend, reveals, threading.Event()
        self._neighbours: Neighbours | None = None
        threading.Thread(target=self._load, name="load", daemon=True).start()

    def _load(self) -> None:
        try:
            if self.missing:
                raise UserError(f"{MISSING}; then start the page again")
            self._describe()
            _identifier()  # which takes a second, and the first score should not
            self._scorer = Scorer.load(self.model, self._backend)
            if Path(self.model).resolve() == SCORER.resolve() and self._backend == "tensorflow":
                try:
                    self._neighbours = Neighbours.load(self._scorer)
                except UserError as error:
                    print(f"no neighbours are shown: {error}", file=sys.stderr)
        except UserError as error:
            self.failure = str(error)
        except Exception as error:  # a thread dies silently, and the page would seem to load for ever
            self.failure = _defect(error)
        if self.failure:
            print(f"the page has no model: {self.failure}", file=sys.stderr, flush=True)
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
            self.confusion = pd.read_csv(io.StringIO(revision.text(CONFUSION)))
        except UserError as error:
            self.unknown = str(error)
        except Exception as error:  # the scores do not depend on it, and the page says that it does not know
            self.unknown = _defect(error)

    @property
    def state(self) -> str:
        """``loading``, ``ready`` or ``failed``."""
        if not self._done.is_set():
            return "loading"
        return "failed" if self.failure else "ready"

    @property
    def points(self) -> float:
        """Points of the training data for one step of the score; 1 if unknown, or not known yet."""
        return (self._scorer.points or 1.0) if self.state == "ready" else 1.0

    def why(self, language: Language) -> str:
        """Return why the model could not be loaded."""
        return say("missing" if self.missing else "failed", language, reason=self.failure)

    def scorer(self, language: Language) -> Scorer:
        """Return the scorer, once it has been loaded. Raises RefusedError if loading has failed."""
        self._done.wait()
        if self.failure:
            raise RefusedError(self.why(language))
        return self._scorer

    def score(self, text: str, language: Language) -> Answer:
        """Return the whole answer on one essay. Raises RefusedError if the text is empty or too long."""
        *_, found = self.answers(text, language)
        return found

    def answers(self, text: str, language: Language) -> Iterator[Answer]:
        """Yield the answer on one essay as it grows: the score, what the training essays say of it, and the effects.

        The score is known after one pass of the model, the effects after as many as the essay has sentences.

        Raises:
            RefusedError: The text is empty or too long.
        """
        cleaned = checked(text, language)
        scorer = self.scorer(language)
        essay = scorer.read(cleaned, cleaned=True)
        spans = sentences(cleaned)
        few = len(spans) <= SENTENCES
        beside = ThreadPoolExecutor(1)
        try:
            compared = beside.submit(self._neighbours.compare, essay, NEIGHBOURS) if self._neighbours else None
            score, effects = score_with_occlusion(scorer, essay, spans if few else [])
            warnings = _warnings(cleaned, score, scorer.tokenize.max_length, language)
            found = Answer(cleaned, score, None, [], warnings, pending=few)
            yield found
            if compared:  # it began with the pass before, and is ready about when that is
                nearest, far = compared.result()
                warnings = [*warnings, say("far", language)] if far else warnings
                found = replace(found, neighbours=nearest if self._reveals else [], warnings=warnings)
                yield found
            if few:
                yield replace(found, effects=list(effects), pending=False)
        finally:
            beside.shutdown(wait=False)  # who has closed the page waits for nothing


def _warnings(cleaned: str, score: dict[str, Any], most: int, language: Language) -> list[str]:
    """Return what is to be said of a text by itself, and of its score; the model sees `most` tokens of it."""
    found = []
    if score["truncated"]:
        found.append(say("cut_off", language, tokens=score["tokens"], most=most))
    if (words := len(cleaned.split())) < SHORT:
        found.append(say("short", language, words=words))
    if not seems_portuguese(cleaned):
        found.append(say("not_portuguese", language))
    return found


def read_text(path: str, language: Language) -> str:
    """Return the text of a file, or of a document. Raises RefusedError if it is neither."""
    try:
        return documents.text_of(Path(path).read_bytes(), Path(path).name)
    except FileError as error:
        raise RefusedError(say(f"document_{error.key}", language)) from error


def checked(text: str, language: Language) -> str:
    """Return a text as the model sees it. Raises RefusedError if it is empty or too long."""
    if len(text) > CHARACTERS:
        raise RefusedError(say("too_long", language, count=len(text), most=CHARACTERS))
    cleaned = clean(text)
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
    """Tell whether a text may be Portuguese. A few words may always be: the identifier is too unsure to deny it."""
    language, probability = _identifier().classify(text)
    return language == "pt" or probability < SURE
