"""How `benchmarks.quality` grades by encoders: the frozen one, the probe, the tuned one and one from scratch."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras
from datasets import ClassLabel, Dataset, Features, List, Value

from benchmarks.quality import Cost, Essays, Fold, Grader
from redacoes import arrow, baseline, checkpoint, defaults, encoder, frozen, head, model, tokens, training
from redacoes.baseline import OTHERS, Floats, Integers
from redacoes.batching import sorted_batches
from redacoes.params import Params, Settled, Tokenize, Train
from redacoes.scoring import softmax


def begin(train: Train) -> None:
    model.configure(train.threads, train.seed)


def tokenized(
    tokenizer: Any, tokenize: Tokenize, texts: Sequence[str], scores: Integers | None, classes: int, path: Path
) -> Dataset:
    """Return the data set that the stage tokenize makes. Without `scores`, which is to predict alone, they are 0."""
    ids, _ = tokens.encode(tokenizer, texts, tokenize)
    labels = [0] * len(ids) if scores is None else scores.tolist()
    rows = [{"row": row, "input_ids": ids[row], "labels": labels[row]} for row in range(len(ids))]
    names = ClassLabel(names=[str(score) for score in range(classes)])
    return arrow.write(
        rows, Features({"row": Value("int64"), "input_ids": List(Value("int32")), "labels": names}), path
    )


def trained(base: Path, parts: Mapping[str, Dataset], pad_id: int, train: Settled, work: Path) -> Any:
    """Return a classifier on the checkpoint `base`, trained as the stage train does."""
    tf_keras.utils.set_random_seed(train.seed)  # so that a fold does not depend on those before it
    classifier = model.build(base, parts["train"].features["labels"].names, train)
    curves, progress = work / "curves", work / "progress"
    training.fit(classifier, parts["train"], parts["validation"], pad_id, train, curves, progress)
    return classifier


class Encoder:
    """A pretrained encoder, which is run over all essays once, before any fold."""

    def __init__(
        self, folder: Path, essays: Essays, settings: Params, work: Path, keep: Path, costs: Mapping[str, Cost]
    ) -> None:
        """Run it.

        Args:
            folder: The checkpoint.
            essays: All of them.
            settings: Parameters; what is kept of the pass is what `train.frozen_layers` asks for.
            work: A folder for what is needed while this lasts.
            keep: A folder for what the encoder gives, which is taken from there where it is there already.
            costs: To be added to.
        """
        config, self.tokenizer = checkpoint.load_config(folder), checkpoint.load_tokenizer(folder)
        self.train = defaults.settle(settings.train, config, weights=True, validated=True)
        self.longest = checkpoint.positions(config)
        length = min(settings.tokenize.max_length, self.longest)
        self.tokenize = settings.tokenize.model_copy(update={"max_length": length})
        self.folder, self.work, self.pad_id = folder, work, self.tokenizer.pad_token_id
        whole = tokenized(self.tokenizer, self.tokenize, essays.texts, None, essays.classes, work / "essays.arrow")
        kept = keep / arrow.fingerprint(whole)
        kept.mkdir(parents=True, exist_ok=True)
        size, multiple = settings.evaluate.batch_size, self.train.pad_to_multiple_of
        with costs["the pass for hybrid"].counted():
            if not (kept / "pooled.npy").is_file():
                vectors = encoder.frozen(folder, {"all": whole}, self.pad_id, size, multiple)["all"]
                np.save(kept / "draft.npy", vectors)
                (kept / "draft.npy").rename(kept / "pooled.npy")
            self.pooled = np.load(kept / "pooled.npy").astype(np.float64)
        with costs["the pass for all that is fitted on the frozen encoder"].counted():
            self.classifier = model.build(folder, whole.features["labels"].names, self.train)
            below = kept / f"frozen-{self.train.frozen_layers}"
            self.outputs = frozen.run(self.classifier, {"all": whole}, self.pad_id, self.train, below)["all"]

    def hybrid(self, fold: Fold) -> Mapping[str, Floats]:
        """The baseline of that name."""
        vectors = {name: self.pooled[places] for name, places in fold.places.items()}
        return baseline.by_encoder(fold.texts, fold.scores, fold.classes, vectors)

    def probe(self, fold: Fold) -> Mapping[str, Floats]:
        """The head alone, fitted as training begins with it."""
        vectors = {name: self.outputs.vectors[places] for name, places in fold.places.items()}
        targets = training.soft_targets(fold.classes, self.train.label_spread)
        with tempfile.TemporaryDirectory() as folder:
            parts = self._parts(fold, Path(folder))
            training.probe_head(self.classifier, {name: vectors[name] for name in parts}, parts, targets, self.train)
        layers = head.of(self.classifier)
        kernel, bias = layers.classes.get_weights()
        hidden = {name: layers.gain * head.features(self.classifier, vectors[name]) for name in OTHERS}
        return {name: softmax(hidden[name] @ kernel + bias) for name in OTHERS}

    def tune(self, fold: Fold) -> Mapping[str, Floats]:
        """The head, and then the layers above the frozen ones, on what these gave in the one pass."""
        states, found = self.outputs.states, {}
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            self._cut(fold, Path(folder, "progress", "frozen"))
            classifier = trained(self.folder, self._parts(fold, Path(folder)), self.pad_id, self.train, Path(folder))
        with frozen.upper(classifier, self.train.frozen_layers):
            for name in OTHERS:
                places = fold.places[name]
                logits = np.empty((len(places), fold.classes), np.float32)
                for batch in sorted_batches(states.lengths[places], frozen.BATCH):
                    inputs = states.pad(places[batch], self.pad_id, self.train.pad_to_multiple_of, self.longest)
                    logits[batch] = classifier(inputs, training=False).logits.numpy()
                found[name] = softmax(logits)
        return found

    def _parts(self, fold: Fold, folder: Path) -> dict[str, Dataset]:
        return {
            name: tokenized(self.tokenizer, self.tokenize, fold.texts[name], scores, fold.classes, folder / name)
            for name, scores in fold.scores.items()
        }

    def _cut(self, fold: Fold, folder: Path) -> None:
        """Write what the pass gave of train and validation where training looks for it, as `frozen.run` does."""
        folder.mkdir(parents=True)
        states = self.outputs.states
        whole = np.memmap(states.path, np.float32, "r", shape=(int(states.offsets[-1]), states.width))
        for name in fold.scores:
            places = fold.places[name]
            np.save(folder / f"{name}.npy", self.outputs.vectors[places])
            with (folder / f"{name}.f32").open("wb") as file:
                for place in places:
                    file.write(whole[states.offsets[place] : states.offsets[place + 1]].tobytes())


def from_scratch(settings: Params) -> Grader:
    """Return a grader by an encoder from scratch, its tokenizer included."""

    def grade(fold: Fold) -> Mapping[str, Floats]:
        with tempfile.TemporaryDirectory() as folder:
            work, base = Path(folder), Path(folder, "base")
            checkpoint.from_scratch([fold.texts["train"]], settings.checkpoint, base)
            tokenizer = checkpoint.load_tokenizer(base)
            train = defaults.settle(settings.train, checkpoint.load_config(base), weights=False, validated=True)
            parts = {
                name: tokenized(tokenizer, settings.tokenize, texts, fold.scores.get(name), fold.classes, work / name)
                for name, texts in fold.texts.items()
            }
            pad_id, size = tokenizer.pad_token_id, settings.evaluate.batch_size
            classifier = trained(base, parts, pad_id, train, work)
            multiple = train.pad_to_multiple_of
            return {name: softmax(model.predict(classifier, parts[name], pad_id, size, multiple)) for name in OTHERS}

    return grade
