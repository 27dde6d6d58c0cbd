"""The Arrow cache of token ids, with scores as labels, that training reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, List, Value

from redacoes.essays import arrow
from redacoes.learning import tokens
from redacoes.params import Tokenize


def write(
    batches: Iterable[Mapping[str, Sequence[Any]]], labels: ClassLabel, tokenizer: Any, tokenize: Tokenize, path: Path
) -> tuple[Dataset, list[int]]:
    """Tokenize essays into an Arrow file.

    Args:
        batches: Columns `row`, `essay`, `score` and `group` of the splits, in batches.
        labels: The classes.
        tokenizer: A fast transformers tokenizer.
        tokenize: Length and truncation.
        path: The file to write.

    Returns:
        The memory-mapped data set with `row`, `input_ids` (int32), `labels` and `group`; and the number of tokens of
        each essay before truncation.
    """
    lengths: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for batch in batches:
            ids, whole = tokens.encode(tokenizer, batch["essay"], tokenize)
            lengths.extend(whole)
            for row, input_ids, label, group in zip(batch["row"], ids, batch["score"], batch["group"], strict=True):
                yield {"row": row, "input_ids": input_ids, "labels": label, "group": group}

    kinds = {"row": Value("int64"), "input_ids": List(Value("int32")), "labels": labels, "group": Value("int64")}
    return arrow.write(rows(), Features(kinds), path), lengths
