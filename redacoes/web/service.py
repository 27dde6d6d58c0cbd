"""What the page does, without the page: load a model in the background, and score an essay. Files are in `app_class`.

Nothing of an essay is logged or kept. Nothing here knows about Gradio.
"""

import io
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

CHARACTERS = 100_000  # of one essay
MEGABYTES = 20  # of one file
SENTENCES = 200  # that are told apart: each is a score more
SHORT = 50  # words
NEIGHBOURS = 3
LANGUAGES = ["pt", "en", "es", "fr", "it", "de"]  # that are told apart; Galician, say, would be taken for Portuguese
SURE = 0.9  # probability of another language from which the page warns


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
    effects: list[Attribution] | None
    neighbours: list[Neighbour]
    warnings: list[str]


class Service:
    """A model that is loaded in the background, and what is known of it.

    Attributes:
        model: As the user named it.
        missing: Whether it is the project's own, which nobody has made yet.
        failure: Why it could not be loaded, or an empty string.
        run: What made it, as :func:`redacoes.tracking.provenance.describe` tells; None where that is not known.
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

    @property
    def state(self) -> str:
        """``loading``, ``ready`` or ``failed``."""
        if not self._done.is_set():
            return "loading"
        return "failed" if self.failure else "ready"

    @property
    def points(self) -> float:
        """Of the file that was learnt from, for one step of the score; 1 where that is not known, or not yet."""
        return (self._scorer.points or 1.0) if self.state == "ready" else 1.0

    def why(self, language: Language) -> str:
        """Return why the model could not be loaded."""
        return say("missing" if self.missing else "failed", language, reason=self.failure)

    def scorer(self, language: Language) -> Scorer:
        """Return the scorer, once it has been loaded. Raises RefusedError where that has failed."""
        self._done.wait()
        if self.failure:
            raise RefusedError(self.why(language))
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
            score, effects = score_with_occlusion(scorer, essay, spans if few else [])
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


def read_text(path: str, language: Language) -> str:
    """Return the text of a file, or of a document. Raises RefusedError where it is neither."""
    try:
        return documents.text_of(Path(path).read_bytes(), Path(path).name)
    except FileError as error:
        raise RefusedError(say(f"document_{error.key}", language)) from error


def checked(text: str, language: Language) -> str:
    """Return a text as the model sees it. Raises RefusedError where it is empty or too long."""
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
    """Tell whether a text may be Portuguese; of a few words nothing can be told, and they may."""
    language, probability = _identifier().classify(text)
    return language == "pt" or probability < SURE
