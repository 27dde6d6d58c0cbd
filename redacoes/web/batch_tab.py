"""The Gradio tab for a class: a file of essays, its scores, one student's essay, and reports to print."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gradio as gr

from redacoes.essays.scoring_input import SUFFIXES
from redacoes.languages import Language
from redacoes.web import batch, batch_views, reports, views
from redacoes.web.batch import ROWS, BatchSummary
from redacoes.web.batch_views import called
from redacoes.web.parts import Files, Latest, OvertakenError, arrived, as_api_error, in_place, in_steps
from redacoes.web.reports import StudentReport
from redacoes.web.service import MEGABYTES, RefusedError, Service
from redacoes.web.texts import say

REPORTS = batch.SHOWN  # reports that are made at once, at most
COMMENT = 4000  # characters
OWN = 20  # characters of a teacher's score

# hides what does not belong to the file, essay or class shown; the teacher's fields show with a student's essay
STYLE = """
.gradio-container:not(:has(#student .bars)) #teacher { display: none }
.gradio-container:not(:has(#summary .bars)) :is(#reports, #download) { display: none }
:is(#download, #reports-file, #report-file):not(:has(a)) { display: none }
#download .label-clear-button { display: none }
#table-file > label { max-width: calc(100% - 2.5rem) }
@media (max-width: 30rem) {  /* the label has three lines */
  #table-file .icon-wrap { display: none }
  #table-file button > .wrap { padding-top: 3.5rem }
}
"""
# state and contents of one student's view when no student is chosen
NOBODY: tuple[Any, ...] = (None, {}, "", "", "", None, None)
# once for each student who is opened, as soon as there is a score: what arrives later keeps the element
FOCUS = """() => requestAnimationFrame(() => {
  const heading = document.querySelector('#student h2[tabindex]');
  if (!heading || heading.found) return;
  heading.found = true;
  heading.focus();
  heading.scrollIntoView({block: 'start'});
})"""

CHANGED = """(table, essay, student, ...gone) =>
  isNew('summary', table?.path, essay, student) ? ['', null, null, '', '', '', null] : gone"""
ASKED = """(table, essay, student, language, turn) =>
  [table, essay, student, language, turnOf('summary', table?.path, essay, student)]"""

Notes = dict[int, tuple[str, str]]  # a teacher's score and comment, by the number of the row


class ClassTab:
    """The tab: its components, its words, and its event handlers."""

    def __init__(self, service: Service, files: Files) -> None:
        """Lay it out, inside the tab of a `gr.Blocks`."""
        self.service, self.files = service, files
        self.latest_student, self.latest_class = Latest(), Latest()
        self.table = gr.File(file_types=[*SUFFIXES], height=140, elem_id="table-file")
        with gr.Row():
            # any value is accepted, since a restarted server does not know the earlier choices
            self.essay = gr.Dropdown(allow_custom_value=True, elem_id="essay-column")
            self.student = gr.Dropdown(allow_custom_value=True, elem_id="student-column")
        self.button = gr.Button(variant="primary", elem_id="score-many")
        self.scored, self.opened, self.notes = gr.State(), gr.State(), gr.State({})
        self.turn = gr.Number(0, visible=False, precision=0)
        self.download = gr.File(interactive=False, file_count="multiple", elem_id="download")
        self.summary = gr.HTML(elem_id="summary", js_on_load=batch_views.SCRIPT)
        self.reports = gr.Button(elem_id="reports")
        self.reports_file = gr.File(interactive=False, height=80, elem_id="reports-file")
        self.shown = gr.HTML(elem_id="student")
        with gr.Group(elem_id="teacher"):
            self.own = gr.Textbox(max_length=OWN, elem_id="own-score")
            self.comment = gr.Textbox(lines=4, max_length=COMMENT, elem_id="comment")
            self.report = gr.Button(elem_id="report")
        self.report_file = gr.File(interactive=False, height=80, elem_id="report-file")
        self.words = [self.table, self.essay, self.student, self.button, self.download, self.reports]
        self.words += [self.reports_file, self.own, self.comment, self.report, self.report_file]

    def labels(self, language: Language) -> list[Any]:
        """Return the texts of the components in `words`."""
        return [
            gr.update(label=say("upload_many", language, size=MEGABYTES, rows=ROWS)),
            gr.update(label=say("column", language), info=say("column_hint", language)),
            gr.update(label=say("student", language), info=say("student_hint", language)),
            gr.update(value=say("score_many", language)),
            gr.update(label=say("download", language)),
            gr.update(value=say("reports", language)),
            gr.update(label=say("reports_download", language)),
            gr.update(label=say("own_score", language)),
            gr.update(label=say("comment", language), info=say("comment_hint", language)),
            gr.update(value=say("report", language)),
            gr.update(label=say("report_download", language)),
        ]

    def look(self, path: str | None, language: Language, request: gr.Request) -> tuple[Any, ...]:
        """Show the columns of a file, with the likely ones chosen."""
        if path is None:
            return "", gr.update(choices=[], value=None), gr.update(choices=[], value=None)
        self.files.keep(request, path)
        found = batch.look(path, language)
        # a column may have any name, also the one that means none
        nobody = [(say("nobody", language), ""), *((name, name) for name in found.names if name)]
        essay = gr.update(choices=found.names, value=found.essay)
        return "", essay, gr.update(choices=nobody, value=found.student or "")

    def score(
        self,
        path: str | None,
        essay: str | None,
        student: str | None,
        language: Language,
        turn: int,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[Any, ...]:
        """Score a file: return what is shown, the downloads, and the state."""
        is_latest = self.latest_class.begin(request)

        def told(*done: Any, **of: Any) -> None:
            if not is_latest():
                raise OvertakenError
            progress(*done, **of)

        downloads, scored = None, None
        try:
            rows, scored = self._score(path, essay, student, language, request, told)
            downloads = self._downloads(rows, scored, language, request)
            shown = batch_views.many(scored, self.service.points, language)
        except RefusedError as refused:
            shown = views.refusal(refused)
        except OvertakenError:
            pass  # and the file need not be scored to its end
        if not is_latest():
            return (gr.skip(),) * (3 + len(NOBODY))
        return views.of_turn(turn, shown), downloads, scored, *NOBODY

    def _downloads(
        self, rows: list[batch.Row], scored: BatchSummary, language: Language, request: gr.Request
    ) -> list[str]:
        folder = self.files.new(request, "notas.csv").parent
        return list(map(str, batch.downloads(rows, scored, self.service.points, language, folder)))

    def score_file(
        self,
        path: str | None,
        column: str,
        language: Language,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[str, str]:
        """Score a file for a client of the API."""
        rows, scored = self._score(path, column, None, language, request, progress)
        target = self.files.new(request, "notas.csv")
        batch.write_csv(rows, scored.columns.names, target)
        return batch_views.many(scored, self.service.points, language), str(target)

    def _score(
        self,
        path: str | None,
        essay: str | None,
        student: str | None,
        language: Language,
        request: gr.Request,
        progress: Callable[..., Any],
    ) -> tuple[list[batch.Row], BatchSummary]:
        if path is None:
            raise RefusedError(say("no_file", language))
        self.files.keep(request, path)
        unit = say("essays", language)
        return batch.score(
            self.service, path, essay or "", student or None, language, lambda done: progress(done, unit=unit)
        )

    def open(
        self,
        scored: BatchSummary | None,
        opened: int | None,
        own: str,
        comment: str,
        notes: Notes,
        language: Language,
        event: gr.EventData,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Show the essay of the student who was clicked, and the teacher's notes on it, until another one is."""
        is_latest = self.latest_student.begin(request)
        notes = _noted(notes, opened, own, comment)
        number = int(event.row)
        others = (number, *notes.get(number, ("", "")), notes, None)
        for shown in self.view(scored, number, language):
            if not is_latest():
                yield (gr.skip(),) * (1 + len(others))
                return
            yield shown, *others
            others = (gr.skip(),) * len(others)  # the teacher may be writing by now

    def view(self, scored: BatchSummary | None, number: int, language: Language) -> Iterator[str]:
        """Yield the essay of a row as it is scored and explained, or the reason why it cannot be shown."""
        try:
            name, text = _essay(scored, number, language)
            for found in self.service.answers(text, language):
                yield views.answer(found, self.service.points, language, called(name, number, language))
        except RefusedError as refused:
            yield views.refusal(refused)

    def _report(self, number: int, name: str, text: str, notes: Notes, language: Language) -> StudentReport:
        found = self.service.score(text, language)
        return StudentReport(number, called(name, number, language), found, *notes.get(number, ("", "")))

    def print_one(
        self,
        scored: BatchSummary | None,
        opened: int | None,
        own: str,
        comment: str,
        notes: Notes,
        language: Language,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Write the report of the essay shown."""
        notes = _noted(notes, opened, own, comment)
        report = self._report(opened or 0, *_essay(scored, opened, language), notes, language)
        target = self.files.new(request, reports.file_name(report))
        target.write_text(reports.page([report], self.service, language), encoding="utf-8")
        return gr.skip(), str(target), notes

    def print_all(
        self,
        scored: BatchSummary | None,
        opened: int | None,
        own: str,
        comment: str,
        notes: Notes,
        language: Language,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[Any, ...]:
        """Write the reports of the whole class."""
        if scored is None:
            raise RefusedError(say("no_class", language))
        if scored.scored > REPORTS:
            raise RefusedError(say("too_many_reports", language, most=REPORTS))
        notes = _noted(notes, opened, own, comment)
        made = []
        for number, name, text in batch.essays(scored, language):
            made.append(self._report(number, name, text, notes, language))
            progress((len(made), scored.scored), unit=say("essays", language))
        target = self.files.new(request, f"{say('file_reports', language)}.zip")
        reports.write_zip(made, self.service, language, target)
        return gr.skip(), str(target), notes

    def again(
        self,
        language: Language,
        scored: BatchSummary | None,
        summary: str | None,
        opened: int | None,
        shown: str | None,
        turn: int,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Show results in another language, and write the downloads anew; reports are gone until they are asked for.

        Empty outputs are left alone: a result may have arrived since the language was chosen.
        """
        if not scored or not summary:
            yield (gr.skip(),) * 5
            return
        summary = views.of_turn(turn, batch_views.many(scored, self.service.points, language))
        yield summary, None, None, gr.skip(), None
        with suppress(RefusedError):  # the file is gone, and so are the downloads
            yield gr.skip(), self._downloads(batch.rows(scored, language), scored, language, request), *[gr.skip()] * 3
        if opened and shown:
            for view in self.view(scored, opened, language):
                yield *[gr.skip()] * 3, view, gr.skip()

    def listen(self, language: gr.Radio, switched: Any) -> None:
        """Attach the event handlers, inside the `gr.Blocks`; `switched` is the event after which the words changed."""
        # each has a unique API name: a private listener takes one too, by default its function's
        private = {"api_visibility": "private"}
        scoring = {**private, "concurrency_id": "score"}
        choices = [self.essay, self.student]
        of_student = [self.shown, self.own, self.comment, self.report_file]
        gr.on(
            [self.table.upload, self.table.clear],
            in_place(self.look, gr.skip(), gr.skip()),
            [self.table, language],
            [self.summary, *choices],
            api_name="columns",
            show_progress="hidden",
            **private,
        )
        self._score_on_click(language, of_student, scoring)
        noted = [self.scored, self.opened, self.own, self.comment, self.notes, language]
        shown = [self.shown, self.opened, self.own, self.comment, self.notes, self.report_file]
        self.summary.select(None, None, self.shown, js="() => ''")
        opened = self.summary.select(
            in_steps(self.open), noted, shown, api_name="open_student", trigger_mode="multiple", **scoring
        )
        self.shown.change(None, None, None, js=FOCUS)
        printed = [
            button.click(
                in_place(handler, None, gr.skip()), noted, [self.shown, file, self.notes], api_name=name, **scoring
            )
            for button, handler, file, name in (
                (self.report, self.print_one, self.report_file, "print_student"),
                (self.reports, self.print_all, self.reports_file, "print_class"),
            )
        ]
        again = switched.then(
            in_steps(self.again),
            [language, self.scored, self.summary, self.opened, self.shown, self.turn],
            [self.summary, self.download, self.reports_file, self.shown, self.report_file],
            js="(...inputs) => [...inputs.slice(0, -1), window.turns.summary]",
            api_name="class_again",
            **scoring,
        )
        gone = [self.summary, self.download, self.reports_file, *of_student]
        # clear results of an earlier input, and cancel what was asked of them
        gr.on(
            [self.table.change, self.essay.input, self.student.input],
            None,
            [self.table, *choices, *gone],
            gone,
            js=CHANGED,
            cancels=[opened, *printed, again],
        )
        self._for_programs(language)

    def _score_on_click(self, language: gr.Radio, of_student: list[Any], scoring: dict[str, Any]) -> None:
        self.button.click(
            self.score,
            [self.table, self.essay, self.student, language, self.turn],
            [self.summary, self.download, self.scored, self.opened, self.notes, *of_student, self.reports_file],
            js=ASKED,
            api_name="score_class",
            trigger_mode="multiple",  # else a click is ignored until the one before is answered
            **scoring,
        )
        self.summary.change(None, self.summary, self.summary, js=arrived("summary"))

    def _for_programs(self, language: gr.Radio) -> None:
        """Add the endpoints of the API, whose names and values stay the same when the page changes."""
        with gr.Column(visible=False):
            column, download = gr.Textbox("essay"), gr.File()
            gr.Button().click(
                as_api_error(self.score_file),
                [self.table, column, language],
                [self.summary, download],
                api_name="score_file",
                api_description="Score a file of essays: HTML that tells of them, and a CSV with all of them.",
                concurrency_id="score",
            )


def _essay(scored: BatchSummary | None, number: int | None, language: Language) -> tuple[str, str]:
    if scored is None or number is None:
        raise RefusedError(say("no_class", language))
    return batch.essay(scored, number, language)


def _noted(notes: Notes, opened: int | None, own: str, comment: str) -> Notes:
    """Return the teacher's notes, updated with the current fields."""
    if opened is None:
        return notes
    return {**notes, opened: (own[:OWN].strip(), comment[:COMMENT].strip())}
