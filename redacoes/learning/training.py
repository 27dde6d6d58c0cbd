"""Training: the probe, then fine-tuning, with targets, batches, optimizer and learning curves.

The model is in `model`, its head in `head`, the regression that fits the head in `probe`, and frozen layers in
`frozen`.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redacoes.learning.framework import tf, tf_keras

import numpy as np
from datasets import Dataset
from dvclive import Live
from dvclive.keras import DVCLiveCallback
from numpy.typing import NDArray
from transformers import create_optimizer

from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.learning import accumulation, frozen, head, probe
from redacoes.learning.batching import Ragged, epoch_batches, share
from redacoes.learning.frozen import Outputs, Pass, States
from redacoes.learning.model import converts
from redacoes.learning.replicas import ALONE, Team
from redacoes.learning.resume import Progress
from redacoes.params import Settled, Train

Inputs = Ragged | States
Metrics = dict[str, float]

PENALTIES = (1000.0, 500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0)  # of the probe; validation chooses one


class Batches:
    """Padded batches of essays, soft targets and weights, in an order that depends on seed and epoch alone."""

    def __init__(
        self,
        part: Dataset,
        inputs: Inputs,
        pad_id: int,
        longest: int,
        targets: NDArray[np.float32],
        train: Train,
        team: Team,
    ) -> None:
        """Draw the order of the first epoch.

        Args:
            part: Tokenized rows, with `labels`.
            inputs: Their token ids, or the output of the frozen layers.
            pad_id: The tokenizer's id for padding.
            longest: Longest batch, in tokens.
            targets: float32 ``(classes, classes)``: the target distribution of each true class.
            train: Batch size, batching, class weights and seed.
            team: The processes that train together; these are the batches of this one.
        """
        self.inputs, self.labels = inputs, labels(part)
        self.pad_id, self.longest, self.targets, self.train, self.team = pad_id, longest, targets, train, team
        self.weights = class_weights(self.labels, len(targets), train)
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 0."""
        train, self.epoch = self.train, epoch
        self.batches = epoch_batches(
            self.inputs.lengths, train.batch_size, train.batching, train.drop_last, train.seed, epoch
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
        """Return ids or states, mask ``(batch, length)``, targets ``(batch, classes)`` and weights ``(batch,)``.

        Of several workers, each has its share of the rows.
        """
        rows = share(self.batches[index], self.team.worker, self.team.workers)
        values, mask = self.inputs.pad(rows, self.pad_id, self.train.pad_to_multiple_of, self.longest).values()
        return values, mask, self.targets[self.labels[rows]], self.weights[self.labels[rows]]

    def at(self, step: int) -> tuple[NDArray[Any], ...]:
        """Return the batch of a step, counted from the first one of the first epoch."""
        epoch, index = divmod(int(step), len(self))
        if epoch != self.epoch:
            self.begin(epoch)
        return self[index]

    def dataset(self, steps: range | None = None) -> tf.data.Dataset:
        """Return the batches for `fit`: inputs, targets and weights.

        This is neither a generator nor a Keras Sequence, which is one: with these, under Python 3.11 and later, malloc
        maps every tensor of 128 KiB or more anew, and an epoch takes nearly twice as long.

        Args:
            steps: The steps of all epochs; else the batches of the epoch that was begun last.
        """
        states = isinstance(self.inputs, States)
        name, kind = ("inputs_embeds", tf.float32) if states else ("input_ids", tf.int32)
        width = [self.inputs.width] if isinstance(self.inputs, States) else []
        shapes = [None, None, *width], [None, None], [None, len(self.targets)], [None]
        get = self.__getitem__ if steps is None else self.at
        first, end = (0, len(self)) if steps is None else (steps.start, steps.stop)

        def batch(index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
            made = tf.numpy_function(get, [index], [kind, tf.int32, tf.float32, tf.float32])
            values, mask, targets, weights = map(tf.ensure_shape, made, shapes)
            return {name: values, "attention_mask": mask}, targets, weights

        return tf.data.Dataset.range(first, end).map(batch)


def labels(part: Dataset) -> NDArray[np.int64]:
    """Return the true classes of tokenized rows, int64 ``(rows,)``."""
    return np.asarray(part.data.column("labels"))


def groups(part: Dataset) -> NDArray[np.int64] | None:
    """Return the groups of tokenized rows, int64 ``(rows,)``, or None if they have none."""
    return np.asarray(part.data.column("group")) if "group" in part.column_names else None


def soft_targets(classes: int, spread: float) -> NDArray[np.float32]:
    """Return target distributions ``(classes, classes)``: row k is a Gaussian of width `spread` around class k.

    A one-hot target does not express that neighbouring scores are nearly right (Díaz and Marathe, 2019, "Soft Labels
    for Ordinal Regression"). With a spread of 0 the rows are one-hot.
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


def _scale_rate(optimizer: Any, names: set[str], factor: float) -> None:
    """Scale the learning rate of the named variables by `factor`, weight decay included.

    Keras has no rate per variable, and Adam ignores the scale of gradients, so the step itself is scaled.
    """
    step = optimizer._resource_apply_dense

    def scaled(grad: Any, variable: Any, apply_state: Any) -> Any:
        if re.sub(r"/replica_\d+", "", variable.name) in names:  # a copy on another device has another name
            place = variable.device, variable.dtype.base_dtype
            state = apply_state[place]
            apply_state = {**apply_state, place: {**state, "lr_t": factor * state["lr_t"]}}
        return step(grad, variable, apply_state)

    optimizer._resource_apply_dense = scaled


def fit(
    model: Any,
    train_part: Dataset,
    validation_part: Dataset,
    pad_id: int,
    train: Settled,
    curves: Path,
    progress: Path,
    outputs: Mapping[str, Outputs] | None = None,
) -> NDArray[np.float64] | None:
    """Train `model` in place with the settings `train`, and write learning curves with DVCLive.

    Frozen layers run once. The head is fitted on their output, which is epoch 0 of the curves, and then the layers
    above are trained on it.

    Args:
        model: A classifier, as built.
        train_part: Tokenized rows, with `input_ids` and `labels`, to train on.
        validation_part: Rows to validate on after each epoch.
        pad_id: The tokenizer's id for padding.
        train: Every setting.
        curves: Folder of the learning curves, written anew.
        progress: Folder for the progress of this very training, from which a stopped run resumes.
        outputs: The result of `frozen.run` for train and validation, if it is known; else it is computed.

    Returns:
        `left_out` of `head.Probed`.

    Raises:
        UserError: There is no whole batch to train on, the disk has no room for the output of frozen layers, or the
            loss is not finite.
    """
    parts = {"train": train_part, "validation": validation_part}
    inputs, probed = begin(model, parts, pad_id, train, progress / "frozen", outputs)
    tune(model, parts, inputs, pad_id, probed.metrics, train, curves, progress / "epochs")
    return probed.left_out


def begin(
    model: Any,
    parts: Mapping[str, Dataset],
    pad_id: int,
    train: Settled,
    folder: Path,
    outputs: Mapping[str, Outputs] | None = None,
) -> tuple[dict[str, Inputs], head.Probed]:
    """Run the frozen layers, and fit the head.

    Returns:
        The inputs of the layers above, by the name of the part; and the result of fitting the head.
    """
    inputs: dict[str, Inputs] = {name: Ragged(*arrow.lists(part, "input_ids")) for name, part in parts.items()}
    probed = head.Probed({}, None)
    if train.frozen_layers or train.probe:
        outputs = outputs or frozen.run(model, parts, pad_id, Pass.of(train), folder)
        if train.probe:
            targets = soft_targets(model.config.num_labels, train.label_spread)
            probed = probe_head(model, {name: outputs[name].vectors for name in parts}, parts, targets, train)
        inputs = {name: outputs[name].states or inputs[name] for name in parts}
    return inputs, probed


def probe_head(
    model: Any,
    vectors: Mapping[str, NDArray[np.float32]],
    parts: Mapping[str, Dataset],
    targets: NDArray[np.float32],
    train: Settled,
) -> head.Probed:
    """Fit the head of `model` to first tokens, by penalised softmax regression.

    Args:
        model: A classifier, whose head is written.
        vectors: float32 ``(rows, width)``: the last hidden states of the first tokens of train and validation.
        parts: The same rows, with `labels`, and with `group` if themes are to be projected out.
        targets: float32 ``(classes, classes)``: the target distribution of each true class.
        train: Class weights, the penalty unless validation chooses it, and whether epochs follow.
    """
    of_parts = {name: labels(part) for name, part in parts.items()}
    aims = {name: targets[true] for name, true in of_parts.items()}
    weights = class_weights(of_parts["train"], len(targets), train)[of_parts["train"]]
    of_train = vectors["train"], groups(parts["train"])
    head.standardise(model, *of_train)
    features = {name: head.features(model, vectors[name]) for name in parts}
    penalties = PENALTIES if train.probe_penalty is None else (train.probe_penalty,)
    regression, _ = probe.choose(
        (features["train"], features["validation"]), (aims["train"], aims["validation"]), weights, penalties
    )
    left_out = None
    if not train.epochs:
        left_out = head.left_out(model, of_train[0], aims["train"], weights, regression.penalty, of_train[1])
        head.standardise(model, *of_train)
    head.write(model, regression)
    print(f"train: the probe's penalty is {regression.penalty:g}", file=sys.stderr)
    metrics: Metrics = {}
    for name, shown, of_rows in (("train", "train", weights), ("validation", "eval", None)):
        logits = regression.logits(features[name])
        right = logits.argmax(axis=1) == aims[name].argmax(axis=1)
        metrics[f"{shown}/loss"] = probe.cross_entropy(logits, aims[name], of_rows)
        metrics[f"{shown}/accuracy"] = float(np.average(right, weights=of_rows))
    return head.Probed(metrics, left_out)


class _Begun(tf_keras.callbacks.Callback):
    """Has early stopping take the weights that training begins with for the best so far. To follow it."""

    def __init__(self, stopping: tf_keras.callbacks.EarlyStopping, loss: float) -> None:
        super().__init__()
        self.stopping, self.loss = stopping, loss

    def on_train_begin(self, logs: Any = None) -> None:
        self.stopping.best, self.stopping.best_epoch = self.loss, -1
        if self.stopping.restore_best_weights:
            self.stopping.best_weights = self.model.get_weights()


def tune(
    model: Any,
    parts: Mapping[str, Dataset],
    inputs: Mapping[str, Inputs],
    pad_id: int,
    probed: Metrics,
    train: Settled,
    curves: Path,
    progress: Path,
    team: Team = ALONE,
) -> None:
    """Train the trainable weights of `model`, on what `begin` returns; see `fit`.

    Args:
        model: A classifier, built in the scope of the team's strategy.
        parts: Tokenized rows, with `labels`, of train and validation.
        inputs: The inputs of the layers above the frozen ones.
        pad_id: The tokenizer's id for padding.
        probed: Losses and accuracies before the first epoch, if the head has been fitted.
        train: Every setting.
        curves: Folder of the learning curves.
        progress: Folder of the epochs done.
        team: The processes that train together.
    """
    targets = soft_targets(model.config.num_labels, train.label_spread)
    longest = model.config.max_position_embeddings
    unweighted = train.model_copy(update={"class_weights": "none", "drop_last": False})
    with frozen.upper(model, train.frozen_layers):
        batches = Batches(parts["train"], inputs["train"], pad_id, longest, targets, train, team)
        validation = Batches(parts["validation"], inputs["validation"], pad_id, longest, targets, unweighted, team)
        _tune(model, batches, validation, probed, train, curves, progress)


def _tune(
    model: Any, batches: Batches, validation: Batches, probed: Metrics, train: Settled, curves: Path, progress: Path
) -> None:
    if not len(batches) and train.epochs:
        raise UserError(f"train.batch_size is {train.batch_size}, and train.drop_last leaves no batch of it: lower it")
    team = batches.team
    with model.distribute_strategy.scope():
        _compile(model, len(batches) * train.epochs, train)
        if train.accumulate > 1 or model.distribute_strategy.num_replicas_in_sync > 1:
            model.train_step = accumulation.step(model, train.accumulate, getattr(batches.inputs, "width", None))
        if not converts(model):
            for step in ("train_step", "test_step"):
                setattr(model, step, tf.autograph.experimental.do_not_convert(getattr(model, step)))
    stopping = tf_keras.callbacks.EarlyStopping(
        monitor="val_loss",
        patience=train.early_stopping_patience or train.epochs,
        restore_best_weights=train.keep == "best",
    )
    done = Progress(progress, stopping, curves, team.leads)
    callbacks = [
        tf_keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: team.begin(batches, epoch)),
        tf_keras.callbacks.TerminateOnNaN(),
        stopping,
    ]
    if team.leads:
        callbacks.append(DVCLiveCallback(live=_live(done, probed, train, curves)))
    if probed:
        callbacks.append(_Begun(stopping, probed["eval/loss"]))
    if not train.epochs:
        return
    history = model.fit(
        **team.feed(batches, validation, done.epochs),
        initial_epoch=train.epochs if done.finished else done.epochs,
        epochs=train.epochs,
        callbacks=[*callbacks, done],
        verbose=team.verbose,
    )
    if not np.all(np.isfinite(history.history.get("loss", []))):
        raise UserError("train: the loss is not a number any more; lower train.learning_rate or raise train.warmup")


def _live(done: Progress, probed: Metrics, train: Settled, curves: Path) -> Live:
    """Return the learning curves, which begin with the result of the probe, or after the epochs that are done."""
    if done.epochs:
        print(f"going on after epoch {done.epochs} of {train.epochs}, where a run was stopped", file=sys.stderr)
    live = Live(dir=str(curves), resume=done.epochs > 0, dvcyaml=None, save_dvc_exp=False, report=None)
    if probed and not done.epochs:
        live.step = 0
        for name, value in probed.items():
            live.log_metric(name, value)
        live.make_summary()
    live.step = done.epochs + 1  # the curves count epochs from 1
    if not train.epochs:
        live.end()
    return live


def _compile(model: Any, steps: int, train: Settled) -> None:
    """Give `model` the loss, and the optimizer with its schedule over `steps` batches."""
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
        _scale_rate(optimizer, head.variables(model), train.head_learning_rate / train.learning_rate)
    model.compile(
        optimizer=optimizer,
        loss=tf_keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[tf_keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    # what the first step would make it would be traced again for; without decay it is an optimizer of the newer kind
    make = optimizer.build if hasattr(optimizer, "build") else optimizer._create_all_weights
    make(model.trainable_variables)
