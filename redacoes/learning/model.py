"""Build, save, load and run the classifier. `training` trains it.

`framework` alone loads TensorFlow, for this module and those that import it.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from redacoes.learning.framework import tf, tf_keras

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tqdm import tqdm
from transformers import ElectraConfig, TFAutoModelForSequenceClassification
from transformers.modeling_tf_pytorch_utils import TransposeType, convert_tf_weight_name_to_pt_weight_name

from redacoes.errors import MEND, UserError, first_line
from redacoes.essays import arrow
from redacoes.learning import devices
from redacoes.learning.batching import Ragged, sorted_batches
from redacoes.learning.checkpoint import Tensor, has_weights, load_config, positions, tensors
from redacoes.params import Train

DROPOUT = {  # the families name these rates differently
    "dropout": ("dropout", "hidden_dropout_prob"),
    "attention_dropout": ("attention_dropout", "attention_probs_dropout_prob"),
    "classifier_dropout": ("seq_classif_dropout", "classifier_dropout", "classifier_dropout_prob", "cls_dropout"),
}
# the name by which transformers' TFElectraForSequenceClassification asks for this rate, wherever there is one
ElectraConfig.classifhidden_dropout_probier_dropout = property(lambda config: config.classifier_dropout)
Layers = int | Literal["all"]
FLOATS = {"F64", "F32", "F16", "BF16"}
BUFFERS = (".position_ids", ".token_type_ids")  # of old checkpoints; not weights
UNFIT = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    tf.errors.OpError,
)  # of a configuration of odd values


def configure(threads: int, seed: int) -> None:
    """Make TensorFlow deterministic. Call it once, before any computation.

    Args:
        threads: Threads within and between operations. The bytes depend on it.
        seed: Seed of Python, numpy and TensorFlow.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf_keras.backend.experimental.enable_tf_random_generator()  # its state can be saved and restored
    tf_keras.utils.set_random_seed(seed)


def configure_scoring(threads: int) -> None:
    """Let TensorFlow run each operation on one thread, and up to `threads` operations at once.

    Batches then run in parallel, which is faster than several threads for one product, and a score does not depend on
    the number of threads. If TensorFlow has computed before, its settings stay.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    except RuntimeError:  # TensorFlow is already in use
        return


def build(folder: str | Path, labels: Sequence[str], train: Train | None = None) -> Any:
    """Return a sequence classifier on the encoder in `folder`, with a new head for `labels`.

    A model for training is built for the GPUs that it is spread over; see `devices`. The first `train.frozen_layers`
    layers of the encoder and the embeddings below them are not trainable. Without `train`, the model is not for
    training, and computes in float32. Only weights of a head may be new or unused; they are listed on stderr.

    Raises:
        UserError: A file in `folder` is damaged, its weights are not those of the encoder that its configuration
            describes, TensorFlow has no such architecture, or it has fewer layers than are to be frozen.
    """
    config = load_config(folder)
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    if config.model_type.startswith("deberta") and not hasattr(config, "cls_dropout"):
        config.cls_dropout = None  # which is not in its configuration, and is read from there
    for name, spellings in DROPOUT.items() if train else ():
        rate = getattr(train, name)
        for spelling in spellings:
            if rate is not None and hasattr(config, spelling):
                setattr(config, spelling, rate)
    tf_keras.mixed_precision.set_global_policy(train.precision if train else "float32")
    with devices.strategy().scope() if train else nullcontext():
        if has_weights(folder):
            model = _with_weights(folder, config, foreign=True, new_head=True)
        else:
            try:
                model = TFAutoModelForSequenceClassification.from_config(config)
                model.build_in_name_scope()
            except UNFIT as error:
                raise UserError(f"{folder}: {first_line(error)}; {MEND}") from error
    if train:
        _freeze(model, train.frozen_layers or 0)
    return model


def stack_of(model: Any) -> tuple[Any, str]:
    """Return the encoder of a classifier, and the attribute with its stack of layers."""
    encoder = getattr(model, model.base_model_prefix)
    return encoder, "transformer" if hasattr(encoder, "transformer") else "encoder"


def _freeze(model: Any, layers: Layers) -> None:
    """Freeze the first `layers` layers of the encoder, and everything below them.

    Raises:
        UserError: The encoder has fewer layers, or its layers share their weights.
    """
    if not layers:
        return
    encoder, name = stack_of(model)
    stack = getattr(encoder, name)
    found = getattr(stack, "layer", None)
    if layers == "all":
        encoder.embeddings.trainable = stack.trainable = False
    elif found is None:
        raise UserError("train.frozen_layers must be 0 or all for an encoder whose layers share their weights (ALBERT)")
    elif layers > len(found):
        raise UserError(f"train.frozen_layers is {layers}, and the encoder has {len(found)} layers")
    else:
        for part in [encoder.embeddings, *found[:layers]]:
            part.trainable = False
    for owner, part in [(encoder, "embeddings_project"), (stack, "LayerNorm")]:  # of ELECTRA, and of DeBERTa
        if hasattr(owner, part):
            getattr(owner, part).trainable = False


def load(folder: str | Path, foreign: bool = False) -> Any:
    """Return the trained classifier in `folder`, in float32.

    Args:
        folder: Configuration and weights.
        foreign: Whether another program wrote it. Its weights may then have any float type, and come with buffers.

    Raises:
        UserError: A file is damaged, or the weights are not exactly those of the model in the configuration.
    """
    tf_keras.mixed_precision.set_global_policy("float32")
    return _with_weights(folder, load_config(folder), foreign, new_head=False)


def _with_weights(folder: str | Path, config: Any, foreign: bool, new_head: bool) -> Any:
    """Return the model of `config` with the weights in `folder`.

    transformers initialises missing weights at random, ignores unknown ones, and reshapes weights of the right size. So
    names, types and shapes are compared here.
    """
    found = tensors(folder)
    if foreign:
        found = {name: tensor for name, tensor in found.items() if not name.endswith(BUFFERS)}
    odd = [f"{name} ({kind})" for name, (kind, _) in found.items() if kind not in (FLOATS if foreign else {"F32"})]
    if odd:
        raise UserError(f"{folder}: the weights hold {_few(odd)}, which is not a type of weights; {MEND}")
    try:
        # only a head may have another size; `misfit` refuses other shapes in the encoder
        model = TFAutoModelForSequenceClassification.from_pretrained(
            folder, config=config, ignore_mismatched_sizes=True, use_safetensors=True, trust_remote_code=False
        )
    except UNFIT as error:
        raise UserError(f"{folder}: {first_line(error)}; {MEND}") from error
    expected, encoder = _shapes(model), model.base_model_prefix if new_head else None
    if fault := misfit(expected, found, encoder):
        raise UserError(f"{folder}: {fault}; {MEND}")
    shapes = _by_model_name(expected, found, encoder)
    new = sorted(name for name in expected if not _same(shapes.get(name), expected[name]))
    if new:
        unused = sorted(set(shapes) - set(expected))
        left = f"; not used: {', '.join(unused)}" if unused else ""
        print(f"{folder}: new and to be trained: {', '.join(new)}{left}", file=sys.stderr)
    return model


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the model's weights under their PyTorch names, in PyTorch's layout."""
    shapes = {}
    for variable in model.weights:
        name, transpose = convert_tf_weight_name_to_pt_weight_name(variable.name, tf_weight_shape=variable.shape)
        shape = tuple(variable.shape)
        shapes[name] = shape[::-1] if transpose is TransposeType.SIMPLE else shape
    return shapes


def misfit(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor], encoder: str | None) -> str:
    """Return how weights differ from those of a model, or an empty string.

    Args:
        expected: The shape of each of the model's weights.
        found: The tensors of the checkpoint.
        encoder: The prefix of the encoder's weights, if only these must agree; the head and a pooler may differ. As in
            transformers, the prefix may be missing. None: all weights must agree.
    """
    shapes = _by_model_name(expected, found, encoder)

    def must_agree(name: str) -> bool:
        if encoder is None:
            return True
        return name.startswith(f"{encoder}.") and ".pooler." not in name

    if missing := sorted(filter(must_agree, expected.keys() - shapes.keys())):
        return f"the weights lack {_few(missing)}, which the configuration asks for"
    if unexpected := sorted(filter(must_agree, shapes.keys() - expected.keys())):
        return f"the weights hold {_few(unexpected)}, which the configuration has no place for"
    for name in sorted(filter(must_agree, expected)):
        if not _same(shapes[name], expected[name]):
            return f"{name} has the shape {list(shapes[name])}, and the configuration asks for {list(expected[name])}"
    return ""


def _by_model_name(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor], encoder: str | None
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a checkpoint's tensors by the model's names; see `misfit`."""
    shapes = {name.replace("gamma", "weight").replace("beta", "bias"): shape for name, (_, shape) in found.items()}
    if encoder is not None and not any(name.startswith(encoder) for name in shapes):
        shapes = {name if name in expected else f"{encoder}.{name}": shape for name, shape in shapes.items()}
    return shapes


def _same(found: tuple[int, ...] | None, expected: tuple[int, ...]) -> bool:
    """Return whether two shapes agree; TensorFlow may store a vector as a matrix of one row."""
    return found is not None and [n for n in found if n != 1] == [n for n in expected if n != 1]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write weights in PyTorch layout (safetensors), configuration and tokenizer, so that both worlds can load them.

    If the tokenizer has no longest input, it gets the encoder's, so that `truncation=True` works elsewhere.
    """
    folder.mkdir(parents=True)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions(model.config))
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


def converts(model: Any) -> bool:
    """Return whether the layers of `model` have control flow by tensors for AutoGraph to convert, as DeBERTa's do.

    Other families have none, and the search for it takes most of the time of tracing.
    """
    return model.config.model_type in ("deberta", "deberta-v2")


def graph(model: Any, signature: Sequence[Any]) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator `tf.function` for a function of this signature that calls `model`."""
    return tf.function(input_signature=signature, autograph=converts(model))


def forward(model: Any, inputs: Sequence[str]) -> Callable[[Mapping[str, NDArray[np.int32]]], NDArray[np.float32]]:
    """Return the model as a function from inputs, int32 ``(rows, length)``, to logits, float32 ``(rows, classes)``.

    Args:
        model: A classifier.
        inputs: Names of the available inputs, as in a tokenizer. Not every model takes ``token_type_ids``.
    """
    taken = [name for name in inputs if name in inspect.signature(model.call).parameters]
    signature = [dict.fromkeys(taken, tf.TensorSpec([None, None], tf.int32))]
    traced = graph(model, signature)(lambda values: model(values, training=False).logits)
    return lambda values: traced({name: values[name] for name in taken}).numpy()


def predict(model: Any, part: Dataset, pad_id: int, batch_size: int, multiple: int) -> NDArray[np.float32]:
    """Return the logits of the rows of `part`, float32 ``(rows, classes)``, in their order.

    Args:
        model: A classifier.
        part: Tokenized rows, with `input_ids`.
        pad_id: The tokenizer's id for padding.
        batch_size: Essays at once.
        multiple: Lengths are padded to a multiple of this many tokens.
    """
    traced = forward(model, ("input_ids", "attention_mask"))
    ids = Ragged(*arrow.lists(part, "input_ids"))
    logits = np.empty((len(part), model.config.num_labels), dtype=np.float32)
    batches = sorted_batches(ids.lengths, batch_size)
    for rows in tqdm(batches, unit="batch", disable=not sys.stderr.isatty()):
        logits[rows] = traced(ids.pad(rows, pad_id, multiple, model.config.max_position_embeddings))
    return logits
