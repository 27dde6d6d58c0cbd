"""The classifier: built, saved, loaded and run. How it is trained is in `training`.

Those two and `resume` are the only modules that import TensorFlow.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from datasets import Dataset
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tqdm import tqdm
from transformers import AutoConfig, TFAutoModelForSequenceClassification
from transformers.modeling_tf_pytorch_utils import TransposeType, convert_tf_weight_name_to_pt_weight_name

from redacoes import arrow
from redacoes.batching import Ragged, sorted_batches
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
    tf_keras.backend.experimental.enable_tf_random_generator()  # whose state can be written, and read again
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
