"""The data set that training reads: the token ids of essays, with their scores as labels."""

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
        batches: Of `row`, `essay`, `score` and `group`, as the splits have them.
        labels: The classes.
        tokenizer: A fast transformers tokenizer.
        tokenize: The length, and which end of an essay is cut.
        path: The file to write.

    Returns:
        The data set, memory-mapped: `row`, `input_ids` (int32), `labels` and `group`; and the tokens of each essay
        before it was cut.
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
