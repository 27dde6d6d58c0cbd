"""The page in a browser, by Gradio: three tabs around `app_service`, and what runs them. Its words are in `app_texts`.

Everything that it needs comes from this machine. Files that are uploaded or made lie in one private folder: they go
when the browser's tab is closed, or after a quarter of an hour, and with the page at the latest.
"""

import logging
import shutil
import signal
import socket
import tempfile
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from redacoes import app_views
from redacoes.app_service import CHARACTERS, MEGABYTES, ROWS, Class, RefusedError, Service, read_text, spreadsheet
from redacoes.app_texts import Language, say
from redacoes.errors import UserError
from redacoes.essay_files import SUFFIXES
from redacoes.explanation_page import COLOURS, PARTS

KEPT = 900  # seconds for which a file may lie in the private folder
TABS = 500  # of which Gradio remembers what they last sent; one more, and the oldest is forgotten
WAITING = 100  # requests; one more is told to come again
AT_ONCE = 2  # requests that are computed at the same time
GRACE = 5  # seconds for what is running when the page is ended

HEAD = f"""<style>
{COLOURS}
.redacoes {{ {PARTS} td, th {{ padding: .25rem .5rem }} td:last-child:not(.number) {{ width: 100% }}
  .wide {{ overflow-x: auto }} .loading {{ font-style: italic }} .failed {{ font-weight: bold }}
  .warning {{ border-left: 4px solid rgb(var(--down)); padding: .25rem .75rem }} }}
[aria-hidden="true"].tab-container {{ visibility: hidden }}  /* Gradio measures tabs in it, which must get no focus */
:focus-visible {{ outline: 3px solid rgb(var(--up)) !important; outline-offset: 2px }}
</style>
<script>document.documentElement.lang = navigator.language.startsWith("pt") ? "pt-BR" : "en"</script>"""
# Gradio's own greys and its orange have too little contrast (WCAG 2.1, 1.4.3)
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
    body_text_color_subdued="*neutral_600",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
)
SPEAK = "language => { document.documentElement.lang = language === 'pt' ? 'pt-BR' : 'en'; return language }"


class Files:
    """Files of each browser's tab in a folder, and their end."""

    def __init__(self, folder: Path) -> None:
        """Watch `folder`, from which what is older than `KEPT` seconds is removed."""
        self.folder = folder
        self._of: defaultdict[str | None, set[Path]] = defaultdict(set)
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def keep(self, request: gr.Request, path: str | Path) -> None:
        """Remember that a file belongs to the tab that asks."""
        self._of[request.session_hash].add(Path(path))

    def forget(self, request: gr.Request) -> None:
        """Remove the files of a tab that is closed."""
        for path in self._of.pop(request.session_hash, set()):
            shutil.rmtree(path.parent, ignore_errors=True)

    def _sweep(self) -> None:
        while True:
            time.sleep(KEPT / 10)
            for path in self.folder.rglob("*"):
                try:
                    if path.is_file() and path.stat().st_mtime < time.time() - KEPT:
                        path.unlink()
                except FileNotFoundError:
                    continue


def _told(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Have a client of the API told, by an error, what it cannot have, and nothing of it in the log."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            raise gr.Error(str(refused), print_exception=False) from None

    return run


def _in_place(handler: Callable[..., Any], *others: Any) -> Callable[..., Any]:
    """Show what a user cannot have in the place of the result, the first output; `others` is what the rest become."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            shown = app_views.refusal(refused)
            return (shown, *others) if others else shown

    return run


def blocks(service: Service, files: Files) -> gr.Blocks:
    """Return the page.

    Args:
        service: The model behind it.
        files: Where uploads and downloads lie.
    """

    def labels(language: Language) -> list[Any]:
        size, rows, most = MEGABYTES, ROWS, CHARACTERS
        return [
            app_views.heading(service, language),
            app_views.status(service, language),
            gr.update(label=say("language", language)),
            gr.update(label=say("tab_one", language)),
            gr.update(label=say("tab_many", language)),
            gr.update(label=say("tab_model", language)),
            gr.update(label=say("essay", language), placeholder=say("essay_hint", language, most=most)),
            gr.update(label=say("upload_one", language)),
            gr.update(value=say("score", language)),
            gr.update(label=say("upload_many", language, size=size, rows=rows)),
            gr.update(label=say("column", language)),
            gr.update(value=say("score_many", language)),
            gr.update(label=say("download", language)),
            app_views.model(service, language),
        ]

    def opened(request: gr.Request) -> list[Any]:
        accepted = request.headers.get("accept-language", "pt")
        language: Language = "pt" if accepted.lower().startswith("pt") else "en"
        return [language, *labels(language)]

    def look(language: Language) -> list[Any]:
        ready = service.state != "loading"
        told = [app_views.heading(service, language), app_views.status(service, language)]
        return [*told, app_views.model(service, language), gr.Timer(active=not ready)]

    def read(path: str | None, language: Language, request: gr.Request) -> tuple[str, str]:
        if path is None:
            return "", ""
        files.keep(request, path)
        return "", read_text(path, language)

    @_in_place
    def score_one(text: str, language: Language) -> str:
        return app_views.answer(service.score(text, language), language)

    def again(
        text: str, shown: str | None, scored: Class | None, shown_of_class: str | None, language: Language
    ) -> tuple[Any, Any]:
        # what was not shown when the language was chosen is left alone: it may have come in the meantime
        one = score_one(text, language) if shown and text.strip() else gr.skip()
        return one, app_views.many(scored, language) if scored and shown_of_class else gr.skip()

    @_told
    def score(text: str, language: str = "pt") -> dict[str, Any]:
        """Score one essay: predicted, expected, confidence, p_0 to p_10, low, high, tokens, truncated and warnings."""
        found = service.score(text, "en" if language == "en" else "pt")
        return {**found.score, "warnings": found.warnings}

    def score_file(
        path: str | None,
        column: str,
        language: Language,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (a default of this type is how Gradio is asked for the bar of a call)
    ) -> tuple[str, str, Class]:
        if path is None:
            raise RefusedError(say("no_file", language))
        files.keep(request, path)
        unit = say("essays", language)
        table, scored = service.score_file(path, column, language, lambda done: progress(done, unit=unit))
        target = Path(tempfile.mkdtemp(dir=files.folder), "notas.csv")
        files.keep(request, target)
        spreadsheet(table, target)
        return app_views.many(scored, language), str(target), scored

    def closed(request: gr.Request) -> None:
        files.forget(request)
        # Gradio keeps what each tab last sent and was shown, whether it is closed or not
        page.state_holder.session_data.pop(request.session_hash, None)

    with gr.Blocks(title="Redações", analytics_enabled=False) as page:
        head = gr.HTML(app_views.heading(service, "pt"))
        state = gr.HTML(app_views.status(service, "pt"))
        language = gr.Radio([("Português", "pt"), ("English", "en")], value="pt", elem_id="language")
        with gr.Tab("Corrigir") as tab_one:
            essay = gr.Textbox(lines=12, max_lines=24, elem_id="essay")
            upload = gr.File(file_types=[".docx", ".odt", ".txt"], height=140, elem_id="upload")
            button = gr.Button(variant="primary", elem_id="score")
            result = gr.HTML(elem_id="result")
        with gr.Tab("Turma") as tab_many:
            table_file = gr.File(file_types=[*SUFFIXES], height=140, elem_id="table-file")
            column = gr.Textbox("essay")
            button_many = gr.Button(variant="primary", elem_id="score-many")
            scored = gr.State()
            download = gr.File(interactive=False, height=80, elem_id="download")
            summary = gr.HTML(elem_id="summary")
        with gr.Tab("Modelo") as tab_model:
            about = gr.HTML(elem_id="about")

        words = [head, state, language, tab_one, tab_many, tab_model, essay, upload, button]
        words += [table_file, column, button_many, download, about]
        private = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        page.load(opened, None, [language, *words], **private)
        switched = language.input(labels, language, words, js=SPEAK, **private)
        switched.then(
            again,
            [essay, result, scored, summary, language],
            [result, summary],
            api_visibility="private",
            concurrency_id="score",
        )
        timer = gr.Timer(1)
        timer.tick(look, language, [head, state, about, timer], **private)
        upload.upload(_in_place(read, gr.skip()), [upload, language], [result, essay], **private)
        scoring = {"api_visibility": "private", "concurrency_id": "score"}
        one = button.click(score_one, [essay, language], result, **scoring)
        of_class = [table_file, column, language], [summary, download, scored]
        # its own name, since a private listener takes one as well, by default its function's
        many = button_many.click(_in_place(score_file, None, None), *of_class, api_name="score_class", **scoring)
        # no result stays, nor comes, beneath what it is not of; in the browser, so that nothing of it comes late
        essay.change(None, None, result, js="() => ''", cancels=one)
        gr.on([table_file.change, column.change], None, None, [summary, download], js="() => ['', null]", cancels=many)
        gr.Button(visible=False).click(  # for clients of the API alone
            _told(score_file),
            *of_class,
            api_name="score_file",
            api_description="Score a file of essays: HTML that tells of them, and a CSV with all of them.",
            concurrency_id="score",
        )
        gr.api(score, api_name="score", concurrency_id="score", concurrency_limit=AT_ONCE)
        page.unload(closed)
    page.state_session_capacity = TABS
    page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)
    return page


def application(service: Service, files: Files) -> FastAPI:
    """Return the page with ``/health`` (200 when the model is ready, 503 before, 500 if it failed) and ``/version``."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/health")
    def health() -> JSONResponse:
        codes = {"ready": 200, "loading": 503, "failed": 500}
        reason = {"reason": service.failure} if service.failure else {}
        return JSONResponse({"state": service.state, **reason}, codes[service.state])

    @app.get("/version")
    def which() -> dict[str, Any]:
        digest = service.scorer("en").digest if service.state == "ready" else None
        commit = (service.run or {}).get("commit")
        return {
            "version": version("redacoes"),
            "model": service.model,
            "digest": digest,
            "commit": commit and commit["hash"],
        }

    return gr.mount_gradio_app(
        app,
        blocks(service, files),
        path="/",
        footer_links=["api"],
        max_file_size=f"{MEGABYTES}mb",
        ssr_mode=False,
        pwa=False,
        theme=THEME,
        head=HEAD,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which the page can answer. Raises UserError where the port is taken or may not be used."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{host}:{port} cannot be used: {why}; choose another with --host or --port") from error


class _Server(uvicorn.Server):
    """A server that ends by SIGTERM or Ctrl-C, and tells of it once all that it runs has ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not as uvicorn does, which raises the signal again while requests are still being ended."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; what fails from now on does so because a tab was open."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended it."""
        return signal.SIGINT in self._captured_signals


def serve(service: Service, taken: socket.socket, folder: Path) -> None:
    """Answer until SIGTERM; Ctrl-C raises KeyboardInterrupt in the end."""
    # Gradio uses a constant that Starlette has renamed, and each request would say so
    warnings.filterwarnings("ignore", message="'HTTP_422_UNPROCESSABLE_ENTITY'")
    config = uvicorn.Config(
        application(service, Files(folder)),
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config)
    server.run(sockets=[taken])
    if server.interrupted:
        raise KeyboardInterrupt
