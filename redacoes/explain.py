"""What in an essay moved its expected score, and by how much: sentence by sentence, and word by word.

Effects are those on the model's estimate, in points of expected score. They are no reasons of a grader.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.corpus import clean
from redacoes.errors import UserError
from redacoes.scorer import Scorer
from redacoes.scoring import expected_score, softmax

Floats = NDArray[np.float32]
Slope = Callable[[Floats], tuple[Floats, Floats]]

TOLERANCE = 0.01  # points of score
STEPS = (16, 512)  # points on the path, at first and at most
AT_ONCE = 1024  # tokens in one gradient: 0.6 GB of a base-sized encoder, on each processor, and more are no faster
WINDOW = 2_000_000  # characters of variants that are tokenized together
MANY = 64  # variants that are scored together
NOTHING = "the text holds nothing that can be read"

# what a full stop follows without ending a sentence: titles, and what a number or a name comes after
ABBREVIATIONS = frozenset((
    "dr", "dra", "drs", "dras", "sr", "sra", "srs", "sras", "srta", "srtas", "prof", "profa", "profª", "profs",
    "eng", "enga", "arq", "adv", "exmo", "exma", "ilmo", "ilma", "dep", "sen", "gen", "cel", "maj", "sgt",
    "pres", "gov", "pe", "fr", "sto", "sta", "art", "arts", "pp", "pág", "págs", "pag", "pags", "cap", "caps",
    "vol", "vols", "fig", "figs", "tab", "fl", "fls", "núm", "séc", "sécs", "av", "pça", "tel", "cf", "obs",
    "vs", "aprox",
))  # fmt: skip
# what can also stand at the end of one: there, a capital letter decides
ENDINGS = frozenset((
    "etc", "jr", "cia", "ltda", "cit", "ibid", "id", "op", "al", "ed", "inc", "min", "par", "ex",
))  # fmt: skip
DOTTED = re.compile(r"(?:\w{1,3}\.)+\w{1,3}")  # E.U.A., a.C., p.ex.
ENUMERATOR = re.compile(r"\W*(?:\d{1,3}|[a-zA-Z]|[ivxIVX]+)\.")  # "1." before the first words of a line
END = re.compile(r"(?P<mark>[.!?…]+)(?P<close>[\"'”’»)\]]*)(?=\s)")
WORD = re.compile(r"[\w.]*$")
SPEAKS = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Effect:
    """A span of the cleaned text, and how many points of expected score it adds.

    Attributes:
        begin: Its first character.
        end: The character after its last.
        text: What stands there.
        effect: In points of score; below 0 where it takes some away.
    """

    begin: int
    end: int
    text: str
    effect: float


@dataclass(frozen=True)
class Words:
    """The effects of an essay's words, and how well they add up.

    Attributes:
        effects: One for each word, in the text's order.
        seen: Whether the model saw anything of each; the effect of one that it did not see is 0.
        expected: The expected score of the essay, f(x), in points.
        baseline: That of the essay with padding in place of its tokens, f(baseline), in points.
        gap: By how much the effects together miss ``expected - baseline``, in points, without a sign.
        steps: Points on the path at which the gradient was taken.
        tolerance: The gap that was asked for; `gap` is above it where even the most steps did not suffice.
        of_encoder: Whether all this is of the encoder's part alone, since the rule ordinal also weighs the text.
    """

    effects: list[Effect]
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


def sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence of `text` begins and ends, in characters.

    A line break always ends a sentence. Abbreviations («Dr.», «art. 5º», «p. 12»), initials and numbers («3.5», and the
    «1.» that begins a line) do not; an ellipsis does where a capital follows. Every character that is no space is in
    one of the spans, and none begins or ends with a space.
    """
    spans = []
    offset = 0
    for line in text.splitlines(keepends=True):
        spans += [(offset + begin, offset + end) for begin, end in _of_line(line)]
        offset += len(line)
    return spans


def _of_line(line: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    begin = len(line) - len(line.lstrip())
    for match in END.finditer(line):
        after = line[match.end() :].lstrip()
        if after and SPEAKS.search(line, begin, match.start()) and _ends(line[begin : match.start()], match, after):
            spans.append((begin, match.end()))
            begin = len(line) - len(after)
    last = len(line.rstrip())
    if spans and not SPEAKS.search(line, begin, last):  # such as a closing «!» that stands by itself
        begin = spans.pop()[0]
    return [*spans, (begin, last)] if begin < last else spans


def _ends(before: str, match: re.Match[str], after: str) -> bool:
    """Tell whether the mark after `before` ends a sentence."""
    first = SPEAKS.search(after)
    goes_on = first is not None and first.group().islower()
    mark = match["mark"]
    if match["close"] or "…" in mark or ".." in mark:
        return not goes_on
    if mark != ".":
        return True
    found = WORD.search(before)
    word = found.group() if found else ""
    lower = word.lower()
    if DOTTED.fullmatch(word) or lower in ENDINGS:
        return not goes_on and not after[0].isdigit()
    if lower in ABBREVIATIONS or re.fullmatch(r"[A-Zb-df-hj-np-tv-z]", word):
        return False
    return not ENUMERATOR.fullmatch(f"{before}.")


def by_sentence(scorer: Scorer, text: str, progress: bool = False) -> list[Effect]:
    """Return the effect of each sentence: the expected score of the text minus that of the text without it.

    That is exact, and not additive: what two sentences say twice, either alone can say. Of a text that is too long for
    the model, taking a sentence out brings in others that it did not see before; that counts as the sentence's effect.
    One of which the model sees nothing has none, unless the rule ordinal counts the text's surface, which is all of it.
    A single sentence is compared with the empty text: the special tokens alone. The expected score is the one that the
    score is decided by, so that of ordinal is explained as a whole.

    Args:
        scorer: Any, of either backend.
        text: As it was written; the spans are those of the cleaned one.
        progress: Whether to show a progress bar on stderr.

    Raises:
        ValueError: The text holds nothing that can be read.
    """
    text = clean(text)
    if not text:
        raise ValueError(NOTHING)
    spans = sentences(text)
    tokens = scorer.view(text)
    places = sorted(tokens.spans[place] for place in tokens.kept if not tokens.special[place])
    seen = spans if scorer.text else [span for span in spans if _touches(span, places)]
    scores = _expected(scorer, [text, *(text[:begin] + text[end:] for begin, end in seen)], progress)
    effects = dict(zip(seen, (scores[0] - score for score in scores[1:]), strict=True))
    return [Effect(begin, end, text[begin:end], effects.get((begin, end), 0.0)) for begin, end in spans]


def _touches(span: tuple[int, int], places: Sequence[tuple[int, int]]) -> bool:
    """Tell whether any of `places`, sorted and without overlap, has a character of `span`."""
    index = bisect_right(places, (span[0], span[0]))
    near = places[max(index - 1, 0) : index + 1]
    return any(begin < span[1] and end > span[0] for begin, end in near)


def _expected(scorer: Scorer, texts: Sequence[str], progress: bool) -> list[float]:
    """Return the expected score of each text, some of which may be empty."""
    full = [text for text in texts if clean(text)]
    scored: list[float] = []
    with tqdm(desc="essays without a sentence", total=len(full), leave=False, disable=not progress) as bar:
        for _, table in scorer.stream(enumerate(_windows(full))):
            scored += table["expected"].tolist()
            bar.update(len(table))
    scores = iter(scored)
    nothing = 0.0
    if len(full) < len(texts):
        _, probabilities = scorer.decide(softmax(scorer.logits([scorer.view("").ids])), [""])
        nothing = float(expected_score(probabilities)[0])
    return [next(scores) if clean(text) else nothing for text in texts]


def _windows(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in lists that are not too long to be tokenized together."""
    window: list[str] = []
    for text in texts:
        if window and (len(window) == MANY or sum(map(len, window)) + len(text) > WINDOW):
            yield window
            window = []
        window.append(text)
    yield window


def by_word(
    scorer: Scorer, text: str, tolerance: float = TOLERANCE, steps: tuple[int, int] = STEPS, progress: bool = False
) -> Words:
    """Return the effect of each word by integrated gradients of the expected score over the word embeddings.

    Sundararajan, Taly and Yan, 2017, "Axiomatic Attribution for Deep Networks", arXiv:1703.01365. The path leads from a
    baseline, in which the padding token stands in place of every token but the special ones, straight to the essay. The
    baseline is as long as the essay, so what a model makes of length alone is in no word's effect. The gradient is
    taken at Gauss-Legendre points of the path, whose number is doubled until the effects add up to f(x) - f(baseline)
    as nearly as asked. A token counts for the word in which it stands, and one between words for the word before.

    f is the encoder's expected score: what the rule ordinal makes of the text besides has no gradient.

    Args:
        scorer: Of the backend tensorflow.
        text: As it was written; the spans are those of the cleaned one.
        tolerance: The largest gap between the sum of the effects and f(x) - f(baseline), in points.
        steps: Points on the path, at first and at most.
        progress: Whether to show a progress bar on stderr.

    Raises:
        UserError: The scorer has no gradients, or TensorFlow's model of its family takes no embeddings.
        ValueError: The text holds nothing that can be read.
    """
    if scorer.classifier is None:
        raise UserError("ONNX Runtime gives no gradients, which the effects of words need: use --by sentence")
    text = clean(text)
    if not text:
        raise ValueError(NOTHING)
    from redacoes.encoder import embed, gradient

    tokens = scorer.view(text)
    ids = [tokens.ids[place] for place in tokens.kept]
    blank = [tokens.ids[place] if tokens.special[place] else scorer.tokenizer.pad_token_id for place in tokens.kept]
    essay, start = embed(scorer.classifier, ids), embed(scorer.classifier, blank)
    slope = gradient(scorer.classifier)
    (expected, baseline), _ = slope(np.stack([essay, start]))
    count = steps[0]
    while True:
        by_token = _integral(scorer, slope, essay, start, count, progress)
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
    effects = [Effect(b, e, text[b:e], fsum(part)) for (b, e), part in zip(words, parts, strict=True)]
    ends = float(expected), float(baseline)
    return Words(effects, [bool(part) for part in parts], *ends, gap, count, tolerance, scorer.text is not None)


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
