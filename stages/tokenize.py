"""Turn the splits into Arrow caches of token ids: python -m stages.tokenize."""

import sys
from itertools import chain
from math import ceil

from tqdm import tqdm

from redacoes.errors import warn
from redacoes.essays import arrow
from redacoes.files import staged, write_json
from redacoes.learning import checkpoint, token_cache, tokens
from redacoes.params import Params
from redacoes.stage import run


def main(params: Params) -> None:
    """Write `data/tokenized/` and `metrics/tokens.json`."""
    splits, tokenize = arrow.load("data/splits"), params.tokenize
    tokenizer = checkpoint.load_tokenizer("models/base")
    longest = checkpoint.longest_input("models/base")
    tokens.require_positions(tokenize, longest)
    with staged("data/tokenized", "metrics/tokens.json") as [folder, summary]:
        parts, lengths = {}, {}
        for name in list(splits):
            part = splits.pop(name)  # so that its memory map is closed before the next one is read
            batches = tqdm(
                part.iter(batch_size=tokenize.batch_size),
                total=ceil(len(part) / tokenize.batch_size),
                unit="batch",
                disable=not sys.stderr.isatty(),
            )
            labels, path = part.features["score"], folder.with_name(f"{name}.arrow")
            parts[name], lengths[name] = token_cache.write(batches, labels, tokenizer, tokenize, path)
        arrow.save(parts, folder)
        write_json(summary, {name: tokens.summary(counts, tokenize) for name, counts in lengths.items()})
    if told := tokens.cut(list(chain(*lengths.values())), tokenize, longest):
        warn(told)


if __name__ == "__main__":
    run(main)
