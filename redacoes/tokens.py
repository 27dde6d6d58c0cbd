"""Token ids of essays: what of a long essay the model sees."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from redacoes.params import Tokenize

HEAD_SHARE = (
    0.25  # of head_tail: the first 128 of 512 tokens and the rest from the end (Sun et al., 2019, section 5.3.1)
)


def encode(tokenizer: Any, texts: Sequence[str], tokenize: Tokenize) -> tuple[list[list[int]], list[int]]:
    """Tokenize texts, special tokens included, to at most ``max_length`` tokens.

    Args:
        tokenizer: A fast transformers tokenizer.
        texts: The essays.
        tokenize: The length and which end of the essay is cut.

    Returns:
        The ids of each text, and how many tokens each had before it was cut.
    """
    # not by calling the tokenizer: transformers makes lists of all that it knows of a text, a fifth of the time
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # "[SEP]" written in an essay is text, and must not end it
    ids, lengths = [], []
    for text in backend.encode_batch_fast(list(texts)):
        whole = text.ids
        lengths.append(len(whole))
        ids.append(whole if len(whole) <= tokenize.max_length else truncate(whole, text.special_tokens_mask, tokenize))
    return ids, lengths


def truncate(ids: list[int], special: list[int], tokenize: Tokenize) -> list[int]:
    """Cut the body of `ids`, and keep the special tokens (where `special` is 1) at its two ends.

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
