"""What `redacoes explain` found about one essay, as JSON and for the terminal; `page` writes the HTML."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from redacoes.explain.attribution import Attribution, WordAttributions
from redacoes.explain.neighbours import Neighbour
from redacoes.explain.texts import say
from redacoes.formatting import beginning
from redacoes.languages import Language, typeset

SHOWN = 10  # words listed with a positive effect, and with a negative one
NOTABLE = 0.25  # of the largest effect: words of at least this share are marked in the text
BLUE, ORANGE = "\x1b[38;5;33m", "\x1b[38;5;208m"  # distinct for the colour-blind
BOLD, DIM, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True)
class Explanation:
    """One essay, its score, and what moved it.

    Attributes:
        name: Of the essay's file.
        model: As the user named it.
        text: The cleaned essay.
        score: A row of what :meth:`redacoes.Scorer.score` returns.
        most: The most tokens that the model sees.
        sentences: Their effects; None where they were not asked for.
        words: Their effects; None where they were not asked for.
        neighbours: The training essays most like it; None where they were not asked for.
        far: Whether it is far from all training essays; None where neighbours were not asked for.
    """

    name: str
    model: str
    text: str
    score: dict[str, Any]
    most: int
    sentences: list[Attribution] | None
    words: WordAttributions | None
    neighbours: list[Neighbour] | None
    far: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values; parts that were not asked for are left out."""
        probabilities = [value for name, value in self.score.items() if name.startswith("p_")]
        rest = {name: value for name, value in self.score.items() if not name.startswith("p_")}
        found: dict[str, Any] = {
            "file": self.name,
            "model": self.model,
            "meaning": say("meaning", "en"),
            **rest,
            "probabilities": probabilities,
            "text": self.text,
        }
        if self.sentences is not None:
            found["sentences"] = [asdict(effect) for effect in self.sentences]
        if self.words is not None:
            words = asdict(self.words)
            effects, seen = words.pop("effects"), words.pop("seen")
            each = [{**effect, "seen": sees} for effect, sees in zip(effects, seen, strict=True)]
            found["words"] = {**words, "complete": self.words.is_complete, "effects": each}
        if self.neighbours is not None:
            found |= {"far": self.far, "neighbours": [_entry(neighbour) for neighbour in self.neighbours]}
        return found

    def headline(self, language: Language = "en") -> str:
        """Return score, range, and what the model saw, in one line."""
        seen = "seen_most" if self.score["truncated"] else "seen_all"
        known = {name: self.score[name] for name in ("predicted", "low", "high", "tokens")}
        expected = typeset(f"{self.score['expected']:.2f}", language)
        return say("headline", language, **known, expected=expected, seen=say(seen, language, most=self.most))

    def to_terminal(self, colour: bool) -> str:
        """Return everything as lines of text, with or without colour; signs and numbers are the same."""
        lines = [f"{self.name}: {self.headline()}", say("meaning", "en")]
        if self.sentences is not None:
            lines += ["", "What each sentence adds: the expected score with it, less that without it"]
            largest = _largest(self.sentences)
            for effect in self.sentences:
                lines.append(f"  {_painted(points(effect.effect), effect.effect, largest, colour, 2)}  {effect.text}")
        if self.words is not None:
            lines += ["", *self._words(self.words, colour)]
        if self.neighbours is not None:
            lines += ["", "The training essays that the model finds most like this one"]
            for neighbour in self.neighbours:
                lines.append(
                    f"  score {neighbour.score:>2}  similarity {neighbour.similarity:.2f}  line {neighbour.line}: "
                    f"{beginning(neighbour.essay, 90)}"
                )
            if self.far:
                lines.append("  It is far from all of them: less like them than 99 % of them are")
        return "\n".join(lines)

    def _words(self, words: WordAttributions, colour: bool) -> list[str]:
        largest = _largest(words.effects)
        lines = [ends(words)]
        up = sorted((effect for effect in words.effects if effect.effect > 0), key=lambda effect: -effect.effect)
        down = sorted((effect for effect in words.effects if effect.effect < 0), key=lambda effect: effect.effect)
        for group in (up, down):
            lines += [
                f"  {_painted(points(effect.effect, 3), effect.effect, largest, colour)}  {effect.text}"
                for effect in group[:SHOWN]
            ]
        lines += ["", f"In the text, each word of {NOTABLE * largest:.3f} points or more:"]
        text, end = "", 0
        for seen, run in groupby(zip(words.effects, words.seen, strict=True), key=lambda pair: pair[1]):
            for place, (effect, _) in enumerate(run):
                text += self.text[end : effect.begin] + ("" if seen or place else "[not seen: ")
                text += _marked(effect, largest, colour)
                end = effect.end
            text += "" if seen else "]"
        return [*lines, text]


def _entry(neighbour: Neighbour) -> dict[str, Any]:
    """Return a neighbour as the JSON has it: `row`, as in `metrics/predictions.csv`, is the line in the essays' CSV."""
    values = asdict(neighbour)
    return {"row": values.pop("line"), **values}


def ends(words: WordAttributions, language: Language = "en") -> str:
    """Return the sentence about baseline and expected score of the words' effects, and how well they add up."""
    missed = say("missed", language, gap=typeset(f"{words.gap:.4f}", language), steps=words.steps)
    if not words.is_complete:
        missed += say("missed_much", language, tolerance=typeset(f"{words.tolerance:g}", language))
    whose = say("whose_encoder" if words.of_encoder else "whose_all", language)
    baseline, expected = (typeset(f"{value:.2f}", language) for value in (words.baseline, words.expected))
    return say("ends", language, whose=whose, baseline=baseline, expected=expected, missed=missed)


def points(effect: float, decimals: int = 2) -> str:
    """Return an effect with its sign; one that rounds to 0 has no sign."""
    shown = f"{effect:+.{decimals}f}"
    return shown if float(shown) else f" {shown[1:]}"


def _largest(effects: Sequence[Attribution]) -> float:
    return max((abs(effect.effect) for effect in effects), default=0.0)


def _painted(text: str, effect: float, largest: float, colour: bool, decimals: int = 3) -> str:
    if not colour or not float(points(effect, decimals)):
        return text
    strong = BOLD if abs(effect) >= largest / 2 else ""
    return f"{strong}{BLUE if effect > 0 else ORANGE}{text}{PLAIN}"


def _marked(effect: Attribution, largest: float, colour: bool) -> str:
    if abs(effect.effect) < NOTABLE * largest or not effect.effect:
        return effect.text
    return _painted(f"{effect.text}({points(effect.effect, 3)})", effect.effect, largest, colour)
