"""What the tabs of the page share: the files of a browser's tab, and how a user is told what they cannot have."""

import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from redacoes.web import views
from redacoes.web.service import RefusedError

KEPT = 900  # seconds for which a file may lie in the private folder after its last use


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

    def new(self, request: gr.Request, name: str) -> Path:
        """Return a path at which a file for the tab that asks can be written; nothing exists there yet."""
        path = Path(tempfile.mkdtemp(dir=self.folder), name)
        self.keep(request, path)
        return path

    def forget(self, request: gr.Request) -> None:
        """Remove the files of a tab that is closed, but for those that another one has uploaded as well."""
        mine = self._of.pop(request.session_hash, set())
        for path in mine.difference(*list(self._of.values())):
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


def as_api_error(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Have a client of the API told, by an error, what it cannot have, and nothing of it in the log."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            raise gr.Error(str(refused), print_exception=False) from None

    return run


def in_place(handler: Callable[..., Any], *others: Any) -> Callable[..., Any]:
    """Show what a user cannot have in the place of the result, the first output; `others` is what the rest become."""

    @wraps(handler)
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except RefusedError as refused:
            shown = views.refusal(refused)
            return (shown, *others) if others else shown

    return run
