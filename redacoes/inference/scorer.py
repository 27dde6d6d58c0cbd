"""A trained model as a function from essays to scores. Files of essays are in `batch`."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.errors import UserError, warn
from redacoes.essays.cleaning import clean
from redacoes.evaluation.decision import Decision, expected_score, softmax
from redacoes.inference import metadata, resolve
from redacoes.layout import SCORER
from redacoes.learning import checkpoint, tokens
from redacoes.learning.batching import Ragged, sorted_batches
from redacoes.learning.text_regression import FILES, TextRegression
from redacoes.params import Tokenize

Backend = Literal["tensorflow", "onnx"]
Key = TypeVar("Key")
Forward = Callable[[Mapping[str, NDArray[np.int32]]], NDArray[np.float32]]

BATCH = 16  # essays; more are slower on processors, since less of them stays in the cache
WINDOW = 2048  # essays sorted by length together
MULTIPLE = {"tensorflow": 32, "onnx": 1}  # tokens to a multiple of which is padded; ONNX Runtime minds no new shapes
ONNX = "model.onnx"
OUTSIDE = 0.05  # of the probability, on either side of the range from low to high
VARIANTS = 6  # of an essay in a batch: about as fast as 16, and as many batches for each processor
DECIMALS = 6  # of probabilities: what lies beyond depends on which essays share a batch


@dataclass(frozen=True)
class Reading:
    """An essay that has been cleaned and tokenized, once for all that is asked of it.

    Attributes:
        text: The cleaned essay.
        tokens: The essay as the model sees it.
    """

    text: str
    tokens: tokens.Tokens

    @property
    def ids(self) -> list[int]:
        """The token ids that the model sees."""
        return [self.tokens.ids[place] for place in self.tokens.kept]


@dataclass(frozen=True)
class Scorer:
    """A trained model, ready to score. Every method may be called from several threads at once.

    Attributes:
        tokenizer: The fast transformers tokenizer.
        tokenize: What the model sees of a long essay.
        decision: The rule from probabilities to a score.
        text: The regression on the essay's text that the rule ordinal weighs; None with another rule.
        classes: Number of scores, which are 0 to ``classes - 1``.
        backend: What computes.
        digest: A hash of all that a score depends on.
        classifier: The model in TensorFlow; None in ONNX Runtime.
        threads: Where batches are computed side by side, one on each processor.
        points: Of the file that was learnt from, for one step of the score, as `metadata.load_points` has them.
    """

    tokenizer: Any
    tokenize: Tokenize
    decision: Decision
    text: TextRegression | None
    classes: int
    backend: Backend
    digest: str
    classifier: Any
    threads: ThreadPoolExecutor
    _forward: Forward
    _lock: Any = field(default_factory=Lock)  # a tokenizer takes one caller at a time
    points: float | None = None

    @classmethod
    def load(
        cls,
        model: str | Path = SCORER,
        backend: Backend = "tensorflow",
        root: Path = Path(),
        threads: int | None = None,
    ) -> "Scorer":
        """Return the scorer of a trained model.

        Args:
            model: A folder (`models/scorer`, what was exported or what was downloaded), a branch, tag, commit or
                experiment of the project in `root`, or ``OWNER/NAME@HASH`` on the Hugging Face Hub.
            backend: tensorflow, or onnx for a folder that `redacoes export --format onnx` wrote.
            root: The project's folder.
            threads: Batches that are computed side by side; as many as there are processors where it is None.

        Raises:
            UserError: There is no such model, it is damaged, or it is not one for `backend`.
        """
        threads = threads or processors()
        with resolve.found(model, root) as folder:
            config, tokenizer, tokenize = tokenization(folder, model)
            decision = metadata.load_decision(folder)
            text = metadata.load_text(folder, decision)
            classifier, forward = _BACKENDS[backend](folder, threads)
            if decision.odds and len(decision.odds.thresholds) != config.num_labels - 1:
                raise UserError(f"the rule of {model} is for other scores than the model's; dvc repro evaluate fits it")
            digest = digest_of(folder, backend, decision, tokenize)
            points = metadata.load_points(folder)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="forward")
        found = tokenizer, tokenize, decision, text, config.num_labels, backend, digest, classifier, pool, forward
        return cls(*found, points=points)

    def score(self, texts: Iterable[str]) -> pd.DataFrame:
        """Return the scores of essays, one row each, in their order.

        Args:
            texts: Essays, as they were written: they are cleaned here as those of the training were.

        Returns:
            Columns ``predicted`` (int64, the decided score), ``expected`` (float64, the mean score under the
            probabilities), ``confidence`` (float64, the probability of ``predicted``), ``p_0`` to ``p_(classes - 1)``
            (float64, those that the rule decides by), ``low`` and ``high`` (int64: the score is below or above them
            with 5 % probability at most, each), ``tokens`` (int64, of the whole essay, special ones included) and
            ``truncated`` (bool: the model did not see all of them).

        Raises:
            TypeError: `texts` is one text.
            ValueError: A text is not a str, or holds nothing that can be read; the message says which.
        """
        if isinstance(texts, str):
            raise TypeError("score takes a list of essays, and would score each letter of a str: score([text]), say")
        texts = list(texts)
        windows = ((start, texts[start : start + WINDOW]) for start in range(0, len(texts), WINDOW))
        scored = [table for _, table in self.stream(windows)]
        if not scored:
            return self._table([], self.logits([]), [])
        return pd.concat(scored, ignore_index=True)

    def stream(self, windows: Iterable[tuple[Key, Sequence[str]]]) -> Iterator[tuple[Key, pd.DataFrame]]:
        """Yield what :func:`score` returns of each window of essays, in their order, under the window's own key.

        The next window is tokenized while one is computed, and no more than those two are in memory.

        Args:
            windows: The caller's key of each window, and its essays.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="tokenize") as ahead:
            encoded = ((key, ahead.submit(self._read, texts)) for key, texts in windows)
            coming = next(encoded, None)
            while coming is not None:
                key, future = coming
                cleaned, ids, lengths = future.result()
                coming = next(encoded, None)
                yield key, self._table(lengths, self.logits(ids), self._numbers(cleaned))

    def read(self, text: str, cleaned: bool = False) -> Reading:
        """Return an essay as the model sees it.

        Args:
            text: As it was written.
            cleaned: Whether it is what :func:`redacoes.essays.cleaning.clean` returns, and need not be cleaned.

        Raises:
            ValueError: The text holds nothing that can be read.
        """
        text = text if cleaned else clean(text)
        if not text:
            raise ValueError("the text holds nothing that can be read")
        with self._lock:
            return Reading(text, tokens.view(self.tokenizer, text, self.tokenize))

    def score_variants(
        self, essay: Reading, windows: Iterable[list[str]], progress: bool = False
    ) -> Iterator[pd.DataFrame]:
        """Yield what `score` returns of one essay as soon as it is known, then of all its variants, in their order.

        The essay is a batch of its own, so that its row is the one that `score` returns. What the model sees alike, as
        of variants that differ where the essay is cut off, is computed once. While batches are computed, the variants
        that follow are read.

        Args:
            essay: Read by this scorer.
            windows: Lists of variants, as cleaned texts, which may be empty.
            progress: Whether to show a progress bar on stderr.
        """
        running, ahead = [self._begin([essay.ids])], processors() + 1
        number = self._numbers([essay.text])
        yield self._table([len(essay.tokens.ids)], running[0].result(), number)
        different: dict[tuple[int, ...], int] = {tuple(essay.ids): 0}
        waiting: list[list[int]] = []
        places: list[int] = []
        lengths: list[int] = []
        numbers: list[float] = []
        for window in windows:
            with self._lock:
                ids, counts = tokens.encode(self.tokenizer, window, self.tokenize)
            for row in ids:
                if tuple(row) not in different:
                    different[tuple(row)] = len(different)
                    waiting.append(row)
                places.append(different[tuple(row)])
            while len(waiting) >= VARIANTS:
                running[-ahead:][0].result()  # so that the score of another essay waits for few variants of this one
                running.append(self._begin(waiting[:VARIANTS]))
                waiting = waiting[VARIANTS:]
            lengths += counts
            numbers += self._numbers(window)
        if waiting:
            running.append(self._begin(waiting))
        bar = tqdm(running, "essays without a sentence", leave=False, disable=not progress)
        yield self._table(lengths, np.concatenate([batch.result() for batch in bar])[places], numbers)

    def _begin(self, ids: list[list[int]]) -> Future[NDArray[np.float32]]:
        """Begin to compute the logits of one batch."""
        return self.threads.submit(self._forward, self._pad(_ragged(ids), np.arange(len(ids))))

    def encode(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return the token ids that the model sees of essays, and how many tokens each has; see `score` for errors."""
        return self._read(texts)[1:]

    def _read(self, texts: Sequence[str]) -> tuple[list[str], list[list[int]], list[int]]:
        """Return what `encode` does, with the cleaned essays in front."""
        cleaned = []
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise ValueError(f"text {place} is of type {type(text).__name__}, and must be a str")
            cleaned.append(clean(text))
            if not cleaned[-1]:
                raise ValueError(f"text {place} holds nothing that can be read")
        with self._lock:
            return cleaned, *tokens.encode(self.tokenizer, cleaned, self.tokenize)

    def logits(self, ids: list[list[int]]) -> NDArray[np.float32]:
        """Return the logits of each list of token ids, float32 ``(rows, classes)``."""
        return self.run(self._forward, ids) if ids else np.empty((0, self.classes), np.float32)

    def run(self, forward: Forward, ids: list[list[int]]) -> NDArray[np.float32]:
        """Return what `forward` gives for each list of token ids, float32 ``(rows, values)``.

        Args:
            forward: A function from padded ``input_ids`` and ``attention_mask``, int32 ``(rows, length)``, to a row of
                values each. Batches are given to it from several threads at once.
            ids: At least one list.
        """
        rows, batches = self.batches(ids)
        values = np.concatenate(list(self.threads.map(forward, batches)))
        ordered = np.empty_like(values)
        ordered[np.concatenate(rows)] = values
        return ordered

    def batches(self, ids: list[list[int]]) -> tuple[list[NDArray[np.int64]], list[dict[str, NDArray[np.int32]]]]:
        """Return the rows of each batch, the longest first, and each batch padded, as `forward` takes it."""
        ragged = _ragged(ids)
        rows = sorted_batches(ragged.lengths, BATCH)
        return rows, [self._pad(ragged, batch) for batch in rows]

    def _pad(self, ragged: Ragged, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int32]]:
        return ragged.pad(rows, self.tokenizer.pad_token_id, MULTIPLE[self.backend], self.tokenize.max_length)

    def _numbers(self, cleaned: Sequence[str]) -> Sequence[float]:
        """Return what the text regression makes of cleaned essays, in points; nothing where there is none."""
        return self.text.predict(cleaned).tolist() if self.text else []

    def _table(self, lengths: Sequence[int], logits: NDArray[np.float32], numbers: Sequence[float]) -> pd.DataFrame:
        """Return the scores of essays by the logits, and by the numbers of the text regression where there is one."""
        predicted, probabilities = self.decision.decide(softmax(logits), np.array(numbers) if self.text else None)
        below = probabilities.cumsum(axis=1)
        rounded = probabilities.round(DECIMALS)
        counts = np.asarray(lengths, dtype=np.int64)
        return pd.DataFrame(
            {
                "predicted": predicted,
                "expected": expected_score(probabilities).round(DECIMALS),
                "confidence": rounded[np.arange(len(rounded)), predicted],
                **{f"p_{k}": rounded[:, k] for k in range(self.classes)},
                "low": (below < OUTSIDE).sum(axis=1),
                "high": np.minimum((below < 1 - OUTSIDE).sum(axis=1), self.classes - 1),
                "tokens": counts,
                "truncated": counts > self.tokenize.max_length,
            }
        )


def _ragged(ids: list[list[int]]) -> Ragged:
    return Ragged(np.concatenate(ids).astype(np.int32), np.cumsum([0, *map(len, ids)]))


def tokenization(folder: Path, name: str | Path) -> tuple[Any, Any, Tokenize]:
    """Return a model's configuration, its tokenizer, and what it sees of a long essay, without TensorFlow.

    Where nothing says what it sees, that is what the encoder has positions for, and a warning is printed.

    Args:
        folder: The model.
        name: As the user named it.

    Raises:
        UserError: One of them is damaged, the tokenizer is not the encoder's, or the encoder cannot see so much.
    """
    config, tokenizer = checkpoint.load_config(folder), checkpoint.load_tokenizer(folder)
    checkpoint.require_own_tokenizer(folder, config, tokenizer)
    longest, known = checkpoint.positions(config), metadata.load_tokenize(folder)
    if not known:
        warn(f"{name} does not say what it saw of a long essay: the first {longest} tokens are used")
    elif known["max_length"] > longest:
        raise UserError(
            f"{name}: tokenize.max_length is {known['max_length']}, and the encoder has positions for {longest} "
            f"tokens; {metadata.ANEW}"
        )
    return config, tokenizer, Tokenize(**{"max_length": longest, "truncation": "head", **known}, batch_size=WINDOW)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def digest_of(folder: Path, backend: Backend, decision: Decision, tokenize: Tokenize) -> str:
    """Return a hash of all that a score depends on: the files of a model, and how it is used."""
    digest = blake2b(f"{backend}{decision.to_dict()}{tokenize}".encode(), digest_size=16)
    weights = [folder / ONNX] if backend == "onnx" else sorted(set(folder.glob("*.safetensors")) - {folder / FILES[1]})
    model = map(folder.joinpath, ("config.json", *checkpoint.TOKENIZER_FILES))
    for path in [*model, *weights, *metadata.text_files(folder, decision)]:
        if path.is_file():
            with path.open("rb") as file:
                digest.update(file_digest(file, blake2b).digest())
    return digest.hexdigest()


def _tensorflow(folder: Path, threads: int) -> tuple[Any, Forward]:
    if not checkpoint.has_weights(folder) and (folder / ONNX).is_file():
        raise UserError(f"{folder} is an export for ONNX Runtime; choose the backend onnx")
    from redacoes.learning import model

    model.configure_scoring(threads)
    classifier = model.load(folder)
    return classifier, model.forward(classifier, ("input_ids", "attention_mask"))


def _onnx(folder: Path, _: int) -> tuple[Any, Forward]:
    if not (folder / ONNX).is_file():
        raise UserError(
            f"{folder} holds no model.onnx; redacoes export --format onnx --out FOLDER writes it from models/scorer"
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "the backend onnx needs onnxruntime, of the extra onnx: .venv/bin/uv sync --frozen --inexact --extra onnx"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches run side by side instead
    session = onnxruntime.InferenceSession(folder / ONNX, options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, NDArray[np.int32]]) -> NDArray[np.float32]:
        [logits] = session.run(["logits"], {name: value.astype(np.int64) for name, value in inputs.items()})
        return logits

    return None, run


_BACKENDS: dict[str, Callable[[Path, int], tuple[Any, Forward]]] = {"tensorflow": _tensorflow, "onnx": _onnx}
