"""Train a model and predict in a fold of a cross-validation, as the stages tokenize, train and evaluate do.

What does not depend on the fold is computed once: with a pretrained checkpoint, token ids and the frozen encoder's
outputs. An encoder from scratch learns a vocabulary in each fold.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from redacoes.learning.framework import tf_keras

import numpy as np
from datasets import ClassLabel, Dataset

from redacoes.evaluation.decision import softmax
from redacoes.files import temporary_folder
from redacoes.learning import checkpoint, defaults, frozen, model, token_cache, tokens, training, wordpiece
from redacoes.learning.baseline import OTHERS, Floats, Integers
from redacoes.learning.crossval import Essays, Fold
from redacoes.learning.frozen import Outputs
from redacoes.params import Checkpoint, Settled, Tokenize, Train

ALL = "all"


class Refit:
    """A grader that trains the model of some parameters on a checkpoint in each fold."""

    def __init__(self, base: Path, tokenize: Tokenize, train: Train, batch_size: int) -> None:
        """Read what belongs to the checkpoint.

        Args:
            base: A checkpoint's folder.
            tokenize: Settings of the stage tokenize.
            train: Settings of the stage train.
            batch_size: Essays predicted at once.

        Raises:
            UserError: The checkpoint is damaged, or has positions for fewer tokens than `tokenize.max_length`.
        """
        config = checkpoint.load_config(base)
        tokens.require_positions(tokenize, checkpoint.longest_input(base))
        self.base, self.tokenize, self.batch_size = base, tokenize, batch_size
        self.tokenizer = checkpoint.load_tokenizer(base)
        self.train: Settled = defaults.settle(train, config, checkpoint.has_weights(base), validated=True)

    def __call__(self, fold: Fold) -> dict[str, Floats]:
        """Train on the fold, and return the probabilities of validation and test, and of left-out training essays."""
        train, outputs = self.train, self._outputs(fold)
        tf_keras.backend.clear_session()
        tf_keras.utils.set_random_seed(train.seed)  # a fold must not depend on those before it
        with temporary_folder() as folder:
            parts = {
                name: self.tokenized(texts, fold.scores.get(name), fold.groups[name], fold.classes, folder / name)
                for name, texts in fold.texts.items()
            }
            labels, pad_id = parts["train"].features["labels"].names, self.tokenizer.pad_token_id
            classifier = model.build(self.base, labels, train)
            places = folder / "curves", folder / "progress"
            left_out = training.fit(classifier, parts["train"], parts["validation"], pad_id, train, *places, outputs)
            if outputs and train.frozen_layers:
                logits = {name: frozen.predict(classifier, outputs[name], pad_id, train) for name in OTHERS}
            else:
                shape = self.batch_size, train.pad_to_multiple_of
                logits = {name: model.predict(classifier, parts[name], pad_id, *shape) for name in OTHERS}
        known = {} if left_out is None else {"train": softmax(left_out)}
        return known | {name: softmax(found) for name, found in logits.items()}

    def tokenized(
        self, texts: Sequence[str], scores: Integers | None, groups: Integers, classes: int, path: Path
    ) -> Dataset:
        """Write and return the data set that the stage tokenize would make. Without `scores`, its labels are 0."""
        labels = np.zeros(len(texts), np.int64) if scores is None else scores
        essays = {"row": range(len(texts)), "essay": texts, "score": labels.tolist(), "group": groups.tolist()}
        names = ClassLabel(names=[str(score) for score in range(classes)])
        return token_cache.write([essays], names, self.tokenizer, self.tokenize, path)[0]

    def _outputs(self, fold: Fold) -> Mapping[str, Outputs]:
        """Return the frozen encoder's outputs for the parts of a fold, if they are known."""
        return {}


class Pretrained(Refit):
    """A grader with a pretrained checkpoint, whose frozen layers run over all essays once.

    Attributes:
        vectors: The last hidden states of the first tokens, float64 ``(essays, width)``, before any tuning.
    """

    def __init__(
        self, base: Path, tokenize: Tokenize, train: Train, batch_size: int, essays: Essays, folder: Path
    ) -> None:
        """Run the checkpoint over the essays, or read its outputs from `folder`; see `frozen.run`."""
        super().__init__(base, tokenize, train, batch_size)
        with temporary_folder() as work:
            whole = self.tokenized(essays.texts, None, essays.groups, essays.classes, work / "essays.arrow")
            classifier = model.build(base, whole.features["labels"].names, self.train)
            how = frozen.Pass.of(self.train)
            run = frozen.run(classifier, {ALL: whole}, self.tokenizer.pad_token_id, how, folder)
        self.outputs = run[ALL]
        self.vectors = self.outputs.vectors.astype(np.float64)

    def _outputs(self, fold: Fold) -> Mapping[str, Outputs]:
        if not (self.train.frozen_layers or self.train.probe):
            return {}
        return {name: self.outputs.select(places) for name, places in fold.places.items()}


def from_scratch(
    settings: Checkpoint, tokenize: Tokenize, train: Train, batch_size: int
) -> Callable[[Fold], dict[str, Floats]]:
    """Return a grader that trains an encoder from scratch, vocabulary included."""

    def grade(fold: Fold) -> dict[str, Floats]:
        with temporary_folder() as folder:
            wordpiece.from_scratch([fold.texts["train"]], settings, folder / "base")
            return Refit(folder / "base", tokenize, train, batch_size)(fold)

    return grade
