"""Score a file of essays: CSV, workbook, JSON lines or Parquet."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from redacoes.cli.options import add_backend, add_model, writable
from redacoes.errors import UserError
from redacoes.files import write_whole

SHOWN = 20  # rejected rows that are reported one by one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "essays",
        metavar="FILE",
        help="a .csv, .tsv, .xlsx, .xls, .ods, .jsonl or .parquet file, or - for standard input",
    )
    parser.add_argument(
        "--out", metavar="FILE", required=True, type=Path, help="a .csv, .tsv, .xlsx, .jsonl or .parquet file"
    )
    add_model(parser)
    add_backend(parser)
    parser.add_argument("--text-column", metavar="NAME", default="essay", help="where the essay stands (%(default)s)")
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook (the first that is not empty)")
    parser.add_argument("--delimiter", metavar="C", help="between the fields of a CSV (what its header says)")
    parser.add_argument("--encoding", help="of a CSV or of JSON lines (UTF-8, UTF-16 or Windows-1252: what it is)")
    parser.add_argument("--excel", choices=["br"], help="write a CSV as Excel opens it in Brazil: ; and decimal commas")
    parser.add_argument("--points", action="store_true", help="also write scores in the points of what was learnt from")
    parser.add_argument("--resume", action="store_true", help="go on where a run to the same file was stopped")
    parser.add_argument("--rejects", metavar="FILE", type=Path, help="write rows that cannot be scored, as JSON lines")
    parser.add_argument("--strict", action="store_true", help="stop at the first row that cannot be scored")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes.essays.scoring_input import STDIN, EssayFile

    others = {"the file of essays": Path(options.essays)} if options.essays != STDIN else {}
    writable(options.out, "--out", others)
    if options.rejects:
        writable(options.rejects, "--rejects", {**others, "--out": options.out})
    source = EssayFile(options.essays, options.text_column, options.delimiter, options.encoding, sheet=options.sheet)
    if not source.has_rows:  # checked before a model is loaded in vain
        raise UserError(f"{source.name} has no row that can be scored")

    from redacoes.inference.batch import Output
    from redacoes.inference.scorer import Scorer

    with Output(options.out, options.resume, options.excel == "br") as output:
        rejected = _Rejects(options.strict, output.parts / "rejects", source.name)
        try:
            scorer = Scorer.load(options.model, options.backend)
            if options.points and scorer.points is None:
                raise UserError(f"{options.model} does not say in which points its data was scored; leave --points out")
            _score(source, scorer, output, rejected, options.points)
        except KeyboardInterrupt:
            print(f"interrupted; nothing was written to {options.out}, and --resume goes on", file=sys.stderr)
            return 130
        rejected.finish(options.rejects)
        output.finish(source.schema)
    return 0


def _score(source: Any, scorer: Any, output: Any, rejected: "_Rejects", points: bool) -> None:
    from tqdm import tqdm

    from redacoes.inference.batch import BatchProgress, score

    start, progress = time.monotonic(), BatchProgress()
    with tqdm(unit=" essays", disable=not sys.stderr.isatty()) as bar:
        for progress in score(source, scorer, output, rejected.add, scorer.points if points else None):
            if progress.share:
                bar.total = round(progress.scored / progress.share)
            bar.update(progress.scored - bar.n)
    if not progress.scored:
        reason = f"; the first, {rejected.first}" if rejected.first else ""
        raise UserError(f"{source.name} has no row that can be scored{reason}")
    seconds = time.monotonic() - start
    print(
        f"{progress.scored} essays scored in {seconds:.0f} s, "
        f"{(progress.scored - progress.resumed) / max(seconds, 1e-3):.0f} a second"
        + (f"; {progress.resumed} of them before" if progress.resumed else "")
        + (f"; {progress.rejected} rows rejected" if progress.rejected else ""),
        file=sys.stderr,
    )


class _Rejects:
    """Rows that cannot be scored: they are reported, and written to a file whole or not at all."""

    def __init__(self, strict: bool, draft: Path, name: str) -> None:
        self.strict, self.draft, self.name, self.first = strict, draft, name, ""
        self.count = 0
        draft.write_text("", encoding="utf-8")

    def add(self, row: Any) -> None:
        place = f"{self.name}, line {row.line}: {row.reason}"
        if self.strict:
            raise UserError(f"{place}; correct it, and --resume goes on")
        self.first = self.first or f"line {row.line}: {row.reason}"
        self.count += 1
        if self.count <= SHOWN:
            print(f"rejected: {place}", file=sys.stderr)
        elif self.count == SHOWN + 1:
            print("rejected: and more, which are counted", file=sys.stderr)
        with self.draft.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(vars(row), ensure_ascii=False, default=str) + "\n")

    def finish(self, target: Path | None) -> None:
        if target:
            write_whole(target, self.draft.read_text(encoding="utf-8", errors="backslashreplace"))
