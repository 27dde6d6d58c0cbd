"""Tiny encoders of every family with weights, and essays for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value
from safetensors.numpy import save_file
from transformers import AutoConfig

from redacoes.params import Settled

TRAIN = Settled(
    epochs=2,
    batch_size=8,
    drop_last=False,
    batching="length",
    pad_to_multiple_of=8,
    learning_rate=1e-3,
    head_learning_rate=None,
    schedule="linear",
    warmup=0.1,
    weight_decay=0.01,
    adam_beta1=0.9,
    adam_beta2=0.999,
    adam_epsilon=1e-8,
    gradient_clip_norm=1.0,
    label_spread=0.8,
    class_weights="none",
    frozen_layers=1,
    probe=True,
    probe_penalty=None,
    dropout=0.1,
    attention_dropout=0.1,
    classifier_dropout=0.0,
    early_stopping_patience=0,
    keep="best",
    precision="float32",
    seed=3,
    threads=2,
    accumulate=1,
    portable=False,
    workers=1,
)
SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
FAMILIES: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "bert": {},
    "roberta": {},
    "xlm-roberta": {},
    "camembert": {},
    "electra": {"embedding_size": 8},  # differs from the hidden size, with a projection between
    "albert": {"embedding_size": 8},
    "deberta": {**DEBERTA, "type_vocab_size": 0},
    "deberta-v2": {**DEBERTA, "type_vocab_size": 0, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True},
}  # fmt: skip
LABELS = [str(score) for score in range(5)]


def checkpoint(folder: Path, family: str, model: Any, scale: float = 4.0) -> Path:
    """A published encoder, with larger weights than a new one, so that its output depends on the tokens."""
    import transformers

    config = AutoConfig.for_model(family, **{**SIZES, **FAMILIES[family]})
    encoder = transformers.TFAutoModelForSequenceClassification.from_config(config)
    encoder.build_in_name_scope()
    random = np.random.default_rng(5)
    weights = {
        name: value * scale + (random.normal(scale=0.1, size=value.shape) if value.ndim == 1 else 0)
        if name.endswith(("weight", "bias")) and "LayerNorm" not in name and "layer_norm" not in name
        else value
        for name, value in model.to_pytorch(encoder).items()
        if name.startswith(encoder.base_model_prefix) and ".pooler." not in name
    }
    folder.mkdir(parents=True)
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    return folder


def essays(count: int, seed: int = 0) -> Dataset:
    """Essays of random tokens, a third of which encode the score, so that a head on a frozen encoder can learn it."""
    random = np.random.default_rng(seed)
    scores = random.integers(5, size=count)
    ids = []
    for score in scores:
        tokens = random.integers(20, 60, random.integers(6, 20))
        tokens[random.random(len(tokens)) < 1 / 3] = 10 + score
        ids.append([2, *tokens.tolist()])
    features = Features({"row": Value("int64"), "input_ids": List(Value("int32")), "labels": ClassLabel(names=LABELS)})
    rows = {"row": list(range(count)), "input_ids": ids, "labels": scores.tolist()}
    return Dataset.from_dict(rows, features=features)
