"""The classifier: built, trained, saved, loaded and run. The only module that imports TensorFlow."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from datasets import Dataset
from dvclive import Live
from dvclive.keras import DVCLiveCallback
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tqdm import tqdm
from transformers import AutoConfig, TFAutoModelForSequenceClassification, create_optimizer
from transformers.modeling_tf_pytorch_utils import TransposeType, convert_tf_weight_name_to_pt_weight_name

from redacoes import arrow
from redacoes.batching import Ragged, epoch_batches, sorted_batches
from redacoes.checkpoint import has_weights
from redacoes.errors import UserError
from redacoes.params import Train

DROPOUT = {  # the name of each rate differs between families; a configuration has one of each row
    "dropout": ("dropout", "hidden_dropout_prob"),
    "attention_dropout": ("attention_dropout", "attention_probs_dropout_prob"),
    "classifier_dropout": ("seq_classif_dropout", "classifier_dropout"),
}


def configure(threads: int, seed: int) -> None:
    """Make TensorFlow deterministic. To be called once, before anything is computed.

    Args:
        threads: Threads of one operation and between operations: another number gives other bytes.
        seed: Seed of Python, numpy and TensorFlow.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf_keras.utils.set_random_seed(seed)


def build(folder: str | Path, labels: Sequence[str], train: Train) -> Any:
    """Return a sequence classifier on the encoder in `folder`, with a new head for `labels`.

    Raises:
        UserError: The weights in `folder` do not fit its configuration, or TensorFlow has no such architecture.
    """
    config = AutoConfig.from_pretrained(folder)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    for name, spellings in DROPOUT.items():
        rate = getattr(train, name)
        for spelling in spellings:
            if rate is not None and hasattr(config, spelling):
                setattr(config, spelling, rate)
    tf_keras.mixed_precision.set_global_policy(train.precision)
    try:
        if has_weights(folder):
            return TFAutoModelForSequenceClassification.from_pretrained(
                folder, config=config, ignore_mismatched_sizes=True
            )
        model = TFAutoModelForSequenceClassification.from_config(config)
        model.build_in_name_scope()
        return model
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: {str(error).splitlines()[0]}") from error


def load(folder: str | Path) -> Any:
    """Return the trained classifier in `folder`, in float32."""
    tf_keras.mixed_precision.set_global_policy("float32")
    return TFAutoModelForSequenceClassification.from_pretrained(folder)


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights in PyTorch layout (safetensors), configuration and tokenizer, so that both worlds can load them."""
    folder.mkdir(parents=True)
    model.config.architectures = [type(model).__name__.removeprefix("TF")]
    model.config.torch_dtype = "float32"
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(to_pytorch(model), folder / "model.safetensors", metadata={"format": "pt"})


def to_pytorch(model: Any) -> dict[str, NDArray[np.float32]]:
    """Return the model's weights under their PyTorch names, kernels transposed to PyTorch's ``(out, in)``."""
    weights = {}
    for variable in model.weights:
        name, transpose = convert_tf_weight_name_to_pt_weight_name(variable.name, tf_weight_shape=variable.shape)
        value = variable.numpy().astype(np.float32)
        if transpose is TransposeType.SIMPLE:
            value = value.T
        elif transpose is not TransposeType.NO:
            raise UserError(f"{name}: convolutions are not supported")
        weights[name] = np.ascontiguousarray(value)
    return weights


class Batches(tf_keras.utils.Sequence):
    """Padded batches of token ids, soft targets and weights; shuffled anew for each epoch, by seed and epoch alone."""

    def __init__(self, part: Dataset, pad_id: int, longest: int, targets: NDArray[np.float32], train: Train) -> None:
        """Read the token ids into memory.

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
        self.epoch = 0
        self._plan()

    def _plan(self) -> None:
        train = self.train
        self.batches = epoch_batches(
            self.ids.lengths, train.batch_size, train.batching, train.drop_last, train.seed, self.epoch
        )

    def on_epoch_end(self) -> None:
        """Draw the next epoch's order."""
        self.epoch += 1
        self._plan()

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[dict[str, Any], NDArray[np.float32], NDArray[np.float32]]:
        """Return inputs ``(batch, length)``, targets ``(batch, classes)`` and weights ``(batch,)``."""
        rows = self.batches[index]
        inputs = self.ids.pad(rows, self.pad_id, self.train.pad_to_multiple_of, self.longest)
        return inputs, self.targets[self.labels[rows]], self.weights[self.labels[rows]]


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


def fit(model: Any, train_part: Dataset, validation_part: Dataset, pad_id: int, train: Train, curves: Path) -> None:
    """Train `model` in place, as `train` says, and write its learning curves with DVCLive into `curves`.

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
    optimizer, _ = create_optimizer(
        init_lr=train.learning_rate,
        num_train_steps=steps,
        num_warmup_steps=int(steps * train.warmup),
        min_lr_ratio=1.0 if train.schedule == "constant" else 0.0,
        adam_beta1=train.adam_beta1,
        adam_beta2=train.adam_beta2,
        adam_epsilon=train.adam_epsilon,
        adam_global_clipnorm=train.gradient_clip_norm or None,
        weight_decay_rate=train.weight_decay,
    )
    model.compile(
        optimizer=optimizer,
        loss=tf_keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=[tf_keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    live = Live(dir=str(curves), dvcyaml=None, save_dvc_exp=False, report=None)
    live.step = 1  # the curves count epochs as people do
    callbacks = [
        tf_keras.callbacks.TerminateOnNaN(),
        tf_keras.callbacks.EarlyStopping(
            monitor="val_loss",
            patience=train.early_stopping_patience or train.epochs,
            restore_best_weights=train.keep == "best",
        ),
        DVCLiveCallback(live=live),
    ]
    history = model.fit(
        batches,
        validation_data=Batches(validation_part, pad_id, longest, targets, unweighted),
        epochs=train.epochs,
        callbacks=callbacks,
        shuffle=False,  # Batches shuffles, by seed and epoch
        verbose=1 if sys.stderr.isatty() else 2,
    )
    if not np.all(np.isfinite(history.history["loss"])):
        raise UserError("train: the loss is not a number any more; lower train.learning_rate or raise train.warmup")


def predict(model: Any, part: Dataset, pad_id: int, batch_size: int, multiple: int) -> NDArray[np.float32]:
    """Return the logits of the rows of `part`, float32 ``(rows, classes)``, in their order.

    Args:
        model: A classifier.
        part: Tokenized rows, with `input_ids`.
        pad_id: The tokenizer's id for padding.
        batch_size: Essays at once.
        multiple: Lengths are padded to a multiple of it, in tokens.
    """
    spec = tf.TensorSpec([None, None], tf.int32)
    forward = tf.function(
        lambda input_ids, attention_mask: (
            model({"input_ids": input_ids, "attention_mask": attention_mask}, training=False).logits
        ),
        input_signature=[spec, spec],
    )
    ids = Ragged(*arrow.lists(part, "input_ids"))
    logits = np.empty((len(part), model.config.num_labels), dtype=np.float32)
    batches = sorted_batches(ids.lengths, batch_size)
    for rows in tqdm(batches, unit="batch", disable=not sys.stderr.isatty()):
        logits[rows] = forward(**ids.pad(rows, pad_id, multiple, model.config.max_position_embeddings))
    return logits
