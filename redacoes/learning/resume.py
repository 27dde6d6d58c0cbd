"""Going on where a killed training stopped, to the same bytes as a training that nobody disturbed.

DVC deletes a stage's outputs before it runs the stage, so what must survive lies outside them. After every epoch all
that training depends on is written: weights, the optimizer's moments and steps, the state of every dropout layer's
random generator, what early stopping remembers, and the learning curves. The order of essays needs nothing: it follows
from the seed and the number of the epoch.
"""

import json
import shutil
import sys
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from redacoes.learning.framework import tf, tf_keras

import numpy as np
from safetensors.numpy import load_file, save_file

STATE = "state.json"
PACKAGES = ("tensorflow", "tf-keras", "transformers", "tokenizers", "numpy", "scipy")


def key(settings: Any, contents: list[str], *folders: Path) -> str:
    """Return a hash of all that decides what training gives: settings, data, starting weights, code and packages.

    Args:
        settings: A JSON value.
        contents: Hashes of the data, such as the fingerprints of data sets.
        *folders: Folders whose files are read whole.
    """
    digest = blake2b(digest_size=16)
    versions = [f"{name} {version(name)}" for name in PACKAGES]
    digest.update(json.dumps([settings, contents, sys.version, versions]).encode())
    code = [module.__file__ for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "redacoes"]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    for file in [*map(Path, filter(None, code)), *files]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def place(root: Path, key: str) -> Path:
    """Return the folder for the progress of the training `key`, and discard that of every other one, saying so."""
    root.mkdir(parents=True, exist_ok=True)
    for other in root.iterdir():
        if other.name != key:
            print("discarding the progress of a stopped run with other parameters, data or code", file=sys.stderr)
            shutil.rmtree(other)
    return root / key


class Progress(tf_keras.callbacks.Callback):
    """Writes the progress of training after each epoch, and takes it up again. To be the last of the callbacks."""

    def __init__(self, folder: Path, stopping: tf_keras.callbacks.EarlyStopping, curves: Path) -> None:
        """Look for progress in `folder`.

        Args:
            folder: Where progress is kept: one folder, named by the number of epochs done, and for a moment two.
            stopping: The early stopping whose memory is part of the progress.
            curves: The folder of the learning curves; filled here if there is progress.
        """
        super().__init__()
        self.folder, self.stopping, self.curves = folder, stopping, curves
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "draft", ignore_errors=True)
        found = sorted(folder.iterdir())
        self.saved = found[-1] if found else None
        self.state: dict[str, Any] = json.loads((self.saved / STATE).read_text()) if self.saved else {}
        if self.saved:
            shutil.copytree(self.saved / "curves", curves)

    @property
    def epochs(self) -> int:
        """Epochs done by the run that was stopped; 0 where there was none."""
        return self.state.get("epochs", 0)

    @property
    def finished(self) -> bool:
        """Whether early stopping had ended the run that was stopped."""
        return self.state.get("finished", False)

    def _checkpoint(self) -> tf.train.Checkpoint:
        layers = [layer for layer in self.model.submodules if hasattr(layer, "_random_generator")]
        for layer in layers:
            layer._random_generator._maybe_init()  # else it exists from its first use on, which is too late to restore
        generators = [layer._random_generator._generator for layer in layers]
        return tf.train.Checkpoint(model=self.model, generators=generators)  # the model's optimizer included

    def on_train_begin(self, logs: Any = None) -> None:
        """Take up the weights and all that goes with them."""
        checkpoint = self._checkpoint()
        if not self.saved:
            return
        checkpoint.read(str(self.saved / "variables")).assert_existing_objects_matched()
        self.stopping.best = np.inf if self.state["best"] is None else self.state["best"]
        self.stopping.best_epoch, self.stopping.wait = self.state["best_epoch"], self.state["wait"]
        if (self.saved / "best.safetensors").is_file():
            best = load_file(self.saved / "best.safetensors")
            self.stopping.best_weights = [best[str(number)] for number in range(len(best))]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the progress, whole or not at all."""
        if not np.isfinite((logs or {})["loss"]):
            return  # the run is about to end with an error, and would again
        draft = self.folder / "draft"
        draft.mkdir()
        self._checkpoint().write(str(draft / "variables"))
        if self.stopping.best_weights is not None:
            best_weights = {str(number): weight for number, weight in enumerate(self.stopping.best_weights)}
            save_file(best_weights, draft / "best.safetensors")
        shutil.copytree(self.curves, draft / "curves")
        best = float(self.stopping.best)
        state = {
            "epochs": epoch + 1,
            "finished": bool(self.model.stop_training),
            "best": best if np.isfinite(best) else None,
            "best_epoch": self.stopping.best_epoch,
            "wait": self.stopping.wait,
        }
        (draft / STATE).write_text(json.dumps(state))
        earlier = list(self.folder.glob("[0-9]*"))
        draft.rename(self.folder / f"{epoch + 1:06}")
        for old in earlier:
            shutil.rmtree(old)
