"""The page in a browser: three Gradio tabs around `service`, and the server that runs them. Its words are in `texts`.

The page loads nothing from the network. Uploads and downloads lie in one private folder. They are removed when the
browser's tab is closed, a quarter of an hour after their last use, and at the latest when the page ends.
"""

import logging
import signal
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from redacoes.errors import UserError
from redacoes.explain.page import COLOURS, PARTS
from redacoes.languages import Language
from redacoes.web import batch_tab, batch_views, model_view, printing, views
from redacoes.web.batch_tab import ClassTab
from redacoes.web.parts import TURNS, Files, Latest, arrived, as_api_error, in_place, in_steps
from redacoes.web.service import CHARACTERS, MEGABYTES, RefusedError, Service, read_text
from redacoes.web.texts import say

TABS = 500  # sessions that Gradio remembers; the next one replaces the oldest
WAITING = 100  # queue limit; further requests are refused
AT_ONCE = 2  # requests computed at the same time
GRACE = 5  # seconds for running requests when the page ends

HEAD = f"""<style>
{COLOURS}
.redacoes {{ {PARTS} td, th {{ padding: .25rem .5rem }} td:last-child:not(.number) {{ width: 100% }}
  .wide {{ overflow-x: auto }} .wide :is(td, th) {{ overflow-wrap: break-word }}
  .loading {{ font-style: italic }} .failed {{ font-weight: bold }}
  .warning {{ border-left: 4px solid rgb(var(--down)); padding: .25rem .75rem }}
  .warning ul {{ list-style: disc outside; padding-left: 1.25rem; margin: 0 }} }}
footer .divider {{ display: none }}
{batch_views.STYLE}
{batch_tab.STYLE}
{model_view.STYLE}
[aria-hidden="true"].tab-container {{ visibility: hidden }}  /* Gradio measures tabs in it, which must get no focus */
:focus-visible {{ outline: 3px solid rgb(var(--up)) !important; outline-offset: 2px }}
</style>
<style id="stale"></style>
<script>
document.documentElement.lang = navigator.language.startsWith("pt") ? "pt-BR" : "en";
{TURNS}
new MutationObserver(() => {{  // what Gradio calls a listbox opens one, and is a combobox (WAI-ARIA 1.2)
  for (const input of document.querySelectorAll("input[role=listbox]")) input.setAttribute("role", "combobox")
}}).observe(document, {{childList: true, subtree: true}})
</script>"""
# Gradio's own greys and its orange have too little contrast (WCAG 2.1, 1.4.3)
THEME = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
    body_text_color_subdued="*neutral_600",
    link_text_color_dark="*secondary_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_800",
)
CHANGED = "text => isNew('result', text) ? '' : undefined"
ASKED = "(...inputs) => [...inputs.slice(0, -1), turnOf('result', inputs.at(-3))]"  # of a text, a language and the turn
SPEAK = "language => { document.documentElement.lang = language === 'pt' ? 'pt-BR' : 'en'; return language }"


class _Handlers:
    """Event handlers of the tab of one essay, and of what all tabs share."""

    def __init__(self, service: Service, files: Files, of_class: ClassTab) -> None:
        self.service, self.files, self.of_class = service, files, of_class
        self.latest = Latest()

    def labels(self, language: Language) -> list[Any]:
        """Return the texts of the components, in the order of `words` in :func:`blocks`."""
        return [
            views.heading(self.service, language),
            views.status(self.service, language),
            gr.update(label=say("language", language)),
            gr.update(label=say("tab_one", language)),
            gr.update(label=say("tab_many", language)),
            gr.update(label=say("tab_model", language)),
            gr.update(label=say("essay", language), placeholder=say("essay_hint", language, most=CHARACTERS)),
            gr.update(label=say("upload_one", language)),
            gr.update(value=say("score", language)),
            model_view.model(self.service, language),
            *self.of_class.labels(language),
        ]

    def opened(self, request: gr.Request) -> list[Any]:
        accepted = request.headers.get("accept-language", "pt")
        language: Language = "pt" if accepted.lower().startswith("pt") else "en"
        return [language, *self.labels(language)]

    def look(self, language: Language) -> list[Any]:
        """Show the state of the model; stop polling once it is known."""
        ready = self.service.state != "loading"
        told = [views.heading(self.service, language), views.status(self.service, language)]
        return [*told, model_view.model(self.service, language), gr.Timer(active=not ready)]

    def read(self, path: str | None, language: Language, request: gr.Request) -> tuple[str, str]:
        if path is None:
            return "", ""
        self.files.keep(request, path)
        return "", read_text(path, language)

    def score_one(self, text: str, language: Language, turn: int, request: gr.Request) -> Iterator[str]:
        """Show the score as soon as it is known, and then what explains it, until another one is asked for."""
        is_latest = self.latest.begin(request)
        try:
            for found in self.service.answers(text, language):
                if not is_latest():
                    return
                yield views.of_turn(turn, views.answer(found, self.service.points, language))
        except RefusedError as refused:
            yield views.of_turn(turn, views.refusal(refused))

    def again(self, shown: str | None, text: str, language: Language, turn: int, request: gr.Request) -> Iterator[Any]:
        """Show the result in another language. An empty one is left alone: one may have arrived meanwhile."""
        if shown and text.strip():
            yield from self.score_one(text, language, turn, request)
        else:
            yield gr.skip()

    @as_api_error
    def score(self, text: str, language: str = "pt") -> dict[str, Any]:
        """Score one essay: predicted, expected, confidence, p_0 to p_10, low, high, tokens, truncated and warnings."""
        found = self.service.score(text, "en" if language == "en" else "pt")
        return {**found.score, "warnings": found.warnings}


def blocks(service: Service, files: Files) -> gr.Blocks:
    """Return the page.

    Args:
        service: The model behind it.
        files: The uploads and downloads.
    """

    def closed(request: gr.Request) -> None:
        files.forget(request)
        for latest in (handlers.latest, of_class.latest_student, of_class.latest_class):
            latest.forget(request)
        # Gradio keeps the last input and output of each tab, even after it is closed
        page.state_holder.session_data.pop(request.session_hash, None)

    with gr.Blocks(title="Redações", analytics_enabled=False) as page:
        head = gr.HTML(views.heading(service, "pt"))
        state = gr.HTML(views.status(service, "pt"))
        language = gr.Radio([("Português", "pt"), ("English", "en")], value="pt", elem_id="language")
        with gr.Tab("Corrigir") as tab_one:
            essay = gr.Textbox(lines=12, max_lines=24, elem_id="essay")
            upload = gr.File(file_types=[".docx", ".odt", ".txt"], height=140, elem_id="upload")
            button = gr.Button(variant="primary", elem_id="score")
            result = gr.HTML(elem_id="result")
            turn = gr.Number(0, visible=False, precision=0)
        with gr.Tab("Turma") as tab_many:
            of_class = ClassTab(service, files)
        with gr.Tab("Modelo") as tab_model:
            about = gr.HTML(elem_id="about")

        handlers = _Handlers(service, files, of_class)
        words = [head, state, language, tab_one, tab_many, tab_model, essay, upload, button, about, *of_class.words]
        private = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        page.load(handlers.opened, None, [language, *words], **private)
        switched = language.input(handlers.labels, language, words, js=SPEAK, **private)
        scoring = {"api_visibility": "private", "concurrency_id": "score"}
        asked = [essay, language, turn]
        switched.then(in_steps(handlers.again), [result, *asked], result, js=ASKED, **scoring)
        timer = gr.Timer(1)
        timer.tick(handlers.look, language, [head, state, about, timer], **private)
        upload.upload(in_place(handlers.read, gr.skip()), [upload, language], [result, essay], **private)
        # multiple: else a click is ignored until the one before has its whole answer
        button.click(in_steps(handlers.score_one), asked, result, js=ASKED, trigger_mode="multiple", **scoring)
        essay.change(None, essay, result, js=CHANGED)
        result.change(None, result, result, js=arrived("result"))
        of_class.listen(language, switched)
        gr.api(handlers.score, api_name="score", concurrency_id="score", concurrency_limit=AT_ONCE)
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
        head=HEAD + printing.HEAD,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket for the page. Raises UserError if the port is taken or may not be used."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{host}:{port} cannot be used: {why}; choose another with --host or --port") from error


class _Server(uvicorn.Server):
    """A server that ends by SIGTERM or Ctrl-C, after its requests have ended."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replace uvicorn's handling, which raises the signal again while requests are still ending."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown; failures from now on are due to tabs that are still open."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended it."""
        return signal.SIGINT in self._captured_signals


def serve(service: Service, taken: socket.socket, folder: Path) -> None:
    """Serve until SIGTERM; Ctrl-C raises KeyboardInterrupt after the shutdown."""
    # Gradio uses a constant that Starlette has renamed: each request would print a warning
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
