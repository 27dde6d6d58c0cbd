"""Token ids of essays, and truncation of long ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from redacoes.errors import UserError
from redacoes.params import Tokenize

MANY = 0.1  # share of truncated essays above which there is a warning
HEAD_SHARE = (
    0.25  # of head_tail: the first 128 of 512 tokens and the rest from the end (Sun et al., 2019, section 5.3.1)
)


def encode(tokenizer: Any, texts: Sequence[str], tokenize: Tokenize) -> tuple[list[list[int]], list[int]]:
    """Tokenize texts, special tokens included, to at most ``max_length`` tokens.

    Args:
        tokenizer: A fast transformers tokenizer.
        texts: The essays.
        tokenize: Length and truncation.

    Returns:
        The ids of each text, and its number of tokens before truncation.
    """
    ids, lengths = [], []
    for text in _backend(tokenizer).encode_batch_fast(list(texts)):
        whole = text.ids
        lengths.append(len(whole))
        ids.append(whole if len(whole) <= tokenize.max_length else truncate(whole, text.special_tokens_mask, tokenize))
    return ids, lengths


def require_positions(tokenize: Tokenize, longest: int) -> None:
    """Raise UserError if the encoder in models/base has fewer positions than essays may have tokens."""
    if tokenize.max_length > longest:
        raise UserError(
            f"tokenize.max_length is {tokenize.max_length}, and the encoder in models/base has positions for "
            f"{longest} tokens: lower it"
        )


def _backend(tokenizer: Any) -> Any:
    # the backend alone: transformers builds lists of everything, which takes a fifth of the time
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "[SEP]" written in an essay is text, and must not end it
    return backend


@dataclass(frozen=True)
class Tokens:
    """One text as the model sees it, and the part that is cut.

    Attributes:
        pieces: Each token as in the vocabulary, special tokens included.
        ids: Their ids.
        spans: The span of each in the text, in characters: ``(begin, end)``; empty for special tokens.
        special: Whether each is a special token.
        kept: Indices of the tokens that remain after truncation, in order.
    """

    pieces: list[str]
    ids: list[int]
    spans: list[tuple[int, int]]
    special: list[bool]
    kept: list[int]


def view(tokenizer: Any, text: str, tokenize: Tokenize) -> Tokens:
    """Tokenize one text as :func:`encode` does, with the span of each token."""
    found = _backend(tokenizer).encode(text)
    kept = truncate(list(range(len(found.ids))), found.special_tokens_mask, tokenize)
    return Tokens(found.tokens, found.ids, found.offsets, [mask == 1 for mask in found.special_tokens_mask], kept)


def truncate(ids: list[int], special: list[int], tokenize: Tokenize) -> list[int]:
    """Truncate the body of `ids`, and keep the special tokens (where `special` is 1) at both ends.

    head keeps the first tokens, tail the last, head_tail a quarter from the front and the rest from the end (Sun, Qiu,
    Xu and Huang, 2019, "How to Fine-Tune BERT for Text Classification?", arXiv:1905.05583).
    """
    if len(ids) <= tokenize.max_length:
        return ids
    begin = special.index(0)
    end = len(special) - special[::-1].index(0)
    room = tokenize.max_length - begin - (len(ids) - end)
    head = {"head": room, "tail": 0, "head_tail": int(room * HEAD_SHARE)}[tokenize.truncation]
    tail = room - head
    return ids[: begin + head] + ids[end - tail :]


def summary(lengths: Sequence[int], tokenize: Tokenize) -> dict[str, float]:
    """Return quantiles of the lengths before truncation, in tokens, and the share of essays that were cut."""
    array = np.asarray(lengths)
    q25, median, q75 = np.quantile(array, [0.25, 0.5, 0.75])
    return {
        "tokens": int(array.sum()),
        "min": int(array.min()),
        "q25": float(q25),
        "median": float(median),
        "q75": float(q75),
        "max": int(array.max()),
        "share_truncated": round(float((array > tokenize.max_length).mean()), 6),
    }


def cut(lengths: Sequence[int], tokenize: Tokenize, longest: int) -> str:
    """Return a warning if more than a tenth of the essays is truncated, else an empty string.

    Args:
        lengths: Tokens of each essay before truncation.
        tokenize: Length and truncation.
        longest: Number of the encoder's positions.
    """
    share = float((np.asarray(lengths) > tokenize.max_length).mean())
    if share <= MANY:
        return ""
    raise_it = (
        f"raise tokenize.max_length, up to {longest}"
        if tokenize.max_length < longest
        else (f"the encoder has positions for no more than {longest}")
    )
    return f"{share:.0%} of the essays have more than {tokenize.max_length} tokens and are cut: {raise_it}"
