"""Effects of sentences (occlusion) and of words (integrated gradients) on an essay's expected score.

Effects are on the model's estimate, in points of expected score. They are not a grader's reasons.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.errors import UserError
from redacoes.explain.sentences import sentences, without
from redacoes.inference.scorer import Reading, Scorer

Floats = NDArray[np.float32]
Slope = Callable[[Floats], tuple[Floats, Floats]]

TOLERANCE = 0.01  # points of score
STEPS = (16, 512)  # points on the path: initial and maximum
AT_ONCE = 1024  # tokens in one gradient: a base-sized encoder takes 0.6 GB per processor; more is no faster
WINDOW = 2_000_000  # characters of variants that are tokenized together
MANY = 12  # variants in one window, at most: while they are scored, the next are tokenized


@dataclass(frozen=True)
class Attribution:
    """A span of the cleaned text, and how many points of expected score it adds.

    Attributes:
        begin: Offset of its first character.
        end: Offset after its last character.
        text: The text of the span.
        effect: In points of score; negative where it lowers the score.
    """

    begin: int
    end: int
    text: str
    effect: float


@dataclass(frozen=True)
class WordAttributions:
    """The effects of an essay's words, and how well they add up.

    Attributes:
        effects: One for each word, in the text's order.
        seen: Whether the model saw any part of each word; a word that it did not see has effect 0.
        expected: The expected score of the essay, f(x), in points.
        baseline: The expected score with padding in place of the essay's tokens, f(baseline), in points.
        gap: Absolute difference between the sum of the effects and ``expected - baseline``, in points.
        steps: Points on the path at which the gradient was taken.
        tolerance: The largest gap allowed; `gap` exceeds it where the maximum number of steps did not suffice.
        of_encoder: Whether the effects cover the encoder alone, since the rule ordinal also weighs the text.
    """

    effects: list[Attribution]
    seen: list[bool]
    expected: float
    baseline: float
    gap: float
    steps: int
    tolerance: float
    of_encoder: bool

    @property
    def is_complete(self) -> bool:
        """Whether the gap is within the tolerance."""
        return self.gap <= self.tolerance


def occlusion(scorer: Scorer, text: str | Reading, progress: bool = False) -> list[Attribution]:
    """Return the effect of each sentence: the expected score of the text minus that of the text without it.

    The effects are exact but not additive: where two sentences say the same, each has a small effect. In a text that is
    too long for the model, removing a sentence brings in text that was cut off; this counts as the sentence's effect.
    A sentence that the model does not see has effect 0, unless the rule ordinal reads the surface of the whole text.
    A single sentence is compared with the empty text: the special tokens alone. The expected score is the one that
    decides the score, so under the rule ordinal the whole rule is explained.

    Args:
        scorer: Of either backend.
        text: The essay as written, or as read by `scorer`; spans refer to the cleaned text.
        progress: Whether to show a progress bar on stderr.

    Raises:
        ValueError: The text holds nothing that can be read.
    """
    essay = read(scorer, text)
    return list(score_with_occlusion(scorer, essay, sentences(essay.text), progress)[1])


def score_with_occlusion(
    scorer: Scorer, essay: Reading, spans: Sequence[tuple[int, int]], progress: bool = False
) -> tuple[dict[str, Any], Iterator[Attribution]]:
    """Return the row of :meth:`redacoes.Scorer.score` for an essay, and the effects of `occlusion`, in one pass.

    The row is returned as soon as it is known. The effects are computed when the first of them is asked for.

    Args:
        scorer: Of either backend.
        essay: Read by `scorer`.
        spans: What `sentences` returns for its text; empty to compute no effect.
        progress: Whether to show a progress bar on stderr.
    """
    seen = spans if scorer.text else _seen(essay, spans)
    each = max(1, min(MANY, WINDOW // len(essay.text)))
    starts = tqdm(range(0, len(seen), each), "sentences", leave=False, disable=not progress)
    windows = ([without(essay.text, *span) for span in seen[start : start + each]] for start in starts)
    tables = scorer.score_variants(essay, windows, progress)
    row = {str(name): value for name, value in next(tables).to_dict("records")[0].items()}

    def effects() -> Iterator[Attribution]:
        scores = dict(zip(seen, next(tables)["expected"].tolist(), strict=True))
        for begin, end in spans:
            score = scores.get((begin, end), row["expected"])
            yield Attribution(begin, end, essay.text[begin:end], row["expected"] - score)

    return row, effects()


def read(scorer: Scorer, text: str | Reading) -> Reading:
    """Return `text` if it is a reading already, else read it. Raises ValueError if it holds no readable text."""
    return text if isinstance(text, Reading) else scorer.read(text)


def _seen(essay: Reading, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the sentences of which the model sees at least one token."""
    tokens = essay.tokens
    places = sorted(tokens.spans[place] for place in tokens.kept if not tokens.special[place])
    return [span for span in spans if _touches(span, places)]


def _touches(span: tuple[int, int], places: Sequence[tuple[int, int]]) -> bool:
    """Tell whether any of `places`, sorted and without overlap, overlaps `span`."""
    index = bisect_right(places, (span[0], span[0]))
    near = places[max(index - 1, 0) : index + 1]
    return any(begin < span[1] and end > span[0] for begin, end in near)


def integrated_gradients(
    scorer: Scorer,
    text: str | Reading,
    tolerance: float = TOLERANCE,
    steps: tuple[int, int] = STEPS,
    progress: bool = False,
) -> WordAttributions:
    """Return the effect of each word by integrated gradients of the expected score over the word embeddings.

    Sundararajan, Taly and Yan, 2017, "Axiomatic Attribution for Deep Networks", arXiv:1703.01365. The path is a
    straight line from a baseline to the essay. The baseline has the padding token in place of every token but the
    special ones. It is as long as the essay, so no word's effect includes the effect of length alone. The gradient is
    taken at Gauss-Legendre points of the path. Their number is doubled until the effects add up to f(x) - f(baseline)
    within `tolerance`. A token counts for the word that contains it, and a token between words for the word before.

    f is the encoder's expected score: the surface features that the rule ordinal adds have no gradient.

    Args:
        scorer: Of the backend tensorflow.
        text: The essay as written, or as read by `scorer`; spans refer to the cleaned text.
        tolerance: The largest gap between the sum of the effects and f(x) - f(baseline), in points.
        steps: Points on the path: initial and maximum.
        progress: Whether to show a progress bar on stderr.

    Raises:
        UserError: The scorer has no gradients, or TensorFlow's model of its family accepts no embeddings.
        ValueError: The text holds nothing that can be read.
    """
    if scorer.classifier is None:
        raise UserError("ONNX Runtime gives no gradients, which the effects of words need: use --by sentence")
    from redacoes.learning.encoder import embed, gradient

    essay = read(scorer, text)
    text, tokens = essay.text, essay.tokens
    blank = [tokens.ids[place] if tokens.special[place] else scorer.tokenizer.pad_token_id for place in tokens.kept]
    whole, start = embed(scorer.classifier, essay.ids), embed(scorer.classifier, blank)
    slope = gradient(scorer.classifier)
    (expected, baseline), _ = slope(np.stack([whole, start]))
    count = steps[0]
    while True:
        by_token = _integral(scorer, slope, whole, start, count, progress)
        gap = abs(fsum(by_token) - float(expected - baseline))
        if gap <= tolerance or count * 2 > steps[1]:
            break
        count *= 2
    words = [match.span() for match in re.finditer(r"\S+", text)]
    begins = [begin for begin, _ in words]
    parts: list[list[float]] = [[] for _ in words]
    for place, effect in zip(tokens.kept, by_token, strict=True):
        if not tokens.special[place]:
            begin, end = tokens.spans[place]
            parts[max(bisect_right(begins, max(begin, end - 1)) - 1, 0)].append(float(effect))
    effects = [Attribution(b, e, text[b:e], fsum(part)) for (b, e), part in zip(words, parts, strict=True)]
    ends, of_encoder = (float(expected), float(baseline)), scorer.text is not None
    return WordAttributions(effects, [bool(part) for part in parts], *ends, gap, count, tolerance, of_encoder)


def _integral(
    scorer: Scorer, slope: Slope, essay: Floats, start: Floats, steps: int, progress: bool
) -> NDArray[np.float64]:
    """Return each token's share of the integral along the path from `start` to `essay`, float64 ``(tokens,)``."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    way = (essay - start).astype(np.float64)
    parts = np.array_split(np.arange(steps), -(-steps * len(essay) // AT_ONCE))

    def share(part: NDArray[np.int64]) -> NDArray[np.float64]:
        points = (nodes[part, None, None] + 1) / 2 * way + start
        _, slopes = slope(points.astype(np.float32))
        shares: NDArray[np.float64] = np.einsum("p,ptw,tw->t", weights[part] / 2, slopes, way)
        return shares

    shares = scorer.threads.map(share, parts)
    bar = tqdm(shares, f"{steps} gradients", len(parts), leave=False, disable=not progress)
    return np.sum(list(bar), axis=0)
