"""Which sentences and words of one essay moved its expected score?"""

import argparse
import json
import os
import sys
from pathlib import Path

from redacoes.cli import essay
from redacoes.cli.options import add_backend, writable
from redacoes.errors import UserError
from redacoes.files import write_whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    essay.add_argument(parser)
    add_backend(parser, "onnx tells sentences apart, not words")
    parser.add_argument("--by", choices=("sentence", "word", "both"), help="both, or sentence with the backend onnx")
    parser.add_argument(
        "--neighbours", metavar="N", type=int, default=0, help="the N training essays most like it, of models/scorer"
    )
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write a page that needs nothing else")
    parser.add_argument("--language", choices=("pt", "en"), help="of that page; the locale's, or else pt")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    if options.neighbours < 0:
        raise UserError("--neighbours must be 0 or more")
    of_essay = {"the file of the essay": Path(options.file)} if options.file != "-" else {}
    target = writable(options.html, "--html", of_essay) if options.html else None
    text = essay.read(options.file)
    from redacoes.explain.attribution import integrated_gradients, score_with_occlusion
    from redacoes.explain.neighbours import Neighbours
    from redacoes.explain.page import page
    from redacoes.explain.report import Explanation
    from redacoes.explain.sentences import sentences
    from redacoes.inference.scorer import Scorer
    from redacoes.languages import of_locale

    by = options.by or ("sentence" if options.backend == "onnx" else "both")
    progress = sys.stderr.isatty()
    scorer = Scorer.load(options.model, options.backend)
    neighbours = Neighbours.load(scorer) if options.neighbours else None
    reading = scorer.read(text, cleaned=True)
    spans = sentences(text) if by != "word" else []
    score, effects = score_with_occlusion(scorer, reading, spans, progress)
    nearest, far = neighbours.compare(reading, options.neighbours) if neighbours else (None, None)
    found = Explanation(
        name=Path(options.file).name if options.file != "-" else "standard input",
        model=options.model,
        text=text,
        score=score,
        most=scorer.tokenize.max_length,
        sentences=list(effects) if by != "word" else None,
        words=integrated_gradients(scorer, reading, progress=progress) if by != "sentence" else None,
        neighbours=nearest,
        far=far,
    )
    if target:
        write_whole(target, page(found, options.language or of_locale()))
    if options.json:
        essay.show(json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    elif target:
        print(f"{options.html}: {found.headline()}")
    else:
        essay.show(found.to_terminal(_takes_colour()))
    return 0


def _takes_colour() -> bool:
    """Tell whether the output is a terminal with colour, and NO_COLOR is unset (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
