"""A page on which essays are scored: for one essay, for a class, and what is known of the model."""

import argparse
import os
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from redacoes.cli.options import add_backend, add_model
from redacoes.errors import UserError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    add_model(parser)
    add_backend(parser)
    parser.add_argument("--host", default="127.0.0.1", help="where it can be reached; 0.0.0.0: anywhere (%(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="%(default)s")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    if find_spec("gradio") is None:
        raise UserError("the page needs the extra app: .venv/bin/uv sync --frozen --inexact --extra app")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the folder is removed
    with tempfile.TemporaryDirectory(prefix="redacoes-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # for uploads and downloads; Gradio reads both variables on import
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from redacoes.web.server import listen, serve

        taken = listen(options.host, options.port)

        from redacoes.web.service import Service

        host = f"[{options.host}]" if ":" in options.host else options.host  # IPv6
        print(f"http://{host}:{taken.getsockname()[1]}", flush=True)
        reveals = options.host in LOOPBACK
        serve(Service(options.model, options.backend, reveals), taken, Path(folder))
    return 0
