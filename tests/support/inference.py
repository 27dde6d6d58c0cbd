"""Tiny checkpoints for natural language inference, for the stage zero_shot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS

LABELS = ("CONTRADICTION", "neutral", "Entailment")
LENGTH = 48  # tokens, which some essays exceed
# with few buckets, the last one depends on TensorFlow's rounding, which differs between eager and traced
POSITIONS = 64
AS_V3 = {
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
}


def inference_model(folder: Path, model: Any, texts: Sequence[str], family: str, **config: Any) -> Path:
    """Write a checkpoint in PyTorch's layout whose answers differ between scores, and return its folder.

    Args:
        folder: An empty folder.
        model: The module `redacoes.learning.model`.
        texts: What its tokenizer learns from.
        family: bert or deberta-v2.
        config: Changes to the default configuration.
    """
    import tf_keras
    from transformers import AutoConfig, TFAutoModelForSequenceClassification

    small = {"architecture": "bert", "vocabulary_size": 200, "max_positions": LENGTH}
    wordpiece.from_scratch([texts], PARAMS.checkpoint.model_copy(update=small), folder / "words")
    tokenizer = checkpoint.load_tokenizer(folder / "words")
    settings = {
        "vocab_size": len(tokenizer) + 5,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.6,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {name: number for number, name in enumerate(LABELS)},
        **(AS_V3 if family == "deberta-v2" else {}),
        **config,
    }
    tf_keras.utils.set_random_seed(1)
    classifier = TFAutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **settings))
    classifier.build_in_name_scope()
    model.save(classifier, tokenizer, folder / "nli")
    return folder / "nli"
