"""HTML of the results of a class. All text from a file is escaped; this module does not depend on Gradio."""

from html import escape

from redacoes.essays.spreadsheets import CELL
from redacoes.explain.page import chart
from redacoes.languages import Language, short
from redacoes.web.batch import BatchSummary, Row, told_reject
from redacoes.web.texts import mean, say
from redacoes.web.views import section, wide

STYLE = """
.redacoes .wide:has(.sortable) { max-height: 75vh; overflow: auto }
.redacoes .sortable { width: auto; min-width: 100%; margin: 0; border-collapse: separate; border-spacing: 0 }
.redacoes .sortable :is(td, th) { white-space: nowrap; vertical-align: middle }
.redacoes .sortable :is(td, th) { padding: .2rem .5rem }
.redacoes .sortable td:not(.number) { max-width: 14rem; overflow: hidden; text-overflow: ellipsis }
.redacoes .sortable thead th { position: sticky; top: 0; background: var(--body-background-fill); z-index: 1 }
.redacoes .sortable button { font: inherit; color: inherit; background: none; cursor: pointer; text-align: inherit }
.redacoes .sortable thead button { font-weight: bold }
.redacoes .sortable thead button::after { content: "\\2195"; opacity: .6; margin-left: .25rem }
.redacoes .sortable [aria-sort="ascending"] button::after { content: "\\2191"; opacity: 1 }
.redacoes .sortable [aria-sort="descending"] button::after { content: "\\2193"; opacity: 1 }
.redacoes .sortable tbody button { text-decoration: underline; white-space: normal;
  min-width: min(14rem, 35vw) }
"""
# in the browser, on the element that holds what `many` returns: a click on a student is told to the server with the
# number of the row; one on a heading sorts the rows, downwards or, if they are so already, upwards
SCRIPT = """
element.addEventListener('click', event => {
  const student = event.target.closest('button[data-row]');
  if (student) trigger('select', {row: Number(student.dataset.row)});
  const heading = event.target.closest('thead button')?.parentElement;
  if (!heading) return;
  const place = [...heading.parentElement.children].indexOf(heading);
  const down = heading.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
  for (const other of heading.parentElement.children) other.removeAttribute('aria-sort');
  heading.setAttribute('aria-sort', down === 1 ? 'ascending' : 'descending');
  const body = heading.closest('table').tBodies[0];
  const language = document.documentElement.lang;
  const key = row => row.cells[place].dataset.value ?? row.cells[place].innerText;
  const compare = new Intl.Collator(language, {numeric: true}).compare;
  const isNumber = [...body.rows].every(row => row.cells[place].dataset.value !== undefined);
  const order = isNumber ? (a, b) => key(a) - key(b) : (a, b) => compare(key(a), key(b));
  body.append(...[...body.rows].sort((a, b) => down * order(a, b)));
});
"""


def called(name: str, number: int, language: Language) -> str:
    """Return the name to show for an essay: the student's, or the row's number if that is empty."""
    return name or say("row", language, number=number)


def many(found: BatchSummary, points: float, language: Language) -> str:
    """Return the summary of a scored file: counts, distribution of scores, and the first essays.

    Args:
        found: The class.
        points: Points of the training data for one step of the score; if not 1, both are shown.
        language: Of the words.
    """
    middle, spread = (mean(value, points, language) for value in (found.mean, found.spread))
    scored = say("scored", language, count=found.scored, mean=middle, spread=spread)
    parts = [f"<p><strong>{escape(scored)}</strong></p>"]
    if found.fault:
        first = told_reject(found.fault.line, found.fault.fault, language)
        text = say("rejected", language, count=found.rejected, first=first)
        parts.append(f'<p class="warning">{escape(text)}</p>')
    if found.long:
        text = say("cut_in_workbook", language, count=found.long, most=CELL)
        parts.append(f'<p class="warning">{escape(text)}</p>')
    steps = [short(step * points, language) for step in range(len(found.predicted))]
    title, hint = say("histogram", language), say("table_hint", language)
    heading = say("all", language)
    if found.scored > len(found.first):
        heading = say("first", language, count=len(found.first), all=found.scored)
        hint += " " + say("only_first", language)
    return section(
        *parts,
        f"<h2>{escape(title)}</h2>",
        chart(found.predicted, steps, title, "{}"),
        f"<h2>{escape(heading)}</h2>",
        f'<p class="dim">{escape(hint)}</p>',
        wide(_table(found, points, language), heading),
    )


def _table(found: BatchSummary, points: float, language: Language) -> str:
    names = ["predicted", *(["class"] if points != 1 else []), "expected", "low", "high", "truncated"]
    carried = list(found.first[0].carried)
    header = [say("name", language), *(say(name, language) for name in names), *carried]
    kinds = ["", *[' class="number"'] * (len(names) - 1), *[""] * (len(carried) + 1)]
    head = "".join(
        f'<th scope="col"{kind}><button type="button">{escape(name)}</button></th>'
        for name, kind in zip(header, kinds, strict=True)
    )
    body = "\n".join(_line(row, points, language) for row in found.first)
    return f'<table class="sortable">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def _line(row: Row, points: float, language: Language) -> str:
    score = row.score or {}
    numbers = [(score["predicted"] * points, short(score["predicted"] * points, language))]
    if points != 1:
        numbers.append((score["predicted"], str(score["predicted"])))
    numbers.append((score["expected"], mean(score["expected"], points, language)))
    numbers += [(score[name], short(score[name] * points, language)) for name in ("low", "high")]
    cells = [f'<td class="number" data-value="{value:g}">{shown}</td>' for value, shown in numbers]
    texts = [say(str(score["truncated"]), language), *row.carried.values()]
    name = escape(called(row.name, row.number, language))
    opener = f'<th scope="row" data-value="{row.number}">' if not row.name else '<th scope="row">'
    opener += f'<button type="button" data-row="{row.number}">{name}</button></th>'
    return f"<tr>{opener}{''.join(cells)}{''.join(map(_cell, texts))}</tr>"


def _cell(text: str) -> str:
    """Return a cell of one line, whose end may be hidden."""
    return f'<td title="{escape(text)}">{escape(text)}</td>'
