"""Shared by the tabs of the page: the files of a browser's tab, and how a refusal is shown."""

import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync

from redacoes.web import views
from redacoes.web.service import RefusedError

# The browser counts what the inputs of a result have held. A result says of which of these turns it is, and is neither
# shown nor kept if that is not the last. Gradio's own cancelling would not do: it cancels no event that the server has
# yet to confirm, and a click before the server has confirmed that the one before is cancelled gets no answer. A click
# counts as well as a change, since it may be told of before the change is.
TURNS = """
window.turns = {result: 0, summary: 0};
const held = {};
function isNew(element, ...inputs) {
  const now = JSON.stringify(inputs);
  if (now === held[element]) return false;
  held[element] = now;
  window.turns[element] += 1;
  document.querySelector("#stale").textContent = Object.entries(window.turns).map(
    ([element, turn]) => `#${element} [data-turn]:not([data-turn="${turn}"]) { display: none }`).join("\\n");
  return true;
}
function turnOf(element, ...inputs) {
  isNew(element, ...inputs);
  return window.turns[element];
}"""
KEPT = 900  # seconds that a file stays in the private folder after its last use


class Files:
    """The files of each browser's tab in a folder, and their removal."""

    def __init__(self, folder: Path) -> None:
        """Watch `folder`, and remove files older than `KEPT` seconds."""
        self.folder = folder
        self._of: defaultdict[str | None, set[Path]] = defaultdict(set)
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()

    def keep(self, request: gr.Request, path: str | Path) -> None:
        """Record that a file belongs to the tab that makes the request."""
        self._of[request.session_hash].add(Path(path))

    def new(self, request: gr.Request, name: str) -> Path:
        """Return a new path for a file of the tab that makes the request."""
        path = Path(tempfile.mkdtemp(dir=self.folder), name)
        self.keep(request, path)
        return path

    def forget(self, request: gr.Request) -> None:
        """Remove the files of a closed tab, except those that another tab has uploaded too."""
        mine = self._of.pop(request.session_hash, set())
        for path in mine.difference(*list(self._of.values())):
            shutil.rmtree(path.parent, ignore_errors=True)

    def _sweep(self) -> None:
        while True:
            time.sleep(KEPT / 10)
            for folder, _, names in os.walk(self.folder):  # which, unlike rglob, goes on where a folder has gone
                for name in names:
                    with suppress(FileNotFoundError):
                        path = Path(folder, name)
                        if path.stat().st_mtime < time.time() - KEPT:
                            path.unlink()


def arrived(element: str) -> str:
    """Return the script that drops a result of an earlier turn from an element of the page."""
    return f"""shown => {{
      const of = /data-turn="(\\d+)"/.exec(shown ?? '');
      if (of && Number(of[1]) !== window.turns.{element}) return '';
    }}"""


class OvertakenError(Exception):
    """Nobody waits for this result any more."""


def as_api_error(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a refusal into an error for the client of the API, without a log entry."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            raise gr.Error(str(refused), print_exception=False) from None

    return run


def in_place(handler: Callable[..., Any], *others: Any) -> Callable[..., Any]:
    """Show a refusal in place of the result, the first output; the other outputs become `others`."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            shown = views.refusal(refused)
            return (shown, *others) if others else shown

    return run


class Latest:
    """The latest request of each tab of a browser, so that an earlier one can end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: dict[str | None, int] = {}

    def begin(self, request: gr.Request) -> Callable[[], bool]:
        """Count a request, and return what tells whether it is still the latest of its tab."""
        tab = request.session_hash
        count = self._counts[tab] = self._counts.get(tab, 0) + 1
        return lambda: self._counts.get(tab) == count

    def forget(self, request: gr.Request) -> None:
        """Forget a closed tab."""
        self._counts.pop(request.session_hash, None)


def in_steps(handler: Callable[..., Iterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    """Show what a handler yields, each in place of what came before.

    The steps run in threads, one after the other. Gradio would do that by itself, but where such an event is cancelled
    it waits for the step that runs, and ignores a new click until then.
    """

    @wraps(handler)
    async def run(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        steps = handler(*arguments, **options)
        while (shown := await run_sync(next, steps, None, abandon_on_cancel=True)) is not None:
            yield shown

    return run
