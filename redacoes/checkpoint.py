"""The encoder that training starts from: a tokenizer, a configuration and, where there are any, weights.

Nothing here needs TensorFlow: weights are looked at through the safetensors header alone, and copied as they are.
"""

import json
import os
import shutil
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BertConfig,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertTokenizerFast,
)

from redacoes.errors import UserError
from redacoes.params import Checkpoint

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def from_scratch(texts: Iterable[list[str]], checkpoint: Checkpoint, folder: Path) -> None:
    """Train a WordPiece tokenizer and write it beside a configuration with no weights.

    Args:
        texts: Batches of training essays; iterated twice.
        checkpoint: Architecture, sizes and vocabulary.
        folder: Written anew.

    Raises:
        UserError: The texts hold more different characters than the vocabulary has places.
    """
    bert = checkpoint.architecture == "bert"
    vocabulary = train_wordpiece(texts, checkpoint)
    folder.mkdir(parents=True)
    words = folder / "vocab.txt"
    words.write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    kind = BertTokenizerFast if bert else DistilBertTokenizerFast
    tokenizer = kind(
        vocab_file=str(words),
        do_lower_case=checkpoint.lowercase,
        strip_accents=False,
        model_max_length=checkpoint.max_positions,
    )
    tokenizer.save_pretrained(folder)
    common: dict[str, Any] = {"vocab_size": len(vocabulary), "max_position_embeddings": checkpoint.max_positions}
    if bert:
        config = BertConfig(
            hidden_size=checkpoint.width,
            num_hidden_layers=checkpoint.layers,
            num_attention_heads=checkpoint.heads,
            intermediate_size=checkpoint.inner_width,
            **common,
        )
    else:
        config = DistilBertConfig(
            dim=checkpoint.width,
            n_layers=checkpoint.layers,
            n_heads=checkpoint.heads,
            hidden_dim=checkpoint.inner_width,
            **common,
        )
    config.save_pretrained(folder)


def train_wordpiece(texts: Iterable[list[str]], checkpoint: Checkpoint) -> list[str]:
    """Return a WordPiece vocabulary in the order of its ids, the same in every process.

    The trainer numbers continuation characters (``##c``) in the order of a hash map with a random seed, and breaks ties
    between merges by those numbers (tokenizers issue 1794). Both forms of every character are therefore given to it
    first, in sorted order.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=checkpoint.lowercase, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    normalize = tokenizer.normalizer.normalize_str
    alphabet = sorted({c for text in chain.from_iterable(texts) for c in normalize(text) if not c.isspace()})
    fixed = [*SPECIAL, *alphabet, *(f"##{c}" for c in alphabet)]
    if len(fixed) > checkpoint.vocabulary_size:
        raise UserError(
            f"checkpoint.vocabulary_size is {checkpoint.vocabulary_size}, and the training essays hold {len(alphabet)} "
            f"different characters, which need {len(fixed)} places: raise it"
        )
    trainer = trainers.WordPieceTrainer(
        vocab_size=checkpoint.vocabulary_size,
        min_frequency=checkpoint.min_frequency,
        special_tokens=fixed,
        show_progress=False,
    )
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def from_path(source: Path, folder: Path) -> None:
    """Copy a checkpoint in the Hugging Face layout: configuration, tokenizer and safetensors weights, nothing else.

    Args:
        source: A folder with ``config.json``, tokenizer files and ``model.safetensors`` (or its shards and index).
        folder: Written anew.

    Raises:
        UserError: A part is missing or damaged, or the configuration asks for code of its own (``auto_map``).
    """
    if not source.is_dir():
        raise UserError(f"{source} is not a folder; checkpoint.path must name a checkpoint in the Hugging Face layout")
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{source}/config.json cannot be read ({error}); is this a checkpoint's folder?") from error
    if "auto_map" in config:
        raise UserError(f"{source}/config.json asks for code of its own (auto_map), which is never run")
    weights = _weight_files(source)
    tokenizer = [name for name in TOKENIZER_FILES if (source / name).is_file()]
    folder.mkdir(parents=True)
    for name in ["config.json", *tokenizer, *weights]:
        shutil.copyfile(source / name, folder / name)
    try:
        AutoConfig.from_pretrained(folder)
        load_tokenizer(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        detail = str(error).replace(str(folder), str(source)).split("\n")[0]
        raise UserError(f"{source} is not a checkpoint with a tokenizer that transformers knows: {detail}") from error


def _weight_files(source: Path) -> list[str]:
    if (source / WEIGHTS).is_file():
        names = [WEIGHTS]
    elif (source / INDEX).is_file():
        shards = json.loads((source / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        names = sorted(set(shards))
        if any(Path(name).name != name for name in names):
            raise UserError(f"{source / INDEX} names a shard outside its own folder")
    else:
        raise UserError(f"{source} has no {WEIGHTS}; pickled weights (.bin) are never loaded: convert them elsewhere")
    for name in names:
        try:
            with safe_open(source / name, framework="numpy"):
                pass
        except (OSError, SafetensorError) as error:
            raise UserError(f"{source / name} is not a whole safetensors file ({error})") from error
    return names if names == [WEIGHTS] else [INDEX, *names]


def load_tokenizer(folder: str | Path) -> Any:
    """Return the fast tokenizer in `folder`."""
    return AutoTokenizer.from_pretrained(folder, use_fast=True)


def longest_input(folder: str | Path) -> int:
    """Return how many tokens, special ones included, the encoder in `folder` has positions for."""
    config = AutoConfig.from_pretrained(folder)
    positions: int = config.max_position_embeddings
    if "roberta" in config.model_type:  # whose positions are counted from the padding id on
        positions -= config.pad_token_id + 1
    return positions


def has_weights(folder: str | Path) -> bool:
    """Tell whether `folder` holds safetensors weights."""
    return any((Path(folder) / name).is_file() for name in (WEIGHTS, INDEX))
