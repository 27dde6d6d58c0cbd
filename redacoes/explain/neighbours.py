"""The training essays most similar to a text (nearest neighbours in the encoder's space), with their true scores.

Only the project in which a model was trained has its essays. Essays are compared by the encoder's pooled vectors, after
whitening: the vectors of a fine-tuned encoder vary mostly in one direction, that of the score, which would outweigh all
others (Su, Cao, Liu and Ou, 2021, "Whitening Sentence Representations for Better Semantics and Faster Retrieval",
arXiv:2103.15316).
"""

import sys
from dataclasses import dataclass
from errno import EEXIST, ENOENT, ENOTEMPTY
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.files import read_json, staged, write_json
from redacoes.inference.scorer import Forward, Reading, Scorer, digest_of
from redacoes.layout import SCORER, TOKENIZED
from redacoes.learning.checkpoint import WEIGHTS
from redacoes.tracking.dvc_hashes import folder_md5
from redacoes.tracking.revisions import Folder

Floats = NDArray[np.float32]

SPLITS = Path("data", "splits")
CACHE = Path(".work", "neighbours")
ROWS_BY_AXIS = 16  # essays per retained axis, largest variance first; fewer make its variance unreliable
LEAST_AXES = 8
FAR = 0.99  # quantile of the training essays' own distances beyond which a text is far
PROBES = 4096  # training essays sampled for this quantile; more do not improve it
BLOCK = 512  # sampled essays compared at once
FARTHEST = np.float32(np.inf)
TINY = 1e-9
VECTORS, WHITENING, RECORD = "vectors.npy", "whitening.npy", "record.json"


@dataclass(frozen=True)
class Neighbour:
    """A training essay.

    Attributes:
        line: The line of the CSV on which it begins.
        score: Its true score.
        similarity: Cosine of its whitened vector and the text's, -1 to 1.
        essay: Its text.
    """

    line: int
    score: int
    similarity: float
    essay: str


@dataclass(frozen=True)
class Neighbours:
    """The training essays of a model. Every method may be called from several threads at once.

    Attributes:
        threshold: The distance from its nearest training essay beyond which a text is far from all of them.
        shortest: The mean characters per token below which a text is also far.
    """

    threshold: float
    shortest: float
    _scorer: Scorer
    _forward: Forward
    _train: Dataset
    _space: "_Space"

    @classmethod
    def load(cls, scorer: Scorer, splits_folder: Path = SPLITS, cache_folder: Path = CACHE) -> "Neighbours":
        """Return the training essays of `scorer`. Their vectors are computed the first time and then cached.

        Args:
            scorer: Of the backend tensorflow. Its weights must be those of `models/scorer` in the project of
                `splits_folder`, and both must match its `dvc.lock`, which proves that it learnt from these essays.
            splits_folder: `data/splits` of a project.
            cache_folder: Where the vectors of one model are kept, to be memory-mapped.

        Raises:
            UserError: The splits are missing or damaged, or there is no proof that `scorer` learnt from them.
        """
        if scorer.classifier is None:
            raise UserError(
                "ONNX Runtime gives no vectors of essays, which neighbours need; use the backend tensorflow"
            )
        if not splits_folder.is_dir():
            raise UserError(
                f"{splits_folder} is not here, which neighbours come from; dvc pull {splits_folder} fetches it"
            )
        from redacoes.learning.encoder import pooled

        learnt = _require_own(scorer, splits_folder)
        train, forward = arrow.load(splits_folder)["train"], pooled(scorer.classifier)
        made_from = {
            **learnt,
            "tokenize": [scorer.tokenize.max_length, scorer.tokenize.truncation],
            "essays": len(train),
        }
        found = _kept(cache_folder, made_from)
        try:
            if found is None:
                with staged(str(cache_folder)) as [draft]:
                    draft.mkdir()
                    space = _compute(scorer, forward, train, draft)
                    limits = (space.quantile(FAR), _shortest(scorer, train))
                    write_json(draft / RECORD, {"made_from": made_from, "limits": limits})
                    found = space, limits  # memory-mapped: stays valid if the files are replaced
        except OSError as error:
            if found is None or error.errno not in (ENOTEMPTY, EEXIST, ENOENT):
                raise  # else another process has written the same vectors at the same moment
        space, limits = found
        return cls(*limits, scorer, forward, train, space)

    def nearest(self, text: str | Reading, count: int = 5) -> list[Neighbour]:
        """Return the `count` training essays most like `text`, the most similar first; fewer if there are fewer.

        Args:
            text: The essay as written, or as read by the scorer.
            count: How many.

        Raises:
            ValueError: The text holds nothing that can be read.
        """
        return self._nearest(self._pooled(self._read(text)), count)

    def _nearest(self, pooled: Floats, count: int) -> list[Neighbour]:
        similarity = self._space.cosine(pooled)
        best = np.argsort(-similarity, kind="stable")[:count]
        return [
            Neighbour(int(row["row"]), int(row["score"]), float(similarity[place]), str(row["essay"]))
            for place, row in ((place, self._train[int(place)]) for place in best)
        ]

    def is_out_of_distribution(self, text: str | Reading) -> bool:
        """Tell whether `text` is unlike 99 % of the training essays, by its vector or by its words.

        By its vector: it is farther from its nearest training essay than they are from theirs. The distance is
        Euclidean, so the length of a vector counts as well as its direction. By its words: the tokenizer, which learnt
        common words whole, cuts it into shorter pieces. This detects other languages and gibberish, whose vectors look
        ordinary. The limits come from all training essays, or from 4,096 of them at even steps if there are more.

        Args:
            text: The essay as written, or as read by the scorer.

        Raises:
            ValueError: The text holds nothing that can be read.
        """
        essay = self._read(text)
        return self._is_far(essay, self._pooled(essay))

    def _is_far(self, essay: Reading, pooled: Floats) -> bool:
        distance = self._space.distance(pooled).min()
        return bool(distance > self.threshold or _characters_by_token(self._scorer, essay) < self.shortest)

    def compare(self, text: str | Reading, count: int = 5) -> tuple[list[Neighbour], bool]:
        """Return the results of `nearest` and `is_out_of_distribution` for a text, whose vector is computed once."""
        essay = self._read(text)
        pooled = self._pooled(essay)
        return self._nearest(pooled, count), self._is_far(essay, pooled)

    def _read(self, text: str | Reading) -> Reading:
        return text if isinstance(text, Reading) else self._scorer.read(text)

    def _pooled(self, essay: Reading) -> Floats:
        return self._scorer.run(self._forward, [essay.ids])


@dataclass(frozen=True)
class _Space:
    """The training essays as whitened vectors: each axis has mean 0 and variance 1, and no two axes correlate."""

    vectors: Floats  # (essays, axes), memory-mapped
    whitening: NDArray[np.float64]  # (width + 1, axes): the matrix, and in the last row the offset

    def whiten(self, pooled: Floats) -> Floats:
        """Whiten pooled vectors ``(rows, width)``: float32 ``(rows, axes)``."""
        return (pooled @ self.whitening[:-1] + self.whitening[-1]).astype(np.float32)

    def cosine(self, pooled: Floats) -> Floats:
        """Return the similarity of each essay to one pooled vector, ``(1, width)``."""
        [vector] = self.whiten(pooled)
        similarity: Floats = self.vectors @ vector / (np.sqrt(self._squares) * np.linalg.norm(vector) + TINY)
        return similarity

    def distance(self, pooled: Floats) -> Floats:
        """Return the distance of each essay from one pooled vector, ``(1, width)``."""
        return self._distances(self.whiten(pooled))[0]

    def _distances(self, vectors: Floats) -> Floats:
        squares = np.einsum("ij,ij->i", vectors, vectors)[:, None] + self._squares - 2 * vectors @ self.vectors.T
        return np.sqrt(np.maximum(squares, 0))

    @cached_property
    def _squares(self) -> Floats:
        return np.einsum("ij,ij->i", self.vectors, self.vectors)

    def quantile(self, share: float) -> float:
        """Return the distance within which that share of the essays have their nearest neighbour."""
        probes = _probes(len(self.vectors))
        nearest = []
        for part in np.array_split(probes, -(-len(probes) // BLOCK)):
            distances = self._distances(self.vectors[part])
            distances[np.arange(len(part)), part] = FARTHEST  # so that no essay is its own neighbour
            nearest.append(distances.min(axis=1))
        return float(np.quantile(np.concatenate(nearest), share))


def _require_own(scorer: Scorer, splits_folder: Path) -> dict[str, str]:
    """Return the hashes of `models/scorer` and of the splits, after a check that `scorer` learnt from them."""
    root = splits_folder.absolute().parents[1]
    folder, project = root / SCORER, Folder(root)
    if not (folder / WEIGHTS).is_file() or not project.holds("dvc.lock"):
        raise UserError(
            f"neighbours are known of {SCORER} alone, whose training dvc.lock records, and {root} has not both; "
            "dvc pull fetches a model, dvc repro makes one"
        )
    if scorer.digest != digest_of(folder, scorer.backend, scorer.decision, scorer.tokenize):
        raise UserError(
            f"this model is not the {SCORER} of this project, so nothing here says which essays it learnt from: "
            f"neighbours are shown for {SCORER} alone"
        )

    def recorded(stage: str, path: str | Path) -> str | None:
        return project.hash_of(stage, str(path)) if stage in project.lock else None

    found = {"scorer": folder_md5(folder), "splits": folder_md5(splits_folder)}
    if recorded("train", SCORER) != found["scorer"]:
        raise UserError(
            f"{SCORER} is not the one that dvc.lock records the training of; run dvc checkout, or dvc repro"
        )
    tokenized = [recorded(stage, TOKENIZED) for stage in ("tokenize", "train")]
    if recorded("tokenize", SPLITS) != found["splits"] or tokenized[0] != tokenized[1]:
        raise UserError(
            f"{splits_folder} is not what {SCORER} learnt from, as dvc.lock has it; run dvc checkout, or dvc repro"
        )
    return found


def _characters_by_token(scorer: Scorer, essay: Reading) -> float:
    """Return a text's mean characters per token, without special tokens; an unknown token counts 0 characters."""
    tokens = essay.tokens
    unknown = scorer.tokenizer.unk_token_id
    lengths = [
        0 if number == unknown else end - begin
        for number, (begin, end), special in zip(tokens.ids, tokens.spans, tokens.special, strict=True)
        if not special
    ]
    return sum(lengths) / max(len(lengths), 1)


def _shortest(scorer: Scorer, train: Dataset) -> float:
    """Return the mean characters per token that the share `FAR` of the training essays reach."""
    essays = train.select(_probes(len(train)))["essay"]
    return float(np.quantile([_characters_by_token(scorer, scorer.read(essay)) for essay in essays], 1 - FAR))


def _probes(count: int) -> NDArray[np.int64]:
    """Return at most `PROBES` indices below `count`, at even steps."""
    return np.unique(np.linspace(0, count - 1, min(PROBES, count)).astype(np.int64))


def _kept(folder: Path, made_from: dict[str, Any]) -> tuple[_Space, tuple[float, float]] | None:
    """Return the cached vectors and both limits in `folder`, or None if missing, of another model or damaged."""
    try:
        record = read_json(folder / RECORD)
        space = _Space(np.asarray(np.load(folder / VECTORS, mmap_mode="r")), np.load(folder / WHITENING))
        variance = np.einsum("ij,ij->j", space.vectors, space.vectors) / made_from["essays"]
        if record["made_from"] == made_from and (abs(variance - 1) < 1e-2).all() and np.isfinite(space.whitening).all():
            threshold, shortest = map(float, record["limits"])
            return space, (threshold, shortest)
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass  # they are computed again
    return None


def _compute(scorer: Scorer, forward: Forward, train: Dataset, folder: Path) -> _Space:
    """Write the vectors of the training essays into `folder`, and return them, memory-mapped."""
    raw, begin = None, 0
    with tqdm(desc="vectors of the training essays", total=len(train), disable=not sys.stderr.isatty()) as bar:
        for texts in arrow.Texts(train, "essay"):
            part = scorer.run(forward, scorer.encode(texts)[0])
            if raw is None:
                raw = np.lib.format.open_memmap(folder / "raw.npy", "w+", np.float32, (len(train), part.shape[1]))
            raw[begin : begin + len(part)] = part
            begin += len(part)
            bar.update(len(part))
    assert raw is not None  # a split has rows
    whitening = _whitening(raw)
    vectors = np.lib.format.open_memmap(folder / VECTORS, "w+", np.float32, (len(raw), whitening.shape[1]))
    space = _Space(np.asarray(vectors), whitening)
    for begin in range(0, len(raw), arrow.ROWS):
        vectors[begin : begin + arrow.ROWS] = space.whiten(raw[begin : begin + arrow.ROWS])
    vectors.flush()
    np.save(folder / WHITENING, whitening)
    (folder / "raw.npy").unlink()
    return space


def _whitening(raw: Floats) -> NDArray[np.float64]:
    """Return the whitening of pooled vectors ``(essays, width)``, float64 ``(width + 1, axes)``; see `_Space`."""
    mean = raw.mean(axis=0, dtype=np.float64)
    moments = np.zeros((len(mean), len(mean)))
    for begin in range(0, len(raw), arrow.ROWS):
        centred = raw[begin : begin + arrow.ROWS] - mean
        moments += centred.T @ centred
    variances, axes = np.linalg.eigh(moments / len(raw))  # the largest variance last
    count = min(len(mean), max(LEAST_AXES, len(raw) // ROWS_BY_AXIS), int((variances > variances[-1] * TINY).sum()))
    scaled = axes[:, -count:] / np.sqrt(variances[-count:])
    return np.vstack([scaled, -mean @ scaled])
