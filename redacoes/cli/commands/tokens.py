"""What the model sees of one essay: tokens, ids, and where it is cut."""

import argparse
import json
from itertools import groupby
from typing import Any

from redacoes.cli import essay
from redacoes.formatting import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    essay.add_argument(parser)
    parser.add_argument("--json", action="store_true", help="for a program")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    text = essay.read(options.file)
    from redacoes.inference import resolve
    from redacoes.inference.scorer import tokenization
    from redacoes.learning import tokens

    with resolve.found(options.model) as folder:
        _, tokenizer, tokenize = tokenization(folder, options.model)
    view = tokens.view(tokenizer, text, tokenize)
    seen = set(view.kept)
    found = {
        "file": options.file,
        "text": text,
        "max_length": tokenize.max_length,
        "truncation": tokenize.truncation,
        "truncated": len(seen) < len(view.ids),
        "unknown": view.ids.count(tokenizer.unk_token_id),
        # one text for each run of tokens between two cuts
        "decoded": [tokenizer.decode([view.ids[place] for place in run]) for run in _runs(view.kept)],
        "tokens": [
            {"token": piece, "id": id, "begin": begin, "end": end, "special": special, "seen": place in seen}
            for place, (piece, id, (begin, end), special) in enumerate(
                zip(view.pieces, view.ids, view.spans, view.special, strict=True)
            )
        ],
    }
    essay.show(json.dumps(found, indent=2, ensure_ascii=False) if options.json else _page(found))
    return 0


def _runs(places: list[int]) -> list[list[int]]:
    """Split ascending numbers into runs of consecutive ones."""
    return [[place for _, place in run] for _, run in groupby(enumerate(places), key=lambda item: item[1] - item[0])]


def _page(found: dict[str, Any]) -> str:
    seen = sum(token["seen"] for token in found["tokens"])
    cut = f"sees {seen} of them ({found['truncation']})" if found["truncated"] else "sees all of them"
    lines = [
        f"{found['file']}: {len(found['tokens'])} tokens, special ones included, of which {found['unknown']} unknown; "
        f"the model takes {found['max_length']} at most, and {cut}",
        "",
    ]
    rows = []
    for place, token in enumerate(found["tokens"]):
        text = found["text"][token["begin"] : token["end"]].replace("\n", "⏎")
        note = "added" if token["special"] else "" if token["seen"] else "not seen"
        rows.append([str(place), str(token["id"]), token["token"], text, note])
    lines += [table(["place", "id", "token", "text", ""], rows), "", "decoded again:"]
    lines.append("\n[… not seen …]\n".join(found["decoded"]))
    return "\n".join(lines)
