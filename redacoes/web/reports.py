"""Reports to print: one essay with its score and effects as an HTML file, and those of a class as a ZIP.

They contain the teacher's own score and comment, or lines to write them on. No file needs a script or the network.
"""

import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from redacoes.explain.attribution import Attribution
from redacoes.explain.page import LEAST, document, table
from redacoes.explain.report import points as signed
from redacoes.languages import Language, typeset
from redacoes.web import views
from redacoes.web.service import Answer, Service
from redacoes.web.texts import say

MOVED = 3  # sentences listed with a positive effect, and with a negative one
LINE = '<div class="line"></div>'
LINES = 8  # lines for a written comment
LENGTH = 60  # maximum characters of a file's name
STYLE = """
h1 { border-bottom: 2px solid var(--line); padding-bottom: .5rem }
h3 { font-size: 1rem; margin-top: 1.75rem }
.warning { border-left: 4px solid rgb(var(--down)); padding: .25rem .75rem }
.teacher { border: 1px solid var(--dim); padding: .25rem 1rem 1rem; margin-top: 2rem; break-inside: avoid }
.teacher .written { white-space: pre-wrap; overflow-wrap: anywhere }
.line { border-bottom: 1px solid var(--dim); height: 2rem }
.line.short { display: inline-block; width: 8rem; height: 1.2rem; vertical-align: baseline }
article + article { break-before: page; margin-top: 4rem }
@media print {
  :root { color-scheme: light; --up: 43, 108, 196; --down: 214, 110, 20; --dim: #595959 }
  @page { margin: 18mm 16mm }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; line-height: 1.45; background: none }
  h1, h2, h3 { break-after: avoid; margin: 1rem 0 .5rem }
  p, ul { margin: .4rem 0 }
  .bars { break-inside: avoid; height: 5rem; margin: 1.75rem 0 2rem }
  tr { break-inside: avoid }
  .essay { line-height: 1.8 }
  article + article { margin-top: 0 }
}
""".strip()


@dataclass(frozen=True)
class StudentReport:
    """The contents of a report.

    Attributes:
        number: Of the essay's row in its file.
        name: Whose essay it is.
        answer: The essay, scored.
        own: The teacher's score as text; if empty, the report has a line for it.
        comment: The teacher's comment; if empty, the report has lines for it.
    """

    number: int
    name: str
    answer: Answer
    own: str
    comment: str


def page(reports: Sequence[StudentReport], service: Service, language: Language) -> str:
    """Return reports as one page; each begins on a new sheet."""
    articles = "\n".join(_article(report, service, language) for report in reports)
    title = say("report_title", language) + (f": {reports[0].name}" if len(reports) == 1 else "")
    return document(title, articles, language, STYLE)


def _article(report: StudentReport, service: Service, language: Language) -> str:
    found, points = report.answer, service.points
    parts = [
        f"<h1>{escape(say('report_title', language))}: {escape(report.name)}</h1>",
        *views.estimate(found, points, language),
        *views.statement(service, language),
        *views.warnings(found, language),
        *views.chances(found, points, language),
        *_moved(found.effects or [], points, language),
        *views.sentences(found, points, language),
    ]
    if found.effects is None:
        parts.append(f'<div class="essay" lang="pt-BR">{escape(found.text).replace(chr(10), "<br>")}</div>')
    parts += [
        *_teacher(report, language),
        f'<p class="dim">{escape(say("made_by", language, model=service.model))}</p>',
    ]
    return "\n".join(["<article>", *parts, "</article>"])


def _moved(effects: Sequence[Attribution], points: float, language: Language) -> list[str]:
    """Return the sentences that changed the score most, in either direction."""
    least = LEAST * max((abs(effect.effect) for effect in effects), default=0.0)
    order = sorted((effect for effect in effects if abs(effect.effect) > least), key=lambda effect: -effect.effect)
    chosen = [effect for effect in order if effect.effect > 0][:MOVED]
    chosen += [effect for effect in order if effect.effect < 0][-MOVED:]
    if not chosen:
        return []
    rows = []
    for effect in chosen:
        shown = typeset(signed(effect.effect * points, views.places(points)), language)
        rows.append([shown, effect.text])
    header = [say("moved_effect", language), say("moved_sentence", language)]
    return [f"<h3>{escape(say('moved', language))}</h3>", table(header, rows, numbers=1)]


def _teacher(report: StudentReport, language: Language) -> list[str]:
    """Return the teacher's score and comment, or lines to write them on."""
    own = escape(report.own) if report.own else '<span class="line short"></span>'
    comment = f'<p class="written">{escape(report.comment)}</p>' if report.comment else LINE * LINES
    return [
        '<section class="teacher">',
        f"<h3>{escape(say('own_score', language))}: {own}</h3>",
        f"<h3>{escape(say('comment', language))}</h3>",
        comment,
        "</section>",
    ]


def file_name(report: StudentReport, width: int = 0) -> str:
    """Return a report's file name: the row's number in `width` digits, and the letters of the student's name."""
    letters = re.sub(r"[^\w]+", " ", unicodedata.normalize("NFC", report.name)).strip()
    return f"{report.number:0{width}d} {letters[:LENGTH].strip()}".strip() + ".html"


def write_zip(reports: Sequence[StudentReport], service: Service, language: Language, path: Path) -> None:
    """Write one page for each report, and one page of all, which prints faster.

    Args:
        reports: Of a class.
        service: The model that scored them.
        language: Of the words.
        path: The file.
    """
    width = len(str(max(report.number for report in reports)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{say('file_all', language)}.html", page(reports, service, language))
        for report in reports:
            file.writestr(file_name(report, width), page([report], service, language))
