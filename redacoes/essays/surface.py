"""Surface features of an essay: length, sentences, paragraphs, words, connectives and punctuation.

They do not measure meaning, but they explain much of a score, and unlike words they carry over to other themes. They
are computed from the cleaned text alone (`cleaning.clean`: a paragraph is a line), without a model. Regressions on them
are in `text_regression`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise
from math import log, log1p, sqrt
from operator import mul

import numpy as np
from numpy.typing import NDArray

ENDS = frozenset(".!?…")  # of a sentence; abbreviations are rare, and count as ends too
CLOSING = "\"'”’»)]"  # may follow the end of a sentence
VOWELS = re.compile(r"[aáàâãeéêiíoóôõuúüy]+")  # a run of vowels counts as a syllable, as in most readability formulas
AROUND = ".,;:!?…()[]{}<>\"'`´“”‘’«»-–—_/\\|*#%$&+=~^°ºª§"  # stripped from both sides of a word
NUMBER = re.compile(r"[0-9]+")
TIGHT = re.compile(r"[,.;:][^\W\d]")
QUOTES = re.compile(r"[\"“”«»]")
WINDOW = 50  # words of the moving average
LONG, VERY_LONG = 7, 10  # characters: minimum for a long word, as in LIX, and for a very long one

# single and multi-word connectives; ambiguous ones such as «se» or «e» are left out
CONNECTIVES = frozenset((
    "ademais", "outrossim", "também", "tampouco", "inclusive", "mas", "porém", "contudo", "todavia", "entretanto",
    "embora", "conquanto", "apesar", "enquanto", "porque", "pois", "porquanto", "portanto", "logo", "assim", "então",
    "destarte", "dessarte", "consequentemente", "conseguinte", "caso", "quando", "conforme", "segundo", "consoante",
    "primeiramente", "inicialmente", "posteriormente", "finalmente", "enfim", "afinal", "aliás", "mediante", "diante",
    "perante", "sobretudo", "principalmente", "atualmente", "hodiernamente", "ora",
))  # fmt: skip
PHRASES = (
    "além disso", "além de", "além do", "além da", "bem como", "não só", "não apenas", "no entanto",
    "por outro lado", "ao contrário", "ainda que", "mesmo que", "em contrapartida", "já que", "uma vez que",
    "visto que", "dado que", "por causa", "devido a", "devido ao", "devido à", "em virtude", "em razão", "por conta",
    "por isso", "com isso", "dessa forma", "desse modo", "dessa maneira", "desta forma", "deste modo", "desta maneira",
    "em suma", "em síntese", "a fim de", "para que", "de modo que", "de forma que", "por meio", "através de",
    "por exemplo", "ou seja", "isto é", "tais como", "de acordo com", "em primeiro lugar", "em segundo lugar",
    "nesse sentido", "neste sentido", "nesse contexto", "neste contexto", "desde que", "a partir", "à medida que",
    "tendo em vista", "em relação", "com relação",
)  # fmt: skip
_BY_FIRST = {  # by first word, so that most phrases are ruled out at once
    first: [(phrase.split()[1], f" {phrase} ") for phrase in PHRASES if phrase.split()[0] == first]
    for first in {phrase.split()[0] for phrase in PHRASES}
}
FUNCTION_WORDS = frozenset((
    "a", "o", "as", "os", "um", "uma", "uns", "umas", "de", "do", "da", "dos", "das", "em", "no", "na", "nos", "nas",
    "num", "numa", "por", "pelo", "pela", "pelos", "pelas", "para", "pra", "com", "sem", "sob", "sobre", "entre", "até",
    "ao", "à", "aos", "às", "e", "ou", "nem", "mas", "que", "se", "como", "quando", "porque", "pois", "não", "sim",
    "já", "mais", "menos", "muito", "muita", "muitos", "muitas", "tão", "também", "só", "ainda", "eu", "tu", "ele",
    "ela", "nós", "eles", "elas", "você", "vocês", "me", "te", "lhe", "lhes", "nos", "vos", "si", "meu", "minha",
    "seu", "sua", "seus", "suas", "nosso", "nossa", "nossos", "nossas", "este", "esta", "esse", "essa", "isso", "isto",
    "aquele", "aquela", "aquilo", "estes", "estas", "esses", "essas", "deste", "desta", "desse", "dessa", "disso",
    "neste", "nesta", "nesse", "nessa", "qual", "quais", "quem", "cujo", "cuja", "onde", "todo", "toda", "todos",
    "todas", "outro", "outra", "outros", "outras", "é", "são", "foi", "ser", "está", "estão", "há", "ter", "tem",
    "têm", "vai", "pode",
))  # fmt: skip
COLLECTIVE = frozenset(("nós", "nos", "conosco", "nosso", "nossa", "nossos", "nossas", "temos", "devemos", "podemos"))


@dataclass(frozen=True)
class Feature:
    """One number of a text.

    Attributes:
        name: Its name.
        formula: How it is computed.
        source: Where it comes from, or an empty string.
    """

    name: str
    formula: str
    source: str
    _of: "Callable[[_Counts], float]"


@dataclass(frozen=True)
class _Counts:
    """Counts from which the features are computed. Denominators are at least 1."""

    text: str
    marked: str  # tokens with punctuation, digits or hyphens
    words: list[str]  # in lower case, without surrounding punctuation
    types: Counter[str]
    sentences: list[int]  # words of each
    paragraphs: list[int]  # words of each
    long: int
    long_types: int
    syllables: int
    connectives: int
    kinds: int
    starts: list[str]  # the first characters of the sentences

    @property
    def n(self) -> int:
        return max(len(self.words), 1)

    def share(self, some: frozenset[str]) -> float:
        return sum(self.types[word] for word in some.intersection(self.types)) / self.n

    def per_100(self, *marks: str) -> float:
        return 100 * sum(map(self.text.count, marks)) / self.n


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)


def _variation(values: Sequence[int]) -> float:
    """Return the coefficient of variation: standard deviation / mean."""
    mean = _mean(values)
    return sqrt(_mean([(value - mean) ** 2 for value in values])) / mean if mean else 0.0


def _evenness(values: Sequence[int]) -> float:
    """Return the normalised entropy of the parts' shares: 1 for equal parts, 0 for a single part."""
    total = sum(values)
    if len(values) < 2 or not total:
        return 0.0
    return -sum(value / total * log(value / total) for value in values if value) / log(len(values))


def _moving_average(words: Sequence[str], window: int = WINDOW) -> float:
    """Return the mean type-token ratio over all windows; for a shorter text, that of the whole text.

    A token counts as a type in each window that begins after the previous occurrence of its word.
    """
    if not words:
        return 0.0
    window = min(window, len(words))
    numbers: dict[str, int] = {}
    kinds = np.array([numbers.setdefault(word, len(numbers)) for word in words])
    order = np.argsort(kinds, kind="stable")  # positions, grouped by word
    before = np.full(len(words), -1)
    before[order[1:]] = np.where(kinds[order[1:]] == kinds[order[:-1]], order[:-1], -1)
    places = np.arange(len(words))
    begins = np.maximum(before, places - window) + 1
    ends = np.minimum(places, len(words) - window)
    return float(np.maximum(ends - begins + 1, 0).sum()) / (window * (len(words) - window + 1))


def _flesch(counts: _Counts) -> float:
    return 248.835 - 1.015 * _mean(counts.sentences) - 84.6 * counts.syllables / counts.n


FEATURES = (
    Feature("words", "log(1 + words)", "Page, 1966", lambda c: log1p(len(c.words))),
    Feature("sentences", "log(1 + sentences)", "", lambda c: log1p(len(c.sentences))),
    Feature("paragraphs", "log(1 + paragraphs)", "", lambda c: log1p(len(c.paragraphs))),
    Feature("types", "log(1 + different words)", "", lambda c: log1p(len(c.types))),
    Feature("words_per_sentence", "log(1 + words / sentences)", "", lambda c: log1p(_mean(c.sentences))),
    Feature("sentence_spread", "sd / mean of the sentences' words", "", lambda c: _variation(c.sentences)),
    Feature("words_per_paragraph", "log(1 + words / paragraphs)", "", lambda c: log1p(_mean(c.paragraphs))),
    Feature("paragraph_balance", "entropy of the paragraphs' shares of words / log(paragraphs)", "Shannon, 1948",
            lambda c: _evenness(c.paragraphs)),
    Feature("long_words", "words of 7 letters or more / words", "LIX: Björnsson, 1968", lambda c: c.long / c.n),
    Feature("long_types", "log(1 + different words of 10 letters or more)", "", lambda c: log1p(c.long_types)),
    Feature("syllables_per_word", "groups of vowels / words", "", lambda c: c.syllables / c.n),
    Feature("flesch", "248.835 - 1.015 words/sentence - 84.6 syllables/word",
            "Flesch, 1948, adapted to Portuguese: Martins, Ghiraldelo, Nunes and Oliveira, 1996", _flesch),
    Feature("moving_type_token_ratio", "mean type-token ratio of all windows of 50 words",
            "MATTR: Covington and McFall, 2010", lambda c: _moving_average(c.words)),
    Feature("root_type_token_ratio", "different words / sqrt(words)", "Guiraud, 1954",
            lambda c: len(c.types) / sqrt(c.n)),
    Feature("hapax", "words that stand once / different words", "Honoré, 1979",
            lambda c: sum(count == 1 for count in c.types.values()) / max(len(c.types), 1)),
    Feature("lexical_density", "words that are no function words / words", "Ure, 1971",
            lambda c: 1 - c.share(FUNCTION_WORDS)),
    Feature("connectives", "connectives / 100 words", "cohesion: Graesser et al., 2004 (Coh-Metrix)",
            lambda c: 100 * c.connectives / c.n),
    Feature("connective_kinds", "log(1 + different connectives)", "", lambda c: log1p(c.kinds)),
    Feature("subordination", "«que» / 100 words", "", lambda c: 100 * c.types["que"] / c.n),
    Feature("collective", "100 sqrt(words of the first person plural / words)", "",
            lambda c: 100 * sqrt(c.share(COLLECTIVE))),
    Feature("commas", "commas / 100 words", "", lambda c: c.per_100(",")),
    Feature("colons", "colons and semicolons / 100 words", "", lambda c: c.per_100(":", ";")),
    Feature("questions", "question and exclamation marks / 100 words", "", lambda c: c.per_100("?", "!")),
    Feature("quotations", "log(1 + quotation marks)", "", lambda c: log1p(len(QUOTES.findall(c.marked)))),
    Feature("numbers", "log(1 + runs of digits)", "", lambda c: log1p(len(NUMBER.findall(c.marked)))),
    Feature("parentheses", "log(1 + opening parentheses)", "", lambda c: log1p(c.text.count("("))),
    Feature("tight_marks", "log(1 + commas and the like with a letter right behind)", "",
            lambda c: log1p(len(TIGHT.findall(c.marked)))),
    Feature("lower_starts", "sentences that begin in lower case / sentences", "",
            lambda c: sum(map(str.islower, c.starts)) / max(len(c.sentences), 1)),
)  # fmt: skip
NAMES = tuple(feature.name for feature in FEATURES)


def features(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the surface features of cleaned texts, float64 ``(texts, features)`` in the order of `NAMES`.

    All are finite, even for a text without words.
    """
    found = np.empty((len(texts), len(FEATURES)))
    for row, text in enumerate(texts):
        counts = _count(text)
        found[row] = [feature._of(counts) for feature in FEATURES]
    return found


def _count(text: str) -> _Counts:
    paragraphs = [line.split() for line in text.split("\n")]
    sentences = [sentence for tokens in paragraphs for sentence in _sentences(tokens)]
    tokens = list(chain.from_iterable(paragraphs))
    bare = [token if token.isalpha() else token.strip(AROUND) for token in tokens]
    words = [word.lower() for word in bare if word]
    types = Counter(words)
    joined = f" {' '.join(words)} "
    several = [
        joined.count(phrase)
        for first in _BY_FIRST.keys() & types.keys()
        for second, phrase in _BY_FIRST[first]
        if second in types
    ]
    connectives = [types[word] for word in CONNECTIVES.intersection(types)] + list(filter(None, several))
    return _Counts(
        text=text,
        marked=" ".join([token for token in tokens if not token.isalpha()]),
        words=words,
        types=types,
        sentences=[length for _, length in sentences],
        paragraphs=[length for tokens in paragraphs if (length := len(tokens))],
        long=len([word for word in words if len(word) >= LONG]),
        long_types=len([word for word in types if len(word) >= VERY_LONG]),
        syllables=sum(map(mul, types.values(), map(_syllables, types))),
        connectives=sum(connectives),
        kinds=len(connectives),
        starts=[start for start, _ in sentences],
    )


def _sentences(tokens: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the first character of each sentence, after quotation marks, and its number of words."""
    ends = [
        place for place, token in enumerate(tokens, 1) if not token.isalpha() and token.rstrip(CLOSING)[-1:] in ENDS
    ]
    for begin, end in pairwise([0, *ends, *([len(tokens)] if len(tokens) not in ends else [])]):
        if begin < end:
            yield tokens[begin].lstrip(AROUND)[:1], end - begin


@lru_cache(maxsize=1 << 16)
def _syllables(word: str) -> int:
    return len(VOWELS.findall(word))
