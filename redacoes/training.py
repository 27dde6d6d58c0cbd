"""Fine-tuning: targets, batches, optimizer and learning curves. The model itself is in `model`."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from datasets import Dataset
from dvclive import Live
from dvclive.keras import DVCLiveCallback
from numpy.typing import NDArray
from transformers import create_optimizer

from redacoes import arrow
from redacoes.batching import Ragged, epoch_batches
from redacoes.errors import UserError
from redacoes.params import Train
from redacoes.resume import Progress


class Batches:
    """Padded batches of token ids, soft targets and weights, in an order that depends on seed and epoch alone."""

    def __init__(self, part: Dataset, pad_id: int, longest: int, targets: NDArray[np.float32], train: Train) -> None:
        """Read the token ids into memory, and draw the order of the first epoch.

        Args:
            part: Tokenized rows, with `input_ids` and `labels`.
            pad_id: The tokenizer's id for padding.
            longest: No batch is padded beyond it, in tokens.
            targets: float32 ``(classes, classes)``: what the model should answer for each true class.
            train: Batch size, batching, class weights and seed.
        """
        self.ids = Ragged(*arrow.lists(part, "input_ids"))
        self.labels = np.asarray(part.data.column("labels"))
        self.pad_id, self.longest, self.targets, self.train = pad_id, longest, targets, train
        self.weights = class_weights(self.labels, len(targets), train)
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 0."""
        train = self.train
        self.batches = epoch_batches(
            self.ids.lengths, train.batch_size, train.batching, train.drop_last, train.seed, epoch
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        """Return ids and mask, ``(batch, length)``, targets ``(batch, classes)`` and weights ``(batch,)``."""
        rows = self.batches[index]
        ids, mask = self.ids.pad(rows, self.pad_id, self.train.pad_to_multiple_of, self.longest).values()
        return ids, mask, self.targets[self.labels[rows]], self.weights[self.labels[rows]]

    def dataset(self) -> tf.data.Dataset:
        """Return the batches as `fit` takes them: inputs, targets and weights.

        Not by a generator, nor as a Keras Sequence, which is one: under Python 3.11 and later TensorFlow then has
        malloc map every tensor of 128 KiB and more anew, and an epoch takes nearly twice as long.
        """

        shapes = [None, None], [None, None], [None, len(self.targets)], [None]

        def batch(index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
            made = tf.numpy_function(self.__getitem__, [index], [tf.int32, tf.int32, tf.float32, tf.float32])
            ids, mask, targets, weights = map(tf.ensure_shape, made, shapes)
            return {"input_ids": ids, "attention_mask": mask}, targets, weights

        return tf.data.Dataset.range(len(self)).map(batch)


def soft_targets(classes: int, spread: float) -> NDArray[np.float32]:
    """Return target distributions ``(classes, classes)``: row k is a Gaussian of width `spread` around class k.

    Neighbouring scores are nearly right, which a one-hot target does not say (Díaz and Marathe, 2019, "Soft Labels for
    Ordinal Regression"). With a spread of 0 the rows are one-hot.
    """
    if spread == 0:
        return np.eye(classes, dtype=np.float32)
    index = np.arange(classes)
    weights = np.exp(-0.5 * ((index[:, None] - index) / spread) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def class_weights(labels: NDArray[np.int64], classes: int, train: Train) -> NDArray[np.float32]:
    """Return a weight for each class, float32 ``(classes,)``: 1, or rows / (classes present * rows of the class)."""
    if train.class_weights == "none":
        return np.ones(classes, dtype=np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))).astype(np.float32)


def head(model: Any) -> set[str]:
    """Return the names of the variables that are not the encoder's: those of the classifier, and of a pooler."""
    encoder = f"/{model.base_model_prefix}/"
    return {weight.name for weight in model.weights if encoder not in weight.name or "/pooler/" in weight.name}


def _scale_rate(optimizer: Any, names: set[str], factor: float) -> None:
    """Have the variables of these names learn at `factor` times the rate, weight decay included.

    Keras has no rates by variable, and Adam is blind to the scale of gradients, so it is the step itself that changes.
    """
    step = optimizer._resource_apply_dense

    def scaled(grad: Any, variable: Any, apply_state: Any) -> Any:
        if variable.name in names:
            place = variable.device, variable.dtype.base_dtype
            state = apply_state[place]
            apply_state = {**apply_state, place: {**state, "lr_t": factor * state["lr_t"]}}
        return step(grad, variable, apply_state)

    optimizer._resource_apply_dense = scaled


def fit(
    model: Any, train_part: Dataset, validation_part: Dataset, pad_id: int, train: Train, curves: Path, progress: Path
) -> None:
    """Train `model` in place, as `train` says, and write its learning curves with DVCLive.

    Args:
        model: A classifier, as built.
        train_part: Tokenized rows, with `input_ids` and `labels`, to train on.
        validation_part: Such rows to validate on after each epoch.
        pad_id: The tokenizer's id for padding.
        train: Every setting.
        curves: Folder of the learning curves, written anew.
        progress: Folder in which the progress of this very training is kept: what is found there is gone on from.

    Raises:
        UserError: There is no whole batch to train on, or the loss stopped being a number.
    """
    classes = model.config.num_labels
    targets = soft_targets(classes, train.label_spread)
    longest = model.config.max_position_embeddings
    batches = Batches(train_part, pad_id, longest, targets, train)
    if not len(batches):
        raise UserError(f"train.batch_size is {train.batch_size}, and train.drop_last leaves no batch of it: lower it")
    unweighted = train.model_copy(update={"class_weights": "none", "drop_last": False})
    steps = len(batches) * train.epochs
    decay = train.weight_decay
    if train.head_learning_rate is not None:  # without any decay, transformers takes an optimizer of other insides
        decay = max(decay, float(np.finfo(np.float32).tiny))
    optimizer, _ = create_optimizer(
        init_lr=train.learning_rate,
        num_train_steps=steps,
        num_warmup_steps=int(steps * train.warmup),
        min_lr_ratio=1.0 if train.schedule == "constant" else 0.0,
        adam_beta1=train.adam_beta1,
        adam_beta2=train.adam_beta2,
        adam_epsilon=train.adam_epsilon,
        adam_global_clipnorm=train.gradient_clip_norm or None,
        weight_decay_rate=decay,
    )
    if train.head_learning_rate is not None:
        _scale_rate(optimizer, head(model), train.head_learning_rate / train.learning_rate)
    model.compile(
        optimizer=optimizer,
        loss=tf_keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[tf_keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    stopping = tf_keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=train.early_stopping_patience or train.epochs,
        restore_best_weights=train.keep == "best",
    )
    done = Progress(progress, stopping, curves)
    if done.epochs:
        print(f"going on after epoch {done.epochs} of {train.epochs}, where a run was stopped", file=sys.stderr)
    live = Live(dir=str(curves), resume=done.epochs > 0, dvcyaml=None, save_dvc_exp=False, report=None)
    live.step = done.epochs + 1  # the curves count epochs as people do
    order = tf_keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: batches.begin(epoch))
    callbacks = [order, tf_keras.callbacks.TerminateOnNaN(), stopping, DVCLiveCallback(live=live), done]
    history = model.fit(
        batches.dataset(),
        validation_data=Batches(validation_part, pad_id, longest, targets, unweighted).dataset(),
        initial_epoch=train.epochs if done.finished else done.epochs,
        epochs=train.epochs,
        callbacks=callbacks,
        verbose=1 if sys.stderr.isatty() else 2,
    )
    if not np.all(np.isfinite(history.history.get("loss", []))):
        raise UserError("train: the loss is not a number any more; lower train.learning_rate or raise train.warmup")
