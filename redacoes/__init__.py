"""Grade essays in Brazilian Portuguese: the library of the stages, the commands and the page.

These settings must come before TensorFlow or a Hugging Face library is imported, so they are the first lines of the
package.
"""

import atexit
import gc
import os
from importlib import import_module
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # transformers and DVCLive must use the same Keras
os.environ["KERAS_HOME"] = os.devnull  # else Keras reads float type and epsilon from a file in the home folder
OFFLINE = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}  # the user's own setting
os.environ["HF_HUB_OFFLINE"] = "1"  # only redacoes.learning.hub downloads
os.environ["HF_HUB_DISABLE_XET"] = "1"  # Xet downloads cannot be resumed
os.environ["HF_HUB_VERBOSITY"] = "error"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["USE_TORCH"] = "0"  # the result must not depend on whether torch is installed
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # hide notices, show warnings
atexit.register(gc.freeze)  # else Python searches all imported modules for garbage as it ends, for up to a second


def __getattr__(name: str) -> Any:
    """Import `redacoes.Scorer` on first use, since that takes seconds."""
    if name == "Scorer":
        return import_module("redacoes.inference.scorer").Scorer
    raise AttributeError(f"module 'redacoes' has no attribute {name!r}")
