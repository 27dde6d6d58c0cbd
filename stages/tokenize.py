"""Turn the splits into Arrow caches of token ids: python -m stages.tokenize."""

import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

from datasets import Dataset, Features, List, Value
from tqdm import tqdm

from redacoes import arrow, checkpoint, tokens
from redacoes.files import staged, write_json
from redacoes.params import Params, Tokenize
from redacoes.stage import run, warn


def encoded(part: Dataset, tokenizer: Any, tokenize: Tokenize, lengths: list[int]) -> Iterator[dict[str, Any]]:
    """Yield id, token ids, label and group of a split's rows, and add the lengths before truncation to `lengths`."""
    with tqdm(total=len(part), unit="essay", disable=not sys.stderr.isatty()) as progress:
        for batch in part.iter(batch_size=tokenize.batch_size):
            ids, whole = tokens.encode(tokenizer, batch["essay"], tokenize)
            lengths.extend(whole)
            for row, input_ids, label, group in zip(batch["row"], ids, batch["score"], batch["group"], strict=True):
                yield {"row": row, "input_ids": input_ids, "labels": label, "group": group}
            progress.update(len(ids))


def main(params: Params) -> None:
    """Write `data/tokenized/` and `metrics/tokens.json`."""
    splits = arrow.load("data/splits")
    tokenizer = checkpoint.load_tokenizer("models/base")
    longest = checkpoint.longest_input("models/base")
    tokens.require_positions(params.tokenize, longest)
    with staged("data/tokenized", "metrics/tokens.json") as [folder, summary]:
        parts, lengths = {}, {}
        for name, part in splits.items():
            features = Features(
                {
                    "row": Value("int64"),
                    "input_ids": List(Value("int32")),
                    "labels": part.features["score"],
                    "group": Value("int64"),
                }
            )
            lengths[name] = []
            rows = encoded(part, tokenizer, params.tokenize, lengths[name])
            parts[name] = arrow.write(rows, features, folder.with_name(f"{name}.arrow"))
        arrow.save(parts, folder)
        write_json(summary, {name: tokens.summary(counts, params.tokenize) for name, counts in lengths.items()})
    if told := tokens.cut(list(chain(*lengths.values())), params.tokenize, longest):
        warn(told)


if __name__ == "__main__":
    run(main)
