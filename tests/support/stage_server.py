"""Stages without the seconds that TensorFlow takes to import: a server that has it imported forks for each.

`dvc_server` has DVC find `bin/python` here, which hands `python -m stages.NAME` to this server, and everything else to
the real interpreter: so it does where a variable differs that libraries read while they are imported. A stage is a
process of its own here too, with the clone's code, folder, environment and output. That what it makes is the same to the
byte as a real `dvc repro` in a real process makes is tested (`tests/system/test_pipeline.py`); a test about a process
starts `dvc` itself.
"""

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
HUB = {"stages.checkpoint", "stages.zero_shot"}  # which read HF_...; to the others it means nothing
READ = ("CUDA", "DATASETS", "HOME", "KERAS", "LANG", "LC", "OMP", "PYTHON", "TF", "TMPDIR", "XDG")
SET = {"KERAS_HOME", "TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS"}  # by the package, whatever they were


def relevant(environment: dict[str, str], module: str) -> dict[str, str]:
    """Return the variables that may have been read before a stage's own code begins."""
    read = (*READ, "HF") if module in HUB else READ
    return {name: value for name, value in environment.items() if name.split("_")[0] in read and name not in SET}


def serve(listener: socket.socket) -> None:
    """Answer for ever. What takes long is imported when the first stage is asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: it answers by itself
    own, warm = dict(os.environ), False  # before the package sets what is to be set
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
    importlib.import_module("redacoes")  # sets what must be set before the others are imported
    for name in HEAVY:
        importlib.import_module(name)
    for name in list(sys.modules):
        if name.split(".")[0] in ("redacoes", "stages"):
            del sys.modules[name]  # which are to be the clone's


def _watch(connection: socket.socket, descriptors: list[int], module: str, folder: str, environment: Any) -> None:
    """Fork once more, for the process of the stage, which returns when it is to end; answer with its exit status."""
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
    random.seed()  # else all stages would draw what the server would
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
