# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "litserve==0.2.19", "numpy>=2.0", "onnxruntime>=1.23", "pandas>=3.0", "psutil>=7.0", "pyarrow>=21",
#     "pydantic>=2.11", "ruamel-yaml>=0.18", "safetensors>=0.5", "tokenizers>=0.21", "transformers==4.54.1",
# ]
# ///
"""Serve an ONNX export with LitServe: uv run --script examples/serve_essays.py EXPORT.

Text goes in, and what `redacoes.Scorer` says of it comes out: the export's own tokenizer, truncation and decision rule.
uv runs it in an environment of its own, with neither TensorFlow nor torch; this project's code is taken from the
checkout that the script stands in.

    POST /predict {"essays": ["Uma redação."]}   -> {"scores": [{"predicted": 7, "expected": 6.812, ...}]}
    GET /health                                  -> 200 once the model is loaded, else 503

Each request is scored by itself, on one processor: LitServe can join requests into one batch, but then one that is
refused takes all others of its batch along. It has no user names and no encryption: put it behind what has.
"""

import argparse
import os
import signal
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import litserve
from fastapi import HTTPException

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from redacoes.errors import told
from redacoes.scorer import Scorer

ESSAYS = 64  # of a request
LONGEST = 100_000  # characters of an essay
BODY = 2_000_000  # bytes of a request


class Essays(litserve.LitAPI):
    """Essays in, their rows of scores out."""

    def __init__(self, export: Path) -> None:
        """Take the export's folder; each worker loads it by itself."""
        super().__init__()
        self.export = export

    def setup(self, device: str) -> None:
        """Load the model."""
        self.scorer = Scorer.load(self.export, "onnx", threads=1)

    def decode_request(self, request):  # LitServe takes an annotated one for a parameter of the query
        """Return the essays of a request."""
        essays = request.get("essays") if isinstance(request, dict) else None
        if not isinstance(essays, list) or not 0 < len(essays) <= ESSAYS:
            raise refused(f'send JSON such as {{"essays": ["Uma redação."]}}, with 1 to {ESSAYS} essays')
        for place, essay in enumerate(essays):
            if isinstance(essay, str) and len(essay) > LONGEST:
                raise refused(f"text {place} has {len(essay)} characters, and may have {LONGEST}")
        return essays

    def predict(self, essays: list[Any]) -> dict[str, Any]:
        """Return the scores of essays, as `Scorer.score` names them."""
        try:
            return {"scores": self.scorer.score(essays).to_dict("records")}
        except ValueError as error:
            raise refused(str(error)) from error


def refused(reason: str) -> HTTPException:
    """Return what tells a client that its request cannot be answered."""
    return HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, reason)


def end_on_sigterm() -> None:
    """Have SIGTERM do what Ctrl-C does: by itself it ends LitServe's first process alone, and the others stay."""
    first = os.getpid()

    def end(*_: Any) -> None:
        if os.getpid() != first:  # of a process that has the handler from the first
            os._exit(128 + signal.SIGTERM)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", metavar="EXPORT", type=Path, help="what redacoes export --format onnx wrote")
    parser.add_argument("--host", default="127.0.0.1", help="where it can be reached (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="(%(default)s)")
    parser.add_argument("--workers", metavar="N", type=int, default=2, help="processes that score (%(default)s)")
    options = parser.parse_args()
    with told():
        Scorer.load(options.export, "onnx")  # what is wrong with it is told here, in one sentence
    end_on_sigterm()
    server = litserve.LitServer(
        Essays(options.export),
        accelerator="cpu",
        workers_per_device=options.workers,
        max_payload_size=BODY,
        disable_openapi_url=True,
    )
    server.run(options.host, options.port, num_api_servers=1, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
