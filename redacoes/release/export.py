"""Export of a trained classifier to ONNX and TensorFlow's SavedModel, which need neither this project nor transformers.

Both take token ids: text as input would need operations that neither runtime has. TensorFlow is imported only after
all checks that do not need it.
"""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.errors import UserError
from redacoes.evaluation.decision import softmax
from redacoes.files import read_object, whole, write_json
from redacoes.inference import metadata
from redacoes.learning import checkpoint, tokens
from redacoes.learning.batching import Ragged, sorted_batches
from redacoes.learning.text_regression import FILES
from redacoes.params import Tokenize

Form = Literal["onnx", "savedmodel"]
Decide = Callable[[NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.float64]]]
Runner = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[np.float32]]

FAMILIES = ("distilbert", "bert", "roberta", "xlm-roberta", "camembert", "electra", "albert")  # tf2onnx converts these
ONNX = "model.onnx"
SAVED_MODEL = ("saved_model.pb", "fingerprint.pb", "variables", "assets")
OWN = {ONNX, *SAVED_MODEL, "config.json", metadata.DECISION, *FILES, *checkpoint.TOKENIZER_FILES}
OPSET = 17  # the first with LayerNormalization
LIMIT = 2_000_000_000  # bytes of weights: an ONNX file is a protobuf, which ends at 2 GiB
TOLERANCE = 1e-4  # of logits
CHECKED = 32  # essays on which an export is compared with TensorFlow
BATCH = 16


@dataclass(frozen=True)
class Conversion:
    """How an export differs from its model.

    Attributes:
        checked: Essays on which logits were compared with TensorFlow's.
        difference: The largest difference of logits among them.
        quantized: int8 compared with float on all essays: ``essays``, ``agreement`` (the share with the same decided
            score) and ``difference`` (the largest of logits). None without quantisation.
    """

    checked: int
    difference: float
    quantized: dict[str, float] | None


def check(source: Path, form: Form, target: Path) -> None:
    """Make all checks that do not need TensorFlow.

    Args:
        source: The folder of a trained classifier.
        form: onnx or savedmodel.
        target: The folder to write: new, empty, or an earlier export.

    Raises:
        UserError: There is no classifier in `source`, its family or size does not fit in `form`, the packages for it
            are not installed, or `target` holds something else.
    """
    if not source.is_dir():
        raise UserError(f"there is no folder {source}; dvc repro makes models/scorer, or dvc pull fetches it")
    family = checkpoint.load_config(source).model_type
    size = sum(path.stat().st_size for path in source.glob("*.safetensors"))
    checkpoint.tensors(source)
    if form == "onnx":
        if family not in FAMILIES:
            raise UserError(
                f"{source} is of the family {family!r}, which cannot be converted to ONNX ({', '.join(FAMILIES)} can); "
                "--format savedmodel takes it"
            )
        if size > LIMIT:
            raise UserError(f"{source} holds {size / 1e9:.1f} GB of weights, and an ONNX file at most 2 GB")
        if absent := [name for name in ("tf2onnx", "onnx", "onnxruntime") if find_spec(name) is None]:
            raise UserError(
                f"--format onnx needs {', '.join(absent)}; install the extra onnx: "
                ".venv/bin/uv sync --frozen --inexact --extra onnx"
            )
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; name a folder")
    held = {path.name for path in target.iterdir()} if target.exists() else set()
    if held and (held - OWN or metadata.KEY not in read_object(target / "config.json")):
        raise UserError(f"{target} holds other files than an earlier export; name a new folder")


def export(
    source: Path,
    form: Form,
    int8: bool,
    target: Path,
    made_by: Mapping[str, Any],
    essays: Sequence[str],
    tokenize: Tokenize,
) -> Conversion:
    """Export the classifier in `source`, with tokenizer, configuration and decision rule, whole or not at all.

    Args:
        source: The folder of a trained classifier.
        form: onnx or savedmodel.
        int8: Whether to quantise the weights to 8 bits; onnx only.
        target: The folder to write. An earlier export there is replaced.
        made_by: What :func:`metadata.of_folder` returned.
        essays: Essays on which the export is compared with TensorFlow.
        tokenize: How essays are cut.

    Raises:
        UserError: See :func:`check`; or the logits differ from TensorFlow's by more than 1e-4.
    """
    check(source, form, target)
    decision = metadata.load_decision(source)
    tokenizer = checkpoint.load_tokenizer(source)
    longest = min(tokenize.max_length, checkpoint.longest_input(source))
    ids, _ = tokens.encode(tokenizer, essays, tokenize.model_copy(update={"max_length": longest}))
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as folder:
        folder.mkdir()
        tokenizer_files = [path for name in checkpoint.TOKENIZER_FILES if (path := source / name).is_file()]
        for path in [*tokenizer_files, *metadata.text_files(source, decision)]:
            shutil.copyfile(path, folder / path.name)
        forward, write = _tensorflow(source)
        write(folder, form)
        run = _RUNNERS[form](folder)
        few = _spread(ids, CHECKED)
        difference = _largest(_logits(run, few, tokenizer.pad_token_id), _logits(forward, few, tokenizer.pad_token_id))
        if not difference <= TOLERANCE:
            raise UserError(
                f"the converted model's logits differ from TensorFlow's by up to {difference:.2g}, so nothing was "
                "written; this model cannot be exported"
            )
        text = metadata.load_text(source, decision) if int8 else None
        decide = partial(decision.decide, numbers=text.predict(essays) if text else None)
        quantized = _quantize(folder, run, ids, tokenizer.pad_token_id, decide) if int8 else None
        config = metadata.portable_config(read_object(source / "config.json"), decision, made_by)
        config[metadata.KEY]["export"] = {"format": form, "difference": difference}
        if quantized:
            config[metadata.KEY]["export"]["int8"] = quantized
        write_json(folder / "config.json", config)
        write_json(folder / metadata.DECISION, decision.to_dict())
    return Conversion(len(few), difference, quantized)


def _tensorflow(source: Path) -> tuple[Runner, Callable[[Path, Form], None]]:
    """Return the classifier in `source` as TensorFlow runs it, and the function that writes the export."""
    from redacoes.learning.framework import tf

    from redacoes.learning import model

    classifier = model.load(source)
    spec = [tf.TensorSpec([None, None], tf.int64, name=name) for name in ("input_ids", "attention_mask")]

    @model.graph(classifier, spec)
    def forward(input_ids: Any, attention_mask: Any) -> dict[str, Any]:
        inputs = {"input_ids": tf.cast(input_ids, tf.int32), "attention_mask": tf.cast(attention_mask, tf.int32)}
        return {"logits": classifier(inputs, training=False).logits}

    @model.graph(classifier, spec)
    def serving(input_ids: Any, attention_mask: Any) -> dict[str, Any]:
        logits = forward(input_ids, attention_mask)["logits"]
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def write(folder: Path, form: Form) -> None:
        if form == "savedmodel":
            module = tf.Module()
            module.weights, module.serving = classifier.weights, serving
            tf.saved_model.save(module, str(folder), signatures={"serving_default": serving})
        else:
            _write_onnx(forward, spec, folder / ONNX)

    return lambda inputs: forward(**inputs)["logits"].numpy(), write


def _write_onnx(forward: Any, spec: Any, path: Path) -> None:
    import onnx
    import tf2onnx
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")  # used by GELU; tf2onnx 1.17 has no handler for it
    class Erfc:
        @classmethod
        def version_9(cls, context: Any, node: Any, **_: Any) -> None:
            data_type, shape = context.get_dtype(node.output[0]), context.get_shape(node.output[0])
            one = context.make_const(f"{node.name}_one", np.float32(1))
            [name] = node.output
            context.remove_node(node.name)
            erf = context.make_node("Erf", list(node.input), dtypes=[data_type], shapes=[shape])
            context.make_node("Sub", [one.output[0], erf.output[0]], outputs=[name], dtypes=[data_type], shapes=[shape])

    with _quiet():
        model, _ = tf2onnx.convert.from_function(forward, spec, opset=OPSET)
    for tensor in [*model.graph.input, *model.graph.output]:
        for axis, name in zip(tensor.type.tensor_type.shape.dim, ("batch", "length"), strict=True):
            if axis.dim_param:
                axis.dim_param = name
    onnx.save(model, str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress messages of the converters."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _run_onnx(folder: Path) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / ONNX, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], dict(inputs))[0]


def _run_saved_model(folder: Path) -> Runner:
    from redacoes.learning.framework import tf

    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]
    return lambda inputs: serve(**{name: tf.constant(value) for name, value in inputs.items()})["logits"].numpy()


_RUNNERS = {"onnx": _run_onnx, "savedmodel": _run_saved_model}


def _quantize(folder: Path, run: Runner, ids: list[list[int]], pad_id: int, decide: Decide) -> dict[str, float]:
    """Quantise the model in `folder` to 8-bit weights, and return how it differs on all essays."""
    from onnxruntime.quantization import quantize_dynamic

    exact = _logits(run, ids, pad_id)
    quantized = folder / "int8.onnx"
    with _quiet():
        # use 7 of the 8 bits: on processors without VNNI, sums of full 8-bit products saturate
        quantize_dynamic(folder / ONNX, quantized, per_channel=True, reduce_range=True)
    quantized.replace(folder / ONNX)
    rough = _logits(_run_onnx(folder), ids, pad_id)
    same = decide(softmax(exact))[0] == decide(softmax(rough))[0]
    return {"essays": len(ids), "agreement": round(float(same.mean()), 6), "difference": _largest(exact, rough)}


def _spread(ids: list[list[int]], count: int) -> list[list[int]]:
    """Return up to `count` of the lists, spread from the shortest to the longest."""
    ordered = sorted(ids, key=len)
    return [ordered[place] for place in np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)]


def _logits(run: Runner, ids: list[list[int]], pad_id: int) -> NDArray[np.float32]:
    """Return the logits of each list of token ids, float32 ``(rows, classes)``."""
    ragged = Ragged(np.concatenate(ids).astype(np.int32), np.cumsum([0, *map(len, ids)]))
    rows = sorted_batches(ragged.lengths, BATCH)
    found = []
    for batch in tqdm(rows, unit="batch", disable=not sys.stderr.isatty()):
        inputs = ragged.pad(batch, pad_id, 1, 0)
        found.append(run({name: value.astype(np.int64) for name, value in inputs.items()}))
    logits = np.empty((len(ids), found[0].shape[1]), dtype=np.float32)
    logits[np.concatenate(rows)] = np.concatenate(found)
    return logits


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a.astype(np.float64) - b).max())
