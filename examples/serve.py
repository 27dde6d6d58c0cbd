# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#     "litserve==0.2.19",
#     "numpy>=2.0",
#     "onnxruntime>=1.23",
#     "pandas>=3.0",
#     "psutil>=7.0",
#     "pyarrow>=21",
#     "pydantic>=2.11",
#     "requests>=2.32",
#     "ruamel-yaml>=0.18",
#     "safetensors>=0.5",
#     "scikit-learn>=1.7",
#     "tqdm>=4.67",
#     "transformers==4.54.1",
# ]
# ///
"""Serve an exported model over HTTP with LitServe: uv run examples/serve.py EXPORT [--host H] [--port N].

EXPORT is what `redacoes export --format onnx` wrote. uv makes an environment for this script, without TensorFlow. The
project is imported from the checkout that holds this file, so that essays are cleaned, cut and decided as everywhere
else. Each request is scored separately: LitServe can join requests into a batch, but then one refused request fails
its whole batch.

    POST /predict {"text": "…"} -> {"predicted": 7, "expected": 6.9, …}, the columns of `redacoes score`
    GET  /health                -> 200 once the model has loaded, 503 before
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project, which is not installed in this environment

import litserve
from fastapi import HTTPException
from pydantic import BaseModel, Field

from redacoes.errors import UserError, exit_on_user_error
from redacoes.essays.cleaning import clean
from redacoes.inference.scorer import Scorer

WORKERS = 2  # processes that score, one request at a time each
LONGEST = 100_000  # maximum characters of an essay


class Request(BaseModel):
    """The body of a request; FastAPI answers 422 to anything else."""

    text: Annotated[str, Field(max_length=LONGEST)]


class Essays(litserve.LitAPI):
    """Converts requests to essays, and rows of scores to responses."""

    def __init__(self, model: str) -> None:
        """Keep the folder of the model, which each worker loads."""
        super().__init__()
        self.model = model

    def setup(self, device: str) -> None:
        """Load the model."""
        self.scorer = Scorer.load(self.model, "onnx", threads=1)

    def decode_request(self, request: Request) -> str:
        """Return the essay of a request."""
        if not clean(request.text):
            raise HTTPException(422, "the essay holds nothing that can be read")
        return request.text

    def predict(self, x: str) -> dict[str, Any]:
        """Return the scores of an essay."""
        return self.scorer.score([x]).to_dict("records")[0]


def main() -> None:
    """Parse the command line, and serve until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="EXPORT", help="a folder that redacoes export --format onnx wrote")
    parser.add_argument("--host", choices=("127.0.0.1", "0.0.0.0", "::"), default="127.0.0.1", help="(%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="(%(default)s)")
    options = parser.parse_args()
    main_process = os.getpid()

    def end(*_: object) -> None:
        # LitServe ends its workers only on Ctrl-C; on SIGTERM they would stay and keep the port
        raise KeyboardInterrupt if os.getpid() == main_process else SystemExit

    signal.signal(signal.SIGTERM, end)
    with exit_on_user_error():
        if not Path(options.model, "model.onnx").is_file():
            raise UserError(
                f"{options.model} holds no model.onnx; redacoes export --format onnx --out FOLDER writes it"
            )
        server = litserve.LitServer(
            Essays(str(Path(options.model).absolute())), accelerator="cpu", workers_per_device=WORKERS, timeout=60
        )
        server.run(host=options.host, port=options.port, generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    main()
