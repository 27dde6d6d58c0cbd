"""A very fast model without TensorFlow: an export for ONNX Runtime that sums over tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from redacoes.essays import synthetic
from redacoes.evaluation.decision import Decision
from redacoes.files import read_json, write_json
from redacoes.inference.metadata import portable_config
from redacoes.learning import wordpiece
from tests.support import PARAMS

CLASSES = 11
LENGTH = 64  # tokens that the model sees, at most
NAMED = {"id2label": {str(k): str(k) for k in range(CLASSES)}, "label2id": {str(k): k for k in range(CLASSES)}}


def tiny_model(folder: Path, seed: int = 1, scale: float | None = None) -> Path:
    """Write the model: its logits are the sum of a seeded random row for each token.

    `scale` is the highest score of its training data, as its configuration records it.
    """
    texts = [row["essay"] for row in synthetic.essays(60, 5)]
    wordpiece.from_scratch([texts], PARAMS.checkpoint, folder)
    made_by: dict[str, Any] = {"tokenize": {"max_length": LENGTH, "truncation": "head_tail"}}
    if scale:
        made_by["scale"] = {"score_scale": scale, "max_score": CLASSES - 1}
    config = read_json(folder / "config.json") | NAMED
    write_json(folder / "config.json", portable_config(config, Decision("expected"), made_by))
    table = np.random.default_rng(seed).normal(0, 0.3, (config["vocab_size"], CLASSES)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["of_tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["of_tokens", "column"], ["seen"]),
        helper.make_node("ReduceSum", ["seen", "first"], ["logits"], keepdims=0),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", CLASSES])
    constants = {"table": table, "last": np.array([2]), "first": np.array([1])}
    of_names = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [logits], of_names)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "model.onnx")
    return folder
