"""An encoder from scratch: a WordPiece tokenizer trained on the training essays, and a configuration."""

import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import BertConfig, BertTokenizerFast, DistilBertConfig, DistilBertTokenizerFast

from redacoes.errors import UserError
from redacoes.params import Checkpoint

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def from_scratch(texts: Iterable[list[str]], checkpoint: Checkpoint, folder: Path) -> None:
    """Train a WordPiece tokenizer and write it beside a configuration with no weights.

    Args:
        texts: Batches of training essays; iterated twice.
        checkpoint: Architecture, sizes and vocabulary.
        folder: The new folder.

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
            hidden_size=checkpoint.hidden_size,
            num_hidden_layers=checkpoint.num_layers,
            num_attention_heads=checkpoint.num_heads,
            intermediate_size=checkpoint.intermediate_size,
            **common,
        )
    else:
        config = DistilBertConfig(
            dim=checkpoint.hidden_size,
            n_layers=checkpoint.num_layers,
            n_heads=checkpoint.num_heads,
            hidden_dim=checkpoint.intermediate_size,
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
