"""What the page shows, as HTML. All that comes from an essay, a file or a run is escaped; nothing here knows Gradio."""

from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from redacoes.app_service import SCORES, SENTENCES, Answer, Class, Service, told_reject
from redacoes.app_texts import Language, say
from redacoes.commands.text import leaves, number
from redacoes.compare import falls_short, figures
from redacoes.explanation import beginning
from redacoes.explanation_page import bars, table, tinted


def decimal(value: float, language: Language, places: int = 1) -> str:
    """Return a number as the language writes it."""
    shown = f"{value:.{places}f}"
    return shown.replace(".", ",") if language == "pt" else shown


def _section(*parts: str) -> str:
    return f'<div class="redacoes">{"".join(parts)}</div>'


def heading(service: Service, language: Language) -> str:
    """Return the title, and what a score is."""
    error = ""
    if service.run and service.run["metrics"].get("mae", {}).get("value") is not None:
        mae = decimal(service.run["metrics"]["mae"]["value"], language)
        error = say("error", language, mae=mae, count=service.run["data"]["splits"]["test"])
    statement = say("statement", language, error=error)
    lines = [f"<h1>{escape(say('title', language))}</h1>", f"<p>{escape(statement)}</p>"]
    if service.run and service.run["data"]["from"] == "stage sample":
        lines.append(f'<p class="warning">{escape(say("synthetic", language))}</p>')
    return _section(*lines)


def status(service: Service, language: Language) -> str:
    """Return whether the model is ready, as a line that screen readers tell of when it changes."""
    text = say(service.state, language, reason=service.failure)
    return _section(f'<p role="status" class="{service.state}">{escape(text)}</p>')


def refusal(refused: Exception) -> str:
    """Return why there is no result, in its place."""
    return _section(f'<p role="alert" class="warning">{escape(str(refused))}</p>')


def answer(found: Answer, language: Language) -> str:
    """Return the score of one essay, how sure it is, and what moved it."""
    score = found.score
    between = say(
        "range", language, low=score["low"], high=score["high"], expected=decimal(score["expected"], language)
    )
    parts = [
        f"<h2>{escape(say('estimate', language))}: <strong>{score['predicted']}</strong></h2>",
        f"<p>{escape(between)}</p>",
    ]
    if found.warnings:
        items = "".join(f"<li>{escape(text)}</li>" for text in found.warnings)
        parts.append(f'<div class="warning"><strong>{escape(say("warning", language))}</strong><ul>{items}</ul></div>')
    chances = say("chances", language)
    parts += [f"<h3>{escape(chances)}</h3>", bars(score, chances), f"<h3>{escape(say('sentences', language))}</h3>"]
    if found.effects is None:
        parts.append(f"<p>{escape(say('many_sentences', language, most=SENTENCES))}</p>")
    else:
        parts += [
            f'<p class="dim">{escape(say("sentences_hint", language))}</p>',
            tinted(found.text, found.effects, language),
        ]
    if found.neighbours:
        header = [say(name, language) for name in ("true_score", "similarity", "text")]
        rows = [
            [str(each.score), decimal(each.similarity, language, 2), beginning(each.essay, 200)]
            for each in found.neighbours
        ]
        parts += [f"<h3>{escape(say('neighbours', language))}</h3>", table(header, rows, numbers=2)]
    return _section(*parts)


def many(found: Class, language: Language) -> str:
    """Return how many essays of a file were scored, how their scores are spread, and the first of them."""
    parts = [f"<p>{escape(say('scored', language, count=sum(found.predicted)))}</p>"]
    if found.rejected:
        first = told_reject(found.line, found.fault, language)
        text = say("rejected", language, count=found.rejected, first=first)
        parts.append(f'<p class="warning">{escape(text)}</p>')
    title = say("histogram", language)
    header = [say(name, language) for name in SCORES] + list(map(str, found.first.columns[len(SCORES) :]))
    rows = [
        [str(predicted), decimal(expected, language), str(low), str(high), say(str(truncated), language), *carried]
        for predicted, expected, low, high, truncated, *carried in found.first.itertuples(index=False)
    ]
    heading = say("first", language, count=len(rows))
    return _section(
        *parts,
        f"<h2>{escape(title)}</h2>",
        _histogram(found.predicted, title),
        f"<h2>{escape(heading)}</h2>",
        _wide(table(header, rows, numbers=len(SCORES)), heading),
    )


def _wide(content: str, label: str) -> str:
    """Return what may be wider than the screen, which the keyboard can then scroll."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def _histogram(counts: Sequence[int], label: str) -> str:
    highest = max(counts)
    drawn = "".join(
        f'<div style="height: {count / highest:.1%}"><span class="percent">{count}</span><span>{score}</span></div>'
        for score, count in enumerate(counts)
    )
    told = ", ".join(f"{score}: {count}" for score, count in enumerate(counts))
    return f'<div class="bars" role="img" aria-label="{escape(label)}: {told}">{drawn}</div>'


def model(service: Service, language: Language) -> str:
    """Return what made the model, how well it does, and what it is not for."""
    limits = [f"<h3>{escape(say('limits', language))}</h3>", f"<p>{escape(say('limits_text', language))}</p>"]
    name = f"<h2>{escape(say('model', language))}: {escape(service.model)}</h2>"
    run = service.run
    if run is None:
        reason = service.unknown or say("loading", language)
        return _section(name, f"<p>{escape(say('unknown', language, reason=reason))}</p>", *limits)
    rows = run["data"]["rows"]
    splits = ", ".join(f"{count} {part}" for part, count in run["data"]["splits"].items())
    told = say("data_rows", language, file=run["data"]["file"], kept=rows["kept"], read=rows["read"], splits=splits)
    metrics = [
        [metric, number(of["value"]), f"{number(of['low'])} – {number(of['high'])}"]
        for metric, of in run["metrics"].items()
    ]
    parameters = [[key, str(value)] for key, value in leaves(run["parameters"])]
    return _section(
        name,
        *_commit(run["commit"], language),
        *limits,
        f"<h3>{escape(say('metrics', language))}</h3>",
        table([say(key, language) for key in ("metric", "value", "interval")], metrics, numbers=0),
        *_against(run.get("best_baseline"), language),
        *_confusion(service.confusion, language),
        f"<h3>{escape(say('data', language))}</h3><p>{escape(told)}</p>",
        f"<details><summary>{escape(say('parameters', language))}</summary>",
        table([say("parameter", language), say("value", language)], parameters, numbers=0),
        "</details>",
    )


def _against(best: dict[str, Any] | None, language: Language) -> list[str]:
    """Return how the model does against the best baseline, and a warning where it is not better."""
    if not best:
        return []
    name, parts = say(f"baseline_{best['name']}", language), []
    if falls_short(best):
        mine, its = (figure.replace(".", ",") if language == "pt" else figure for figure in figures(best))
        text = say("not_better", language, name=name, mine=mine, its=its)
        parts.append(f'<p class="warning">{escape(text)}</p>')
    ends = {end: _signed(best["test"][end], language) for end in ("difference", "low", "high")}
    return [*parts, f"<p>{escape(say('against', language, name=name, **ends))}</p>"]


def _signed(value: float | None, language: Language) -> str:
    shown = number(value, "+.3f")
    return shown.replace(".", ",") if language == "pt" else shown


def _commit(commit: dict[str, str] | None, language: Language) -> list[str]:
    if commit is None:
        return []
    told = f"{say('commit', language)}: {commit['hash'][:12]}, {commit['date'][:10]}: {commit['subject']}"
    return [f"<p>{escape(told)}</p>"]


def _confusion(counts: pd.DataFrame | None, language: Language) -> list[str]:
    if counts is None:
        return []
    matrix = counts.pivot_table(index="score", columns="predicted", values="essays", fill_value=0).astype(int)
    highest = max(int(matrix.to_numpy().max()), 1)

    def cell(count: Any) -> str:
        return f'<td class="number" style="background: rgba(var(--up), {0.45 * count / highest:.2f})">{count}</td>'

    header = "".join(f'<th scope="col" class="number">{score}</th>' for score in matrix.columns)
    body = "".join(
        f'<tr><th scope="row">{score}</th>{"".join(map(cell, row))}</tr>'
        for score, row in zip(matrix.index, matrix.to_numpy().tolist(), strict=True)
    )
    title = say("confusion", language)
    return [f"<h3>{escape(title)}</h3>", _wide(f"<table><tr><td></td>{header}</tr>{body}</table>", title)]
