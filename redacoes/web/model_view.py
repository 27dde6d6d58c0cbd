"""HTML about the model. All text from a run is escaped; this module does not depend on Gradio."""

from html import escape
from typing import Any

import pandas as pd

from redacoes.evaluation.comparison import falls_short, figures
from redacoes.explain.page import table
from redacoes.formatting import leaves
from redacoes.languages import Language, decimal, short, typeset
from redacoes.web.service import Service
from redacoes.web.texts import TEXTS, say
from redacoes.web.views import code, section, wide

IN_POINTS = ("mae", "rmse")  # metrics in points of score
STYLE = """
.redacoes .metrics th[scope="row"] { min-width: min(17rem, 25vw) }
@media (max-width: 44rem) {  /* each metric as a block of its own */
  .redacoes .metrics thead { display: none }
  .redacoes .metrics :is(tbody, tr, td, th) { display: block; text-align: left; border: none; padding: .1rem 0 }
  .redacoes .metrics tr { border-bottom: 1px solid var(--line); padding: .5rem }
  .redacoes .metrics td.number::before { content: attr(data-label) ": " }
  .redacoes details .wide :is(td, th) { width: 50% !important; overflow-wrap: anywhere }
}
"""


def model(service: Service, language: Language) -> str:
    """Return the model's origin, its metrics, and the limits of its use."""
    limits = [f"<h3>{escape(say('limits', language))}</h3>", f"<p>{escape(say('limits_text', language))}</p>"]
    name = f"<h2>{escape(say('model', language))}: {escape(service.model)}</h2>"
    run = service.run
    if service.missing:
        return section(name, f"<p>{code(service.why(language))}</p>", *limits)
    if run is None:
        reason = service.unknown or say("loading", language)
        return section(name, f"<p>{escape(say('unknown', language, reason=reason))}</p>", *limits)
    rows = run["data"]["rows"]
    splits = ", ".join(f"{count} {say(f'split_{part}', language)}" for part, count in run["data"]["splits"].items())
    told = say("data_rows", language, file=run["data"]["file"], kept=rows["kept"], read=rows["read"], splits=splits)
    parameters = [[key, _value(value)] for key, value in leaves(run["parameters"])]
    title = say("parameters", language)
    header = [say("parameter", language), say("value", language)]
    return section(
        name,
        *_commit(run["commit"], language),
        *limits,
        f"<h3>{escape(say('metrics', language))}</h3>",
        _metrics(run, service.points, language),
        *_against(run.get("best_baseline"), language),
        *_confusion(service.confusion, service.points, language),
        f"<h3>{escape(say('data', language))}</h3><p>{escape(told)}</p>",
        f"<details><summary>{escape(title)}</summary>",
        wide(table(header, parameters, numbers=0), title),
        "</details>",
    )


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _metrics(run: dict[str, Any], points: float, language: Language) -> str:
    """Return each metric with its name, its value, its interval, and what it means."""
    confidence = run["parameters"].get("evaluate", {}).get("bootstrap", {}).get("confidence", 0.95)
    percent = short(confidence * 100, language)
    header = [say(key, language, percent=percent) for key in ("metric", "value", "interval", "meaning")]
    steps = {"one": _points(points, language), "two": _points(2 * points, language)}

    def line(name: str, of: dict[str, float | None]) -> str:
        known = f"metric_{name}" in TEXTS
        by, places = (points, 1 if points >= 10 else 2) if name in IN_POINTS else (1, 3)
        value, low, high = (
            "-" if end is None else decimal(end * by, language, places) for end in (of["value"], of["low"], of["high"])
        )
        called = say(f"metric_{name}", language) if known else name
        meaning = say(f"meaning_{name}", language, **steps) if known else ""
        cells = f'<td class="number" data-label="{header[1]}">{value}</td>'
        cells += f'<td class="number" data-label="{header[2]}">{low} – {high}</td><td>{escape(meaning)}</td>'
        return f'<tr><th scope="row">{escape(called)}</th>{cells}</tr>'

    kinds = ("", ' class="number"', ' class="number"', "")
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(header, kinds, strict=True))
    body = "\n".join(line(name, of) for name, of in run["metrics"].items())
    return f'<table class="metrics">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def _points(number: float, language: Language) -> str:
    return say("point" if number == 1 else "points", language, number=short(number, language))


def _against(best: dict[str, Any] | None, language: Language) -> list[str]:
    """Return the comparison with the best baseline, and a warning if the model is not better."""
    if not best:
        return []
    name, parts = say(f"baseline_{best['name']}", language), []
    if falls_short(best):
        mine, its = (typeset(figure, language) for figure in figures(best))
        text = say("not_better", language, name=name, mine=mine, its=its)
        parts.append(f'<p class="warning">{escape(text)}</p>')
    ends = {end: _signed(best["test"][end], language) for end in ("difference", "low", "high")}
    return [*parts, f"<p>{escape(say('against', language, name=name, **ends))}</p>"]


def _signed(value: float | None, language: Language) -> str:
    if value is None:
        return "-"
    return ("+" if value > 0 else "") + decimal(value, language, 3)


def _commit(commit: dict[str, str] | None, language: Language) -> list[str]:
    if commit is None:
        return []
    told = f"{say('commit', language)}: {commit['hash'][:12]}, {commit['date'][:10]}: {commit['subject']}"
    return [f"<p>{escape(told)}</p>"]


def _confusion(counts: pd.DataFrame | None, points: float, language: Language) -> list[str]:
    if counts is None:
        return []
    matrix = counts.pivot_table(index="score", columns="predicted", values="essays", fill_value=0).astype(int)
    highest = max(int(matrix.to_numpy().max()), 1)

    def cell(count: Any) -> str:
        return f'<td class="number" style="background: rgba(var(--up), {0.45 * count / highest:.2f})">{count}</td>'

    names = {step: short(step * points, language) for step in {*matrix.columns, *matrix.index}}
    header = "".join(f'<th scope="col" class="number">{names[step]}</th>' for step in matrix.columns)
    body = "".join(
        f'<tr><th scope="row">{names[step]}</th>{"".join(map(cell, row))}</tr>'
        for step, row in zip(matrix.index, matrix.to_numpy().tolist(), strict=True)
    )
    title = say("confusion", language)
    return [f"<h3>{escape(title)}</h3>", wide(f"<table><tr><td></td>{header}</tr>{body}</table>", title)]
