"""Tiny checkpoints of every supported family, as their authors publish them, in PyTorch's layout."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from safetensors.numpy import save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoConfig

from redacoes.learning.wordpiece import train_wordpiece
from tests.support import PARAMS

TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação {n % 7}!" for n in range(60)]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}


def wordpiece(folder: Path) -> dict[str, Any]:
    """Write `vocab.txt`, the one file of a slow BERT tokenizer."""
    words = train_wordpiece([TEXTS], PARAMS.checkpoint.model_copy(update={"vocabulary_size": 150}))
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return {"do_lower_case": False}


def byte_level(*special: str) -> Callable[[Path], dict[str, Any]]:
    """Return a function that writes `vocab.json` and `merges.txt`, the files of a slow RoBERTa tokenizer."""

    def write(folder: Path) -> dict[str, Any]:
        tokenizer = ByteLevelBPETokenizer()
        tokenizer.train_from_iterator(TEXTS, vocab_size=320, special_tokens=list(special), show_progress=False)
        tokenizer.save_model(str(folder))
        return {}

    return write


def pieces(name: str, *special: str) -> Callable[[Path], dict[str, Any]]:
    """Return a function that writes a sentencepiece model, the one file of a slow tokenizer of this kind."""

    def write(folder: Path) -> dict[str, Any]:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS),
            model_prefix=str(folder / "pieces"),
            vocab_size=70,
            hard_vocab_limit=False,
            user_defined_symbols=list(special),
            pad_id=0 if special else -1,
            unk_id=1 if special else 0,
            bos_id=-1 if special else 1,
            eos_id=-1 if special else 2,
            minloglevel=9,
        )
        (folder / "pieces.model").rename(folder / name)
        (folder / "pieces.vocab").unlink()
        return {}

    return write


FAMILIES: dict[str, tuple[Callable[[Path], dict[str, Any]], str, dict[str, Any]]] = {
    "distilbert": (wordpiece, "DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
    "bert": (wordpiece, "Bert", {}),
    "electra": (wordpiece, "Electra", {"embedding_size": 8}),
    "roberta": (byte_level("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "Roberta", {"pad_token_id": 1}),
    "xlm-roberta": (pieces("sentencepiece.bpe.model"), "XLMRoberta", {"pad_token_id": 1}),
    "camembert": (pieces("sentencepiece.bpe.model"), "Camembert", {"pad_token_id": 1}),
    "albert": (pieces("spiece.model", "[CLS]", "[SEP]", "[MASK]"), "Albert", {"embedding_size": 8}),
    "deberta": (
        byte_level("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"),
        "Deberta",
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    ),
    "deberta-v2": (
        pieces("spm.model", "[CLS]", "[SEP]", "[MASK]"),
        "DebertaV2",
        {  # those of DeBERTa-v3
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
}


def published(folder: Path, family: str, model: Any) -> dict[str, np.ndarray]:
    """Write a checkpoint with a masked-language-model head, and more ids than its tokenizer has."""
    import transformers

    folder.mkdir()
    tokenizer_files, name, values = FAMILIES[family]
    settings = tokenizer_files(folder)
    kind = f"{name}Tokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, **settings}))
    sizes = {} if family == "distilbert" else SIZES
    config = AutoConfig.for_model(family, vocab_size=400, **{**sizes, **values})
    (folder / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": [f"{name}ForMaskedLM"]}))
    classifier = getattr(transformers, f"TF{name}ForMaskedLM")(config)
    classifier.build_in_name_scope()
    weights = model.to_pytorch(classifier)
    write(folder, weights)
    return weights


def write(folder: Path, weights: dict[str, np.ndarray], shards: int = 1) -> None:
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, edges = sorted(weights), np.linspace(0, len(weights), shards + 1).astype(int)
    places = {}
    for number, (start, end) in enumerate(pairwise(edges), 1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        save_file({name: weights[name] for name in names[start:end]}, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names[start:end], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
