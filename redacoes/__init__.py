"""Grading Brazilian-Portuguese essays: the library that the stages share.

What is set here must be set before TensorFlow or a Hugging Face library is imported, so it stands in the package's
own first lines and nowhere else.
"""

import os
from importlib import import_module
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # transformers and DVCLive must see one and the same Keras
os.environ["KERAS_HOME"] = os.devnull  # Keras reads float type and epsilon from a file at home, and writes one
OFFLINE = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}  # what the user wants
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is downloaded but through redacoes.learning.hub
os.environ["HF_HUB_DISABLE_XET"] = "1"  # a protocol beside HTTP whose downloads cannot be resumed
os.environ["HF_HUB_VERBOSITY"] = "error"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["USE_TORCH"] = "0"  # a torch that happens to be installed must change nothing
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # what it notices is not told, and what it warns of is


def __getattr__(name: str) -> Any:
    """Import what `redacoes.Scorer` names once it is asked for, since it takes seconds."""
    if name == "Scorer":
        return import_module("redacoes.inference.scorer").Scorer
    raise AttributeError(f"module 'redacoes' has no attribute {name!r}")
