"""Stages without the import time of TensorFlow: a server that has imported it forks for each stage.

`dvc_server` makes DVC find `bin/python` here. It sends `python -m stages.NAME` to this server. All else goes to the real
interpreter, and so does a stage whose environment differs in a variable that libraries read on import. Each stage has
its own process, with the clone's code, folder, environment and output. `tests/system/test_pipeline.py` checks that the
outputs equal those of a real `dvc repro` byte for byte. A test about a process starts `dvc` itself.
"""

import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import sys
from typing import Any

HEAVY = (
    *("datasets", "dvclive.keras", "pandas", "pyarrow.parquet", "safetensors.numpy", "scipy.optimize"),
    *("scipy.sparse.csgraph", "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.model_selection"),
    *("tensorflow", "tf_keras", "tokenizers", "transformers", "transformers.models.bert.modeling_tf_bert"),
    "transformers.models.distilbert.modeling_tf_distilbert",
)
HUB = {"stages.checkpoint", "stages.zero_shot"}  # only these read HF_...
READ = ("CUDA", "DATASETS", "HOME", "KERAS", "LANG", "LC", "OMP", "PYTHON", "TF", "TMPDIR", "XDG")
SET = {"KERAS_HOME", "TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS"}  # the package overrides these


def relevant(environment: dict[str, str], module: str) -> dict[str, str]:
    """Return the variables that libraries may read before a stage's own code runs."""
    read = (*READ, "HF") if module in HUB else READ
    return {name: value for name, value in environment.items() if name.split("_")[0] in read and name not in SET}


def serve(listener: socket.socket) -> None:
    """Answer for ever. The first request imports the slow libraries."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no wait for children: each answers by itself
    own, warm = dict(os.environ), False  # before the package sets its variables
    while True:
        connection, _ = listener.accept()
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        asked = json.loads(message)
        if relevant(asked["environment"], asked["module"]) != relevant(own, asked["module"]):
            connection.sendall(b"no")
        else:
            if not warm:
                _import()
                warm = True
            if not os.fork():
                listener.close()
                _watch(connection, descriptors, **asked)
                return
        for descriptor in (*descriptors, connection.detach()):
            os.close(descriptor)


def _import() -> None:
    importlib.import_module("redacoes")  # sets variables that must be set before the other imports
    for name in HEAVY:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.split(".")[0] in ("redacoes", "stages"):
            del sys.modules[name]  # the stage imports the clone's
    gc.collect()
    gc.freeze()  # else each stage copies the memory of all these modules as it searches them for garbage


def _watch(connection: socket.socket, descriptors: list[int], module: str, folder: str, environment: Any) -> None:
    """Fork the process of the stage, which returns at its end; the parent answers with its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if stage := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])
        connection.sendall(str(status).encode())
        os._exit(0)
    connection.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    importlib.invalidate_caches()
    random.seed()  # else all stages would draw the server's random numbers
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
