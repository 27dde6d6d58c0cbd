"""HTML of the results of one essay. All text from an essay is escaped; this module does not depend on Gradio."""

from dataclasses import replace
from html import escape

from redacoes.explain.page import bars, table, tinted
from redacoes.formatting import beginning
from redacoes.languages import Language, decimal, short
from redacoes.web.service import SENTENCES, Answer, Service
from redacoes.web.texts import mean, say


def section(*parts: str) -> str:
    """Return parts of the page as one."""
    return f'<div class="redacoes">{"".join(parts)}</div>'


def wide(content: str, label: str) -> str:
    """Return content that may be wider than the screen in a box that the keyboard can scroll."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def statement(service: Service, language: Language) -> list[str]:
    """Return what a score is and is not."""
    error = ""
    if service.state == "ready" and service.run and service.run["metrics"].get("mae", {}).get("value") is not None:
        mae = mean(service.run["metrics"]["mae"]["value"], service.points, language)
        error = say("error", language, mae=mae, count=service.run["data"]["splits"]["test"])
    lines = [f"<p>{escape(say('statement', language, error=error))}</p>"]
    if service.run and service.run["data"]["from"] == "stage sample":
        lines.append(f'<p class="warning">{escape(say("synthetic", language))}</p>')
    if service.unknown and not service.run:  # it may be the model of synthetic essays
        lines.append(f'<p class="warning">{escape(say("unknown", language, reason=service.unknown))}</p>')
    return lines


def heading(service: Service, language: Language) -> str:
    """Return the title, and what a score is."""
    return section(f"<h1>{escape(say('title', language))}</h1>", *statement(service, language))


def status(service: Service, language: Language) -> str:
    """Return whether the model is ready, as a line whose changes screen readers announce."""
    text = service.why(language) if service.failure else say(service.state, language)
    return section(f'<p role="status" class="{service.state}">{code(text)}</p>')


def code(text: str) -> str:
    """Return a text as HTML, with the parts between backquotes set as code."""
    pieces = [escape(piece) for piece in text.split("`")]
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))


def refusal(refused: Exception) -> str:
    """Return the reason why there is no result."""
    return section(f'<p role="alert" class="warning">{escape(str(refused))}</p>')


def of_turn(turn: int, content: str) -> str:
    """Return a result that says of which text in the field it is, so that the browser can drop it under another."""
    return f'<div data-turn="{turn:d}">{content}</div>'


def estimate(found: Answer, points: float, language: Language) -> list[str]:
    """Return the score of one essay, and how sure it is.

    Args:
        found: The essay, scored.
        points: Points of the training data for one step of the score; if not 1, both are shown.
        language: Of the words.
    """
    score, most = found.score, sum(name.startswith("p_") for name in found.score) - 1
    of_class, of_classes = "", ""
    if points != 1:
        of_class = " " + say("of_class", language, score=score["predicted"], most=most)
        told = {"low": score["low"], "high": score["high"], "expected": decimal(score["expected"], language)}
        of_classes = " " + say("of_classes", language, **told)
    low, high, decided = (short(score[name] * points, language) for name in ("low", "high", "predicted"))
    between = say("range", language, low=low, high=high, expected=mean(score["expected"], points, language))
    return [
        f"<h2>{escape(say('estimate', language))}: <strong>{decided}</strong>{escape(of_class)}</h2>",
        f"<p>{escape(between + of_classes)}</p>",
    ]


def warnings(found: Answer, language: Language) -> list[str]:
    """Return the warnings about a score."""
    items = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
    strong = f"<strong>{escape(say('warning', language))}</strong>"
    return [f'<div class="warning">{strong}<ul>{items}</ul></div>'] if items else []


def chances(found: Answer, points: float, language: Language) -> list[str]:
    """Return the probability of each score."""
    title = say("chances", language)
    steps = [short(step * points, language) for step in range(len(found.score)) if f"p_{step}" in found.score]
    return [f"<h3>{escape(title)}</h3>", bars(found.score, title, steps)]


def sentences(found: Answer, points: float, language: Language) -> list[str]:
    """Return the essay with the effect of each sentence, or that the effects are still being computed."""
    title = f"<h3>{escape(say('sentences', language))}</h3>"
    if found.pending:
        return [title, f'<p role="status" class="loading">{escape(say("pending", language))}</p>']
    if found.effects is None:
        return [title, f"<p>{escape(say('many_sentences', language, most=SENTENCES))}</p>"]
    hint = f'<p class="dim">{escape(say("sentences_hint", language))}</p>'
    effects = [replace(effect, effect=effect.effect * points) for effect in found.effects]
    return [title, hint, tinted(found.text, effects, language, places(points))]


def places(points: float) -> int:
    """Return how many decimals an effect has, if one step of the score is `points` points."""
    return 0 if points >= 100 else 1 if points >= 10 else 2


def answer(found: Answer, points: float, language: Language, name: str = "") -> str:
    """Return the score of one essay, its probabilities, and as far as they are known the effects of its sentences.

    Args:
        found: The essay, scored.
        points: See `estimate`.
        language: Of the words.
        name: The student's, for a heading that scripts can focus.
    """
    parts = [f'<h2 tabindex="-1">{escape(name)}</h2>'] if name else []
    parts += [*estimate(found, points, language), *warnings(found, language), *chances(found, points, language)]
    parts += sentences(found, points, language)
    if found.neighbours:
        header = [say(name, language) for name in ("true_score", "similarity", "text")]
        rows = [
            [short(each.score * points, language), decimal(each.similarity, language, 2), beginning(each.essay, 200)]
            for each in found.neighbours
        ]
        title = say("neighbours", language)
        parts += [f"<h3>{escape(title)}</h3>", wide(table(header, rows, numbers=2), title)]
    return section(*parts)
