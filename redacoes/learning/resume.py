"""Resume a killed training, with the same bytes as an uninterrupted one.

DVC deletes a stage's outputs before it runs the stage, so progress is kept outside of them. It is written after every
epoch: weights, the optimizer's moments and steps, the state of every dropout layer's random generator, the state of
early stopping, and the learning curves. The order of essays follows from the seed and the number of the epoch.
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
    """Return a hash of everything that determines the result: settings, data, initial weights, code and packages.

    Args:
        settings: A JSON value.
        contents: Hashes of the data, such as the fingerprints of data sets.
        *folders: Folders whose files are hashed.
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
    """Return the folder for the progress of the training `key`. Discard the progress of others, with a message."""
    root.mkdir(parents=True, exist_ok=True)
    for other in root.iterdir():
        if other.name != key:
            print("discarding the progress of a stopped run with other parameters, data or code", file=sys.stderr)
            shutil.rmtree(other)
    return root / key


def newest(folder: Path) -> Path | None:
    """Return the progress of the most epochs in a folder that `Progress` writes, if there is any."""
    return max(folder.glob("[0-9]*"), default=None)


class Progress(tf_keras.callbacks.Callback):
    """Save the progress of training after each epoch, and restore it. It must be the last callback."""

    def __init__(
        self, folder: Path, stopping: tf_keras.callbacks.EarlyStopping, curves: Path, writes: bool = True
    ) -> None:
        """Look for progress in `folder`.

        Args:
            folder: Holds the progress in a folder named by the number of epochs done; for a moment in two.
            stopping: The early stopping, whose state is part of the progress.
            curves: The folder of the learning curves, restored from the progress.
            writes: Whether to write progress and curves, which one of several workers does.
        """
        super().__init__()
        self.folder, self.stopping, self.curves, self.writes = folder, stopping, curves, writes
        folder.mkdir(parents=True, exist_ok=True)
        if writes:
            shutil.rmtree(folder / "draft", ignore_errors=True)
        self.saved = newest(folder)
        self.state: dict[str, Any] = json.loads((self.saved / STATE).read_text()) if self.saved else {}
        if self.saved and writes:
            shutil.copytree(self.saved / "curves", curves)

    @property
    def epochs(self) -> int:
        """Epochs that the stopped run had finished; 0 without one."""
        return self.state.get("epochs", 0)

    @property
    def finished(self) -> bool:
        """Whether early stopping had ended the run that was stopped."""
        return self.state.get("finished", False)

    def _checkpoint(self) -> tf.train.Checkpoint:
        layers = [layer for layer in self.model.submodules if hasattr(layer, "_random_generator")]
        for layer in layers:
            layer._random_generator._maybe_init()  # else it is created on first use, too late to be restored
        generators = [layer._random_generator._generator for layer in layers]
        return tf.train.Checkpoint(model=self.model, generators=generators)  # the model's optimizer included

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore weights and state."""
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
        if not self.writes or not np.isfinite((logs or {})["loss"]):
            return  # the run fails after this epoch, and would fail again
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
