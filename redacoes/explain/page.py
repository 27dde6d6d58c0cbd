"""An explanation as one HTML file, without scripts or network access."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Any

from redacoes.explain.attribution import Attribution, WordAttributions
from redacoes.explain.report import Explanation, ends, points
from redacoes.explain.texts import say
from redacoes.formatting import beginning
from redacoes.languages import TAGS, Language, decimal, typeset

# blue and orange, which no usual kind of colour blindness confuses; lines, signs and numbers say the same
COLOURS = """
:root { --up: 43, 108, 196; --down: 214, 110, 20; --line: #8886; --dim: #595959 }
@media screen { :root { color-scheme: light dark } }
@media screen and (prefers-color-scheme: dark) { :root { --up: 80, 150, 255; --down: 240, 140, 50; --dim: #a8a8a8 } }
""".strip()
PARTS = """
.dim { color: var(--dim); font-size: .9rem }
.essay { line-height: 2; overflow-wrap: anywhere }
.up, .down { border-radius: .15rem; padding: .1rem .1rem; box-decoration-break: clone;
  -webkit-box-decoration-break: clone }
.up { background: rgba(var(--up), var(--share)); border-bottom: 2px solid rgb(var(--up)) }
.down { background: rgba(var(--down), var(--share)); border-bottom: 2px dashed rgb(var(--down)) }
.unseen { color: var(--dim); font-style: italic }
sup { font-size: .7rem; font-variant-numeric: tabular-nums; white-space: nowrap; margin-left: .15rem; line-height: 1 }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line) }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
td { overflow-wrap: anywhere }
.bars { display: flex; align-items: flex-end; gap: .4rem; height: 8rem; margin: 2rem 0 2.5rem }
.bars div { flex: 1; position: relative; background: rgba(var(--up), .3); min-height: 1px; font-size: .8rem }
.bars .chosen { background: rgb(var(--up)) }
.bars span { position: absolute; top: 100%; left: 0; right: 0; text-align: center }
.bars .percent { top: auto; bottom: 100% }
@media (max-width: 30rem) { .bars { gap: .15rem } .bars .percent { font-size: .65rem }
  .bars.long span:not(.percent) { left: 50%; right: auto; transform: translateX(-50%);
  writing-mode: vertical-rl; padding-top: .2rem }
  .bars.long { margin-bottom: 3.25rem } }
summary { cursor: pointer }
.up, .down, .bars div { print-color-adjust: exact; -webkit-print-color-adjust: exact }
@media print { .bars, tr { break-inside: avoid } h1, h2, h3 { break-after: avoid } }
""".strip()
STYLE = """
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem;
  background: Canvas; color: CanvasText }
h1 { font-size: 1.5rem; line-height: 1.3; margin-bottom: .5rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin-top: 2.5rem }
""".strip()
MOST_TINT = 0.45  # a stronger tint leaves too little contrast for the words
LEAST = 0.1  # of the largest effect: smaller effects are not marked


def page(found: Explanation, language: Language = "en") -> str:
    """Return the page. All text from outside this module is escaped, the essay above all."""
    title = say("title", language, score=found.score["predicted"], name=found.name)
    meaning = f"{say('meaning', language)} {say('model', language, model=found.model)}"
    chances = say("chances", language)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_capital(found.headline(language)))}.</p>",
        f'<p class="dim">{escape(meaning)}</p>',
        f'<h2>{escape(say("sure", language))}</h2>\n<p class="dim">{escape(chances)}.</p>',
        bars(found.score, chances),
        f'<p><span class="up" style="--share: .3">{say("solid", language)}</span>{say("adds", language)}'
        f'<span class="down" style="--share: .3">{say("dashed", language)}</span>{say("takes", language)}</p>',
    ]
    if found.sentences is not None:
        parts += _sentences(found.text, found.sentences, found.score["truncated"], language)
    if found.words is not None:
        parts += _words(found.text, found.words, language)
    if found.neighbours is not None:
        rows = [
            [str(each.score), decimal(each.similarity, language, 2), str(each.line), beginning(each.essay, 300)]
            for each in found.neighbours
        ]
        parts += [f"<h2>{escape(say('neighbours', language))}</h2>"]
        if found.far:
            parts += [f"<p>{escape(say('far', language))}</p>"]
        header = [say(name, language) for name in ("true_score", "similarity", "line", "essay")]
        parts += [table(header, rows, numbers=3)]
    return document(title, "\n".join(parts), language)


def document(title: str, body: str, language: Language, style: str = "") -> str:
    """Return a whole page, which runs no script and makes no network request.

    Args:
        title: Of the page, as text.
        body: Its content, as HTML.
        language: Of the words around the essay.
        style: CSS to add to that of all such pages.
    """
    return f"""<!DOCTYPE html>
<html lang="{TAGS[language]}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>
{COLOURS}
{STYLE}
{PARTS}
{style}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def bars(score: Mapping[str, Any], label: str, names: Sequence[str] | None = None) -> str:
    """Return the probability of each score as a bar with its number.

    Args:
        score: A row of what :meth:`redacoes.Scorer.score` returns.
        label: The picture's name for screen readers.
        names: Names of the scores; their numbers if None.
    """
    probabilities = [value for name, value in score.items() if name.startswith("p_")]
    names = names or list(map(str, range(len(probabilities))))
    return chart(probabilities, names, label, "{:.0%}", score["predicted"])


def chart(values: Sequence[float], names: Sequence[str], label: str, form: str, chosen: int | None = None) -> str:
    """Return values as bars, each with its number above and its name below.

    Args:
        values: 0 or more.
        names: Of the values.
        label: The picture's name for screen readers.
        form: Format of a number.
        chosen: Index of the bar of full colour.
    """
    highest, shown = max(values), list(map(form.format, values))
    drawn = [
        f'<div{" class=chosen" if place == chosen else ""} style="height: {value / highest:.1%}">'
        f'<span class="percent">{number}</span><span>{name}</span></div>'
        for place, (value, number, name) in enumerate(zip(values, shown, names, strict=True))
    ]
    numbers = ", ".join(f"{name}: {number}" for name, number in zip(names, shown, strict=True))
    kind = "bars long" if max(map(len, names)) > 2 else "bars"  # vertical on a narrow screen
    return f'<div class="{kind}" role="img" aria-label="{escape(label)}: {numbers}">{"".join(drawn)}</div>'


def _sentences(text: str, effects: Sequence[Attribution], truncated: bool, language: Language) -> list[str]:
    rows = [
        [str(place), typeset(points(effect.effect), language), effect.text] for place, effect in enumerate(effects, 1)
    ]
    cut = say("sentence_cut", language) if truncated else ""
    header = [say(name, language) for name in ("number", "effect", "sentence")]
    return [
        f"<h2>{escape(say('by_sentence', language))}</h2>",
        f'<p class="dim">{escape(say("sentence_hint", language) + cut)}</p>',
        tinted(text, effects, language),
        f"<details><summary>{escape(say('sentence_table', language, count=len(rows)))}</summary>",
        table(header, rows, numbers=2),
        "</details>",
    ]


def tinted(text: str, effects: Sequence[Attribution], language: Language, decimals: int = 2) -> str:
    """Return an essay whose sentences are tinted by their effects, each followed by its number.

    Args:
        text: The essay.
        effects: Of its sentences.
        language: In which numbers are written.
        decimals: Of the numbers.
    """
    largest = max(abs(effect.effect) for effect in effects)
    pieces = []
    for effect in effects:
        shown = typeset(points(effect.effect, decimals), language)
        pieces.append(_span(effect, largest, shown, f"&NoBreak;<sup>{shown}</sup>"))
    return _essay(text, effects, pieces)


def _words(text: str, words: WordAttributions, language: Language) -> list[str]:
    largest = max(abs(effect.effect) for effect in words.effects)
    not_seen = escape(say("not_seen", language))
    pieces = [
        _span(effect, largest, typeset(points(effect.effect, 3), language)) if seen else ""
        for effect, seen in zip(words.effects, words.seen, strict=True)
    ]
    for seen, run in groupby(range(len(pieces)), key=lambda place: words.seen[place]):
        if not seen:
            for place in run:
                pieces[place] = f'<span class="unseen" title="{not_seen}">{escape(words.effects[place].text)}</span>'
    order = sorted(zip(words.effects, words.seen, strict=True), key=lambda pair: -abs(pair[0].effect))
    rows = [[typeset(points(effect.effect, 3), language) if seen else not_seen, effect.text] for effect, seen in order]
    unseen = say("unseen", language) if not all(words.seen) else ""
    hint = f"{ends(words, language)}.{say('point', language)}{unseen}"
    return [
        f"<h2>{escape(say('by_word', language))}</h2>",
        f'<p class="dim">{escape(hint)}</p>',
        _essay(text, words.effects, pieces),
        f"<details><summary>{escape(say('word_table', language, count=len(rows)))}</summary>",
        table([say("effect", language), say("word", language)], rows, numbers=1),
        "</details>",
    ]


def _span(effect: Attribution, largest: float, shown: str, number: str = "") -> str:
    if shown[0] not in "+−" or abs(effect.effect) < LEAST * largest:
        return f'<span title="{shown}">{escape(effect.text)}{number}</span>'
    kind = "up" if effect.effect > 0 else "down"
    share = MOST_TINT * abs(effect.effect) / largest
    return f'<span class="{kind}" style="--share: {share:.3f}" title="{shown}">{escape(effect.text)}{number}</span>'


def _essay(text: str, effects: Sequence[Attribution], pieces: Sequence[str]) -> str:
    """Return the text with each span replaced by its piece of HTML; only whitespace lies between spans."""
    parts, end = [], 0
    for effect, piece in zip(effects, pieces, strict=True):
        parts += [text[end : effect.begin].replace("\n", "<br>\n"), piece]
        end = effect.end
    return f'<div class="essay" lang="pt-BR">{"".join(parts)}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    """Return a table of text, whose first `numbers` columns are set as numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="number"' if place < numbers else "" for place in range(len(cells))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True))

    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{line(header, 'th')}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
