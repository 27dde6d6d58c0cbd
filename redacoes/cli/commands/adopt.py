"""Take a file of essays of your own: look at it, copy it to data/, and set the parameters that it needs."""

import argparse
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

from redacoes.errors import UserError, nearest
from redacoes.formatting import table
from redacoes.layout import PARAMS

DATA = Path("data")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a .csv, .tsv, .xlsx, .xls or .ods file, with a header")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    parser.add_argument("--essay-column", metavar="NAME", help="where the essay stands")
    parser.add_argument("--score-column", metavar="NAME", help="where its score stands")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--group-column", metavar="NAME", help="what may not stand on two sides of the split: the theme")
    group.add_argument("--no-group", dest="group_column", action="store_const", const="", help="nothing of that kind")
    parser.add_argument("--scale", metavar="N", type=float, help="the highest score that the file can hold")
    parser.add_argument("--sheet", metavar="NAME", help="of a workbook (the first that is not empty)")
    parser.add_argument("--delimiter", metavar="C", help="between the fields of a CSV")
    parser.add_argument("--encoding", help="of a CSV")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes import parameters_file, params
    from redacoes.essays.adoption import Asked, look
    from redacoes.files import temporary_folder

    source: Path = options.file
    if source.is_dir():
        raise UserError(f"{source} is a folder; name a file in it")
    if not source.is_file():
        siblings = [other.name for other in source.parent.glob("*")]
        raise UserError(f"{source} does not exist{nearest(source.name, siblings)}")
    target = _target(source)
    asked = Asked(
        options.essay_column,
        options.score_column,
        options.group_column,
        options.scale,
        options.sheet,
        options.delimiter,
        options.encoding,
    )
    with temporary_folder() as folder:
        draft = folder / target.name
        findings = look(source, asked, params.load(PARAMS), target.as_posix(), draft)
        values = {key: parameters_file.written(value) for key, value, _ in findings}
        print(table(["key", "value", "why"], [[key, values[key] or "null", why] for key, _, why in findings]))
        _, changed = parameters_file.edited(Path(PARAMS), values)
        if options.dry_run:
            print(f"nothing was written; of params.yaml, {len(changed)} values would change", file=sys.stderr)
            return 0
        new = not target.exists()
        try:
            if new or not target.samefile(source):
                draft.replace(target)
            _dvc_add(target)
            parameters_file.edit(Path(PARAMS), values)
        except KeyboardInterrupt:
            print("interrupted; run it again", file=sys.stderr)
            return 130
        finally:
            if new and not target.with_name(f"{target.name}.dvc").exists():
                target.unlink(missing_ok=True)  # which would stand in the way of the next call
    print(
        f"{target} is tracked by DVC; of params.yaml, {len(changed)} values have changed. Next:\n"
        f"  git add {target}.dvc {PARAMS} && git commit -m 'Adopt {target.name}'\n"
        "  dvc repro",
        file=sys.stderr,
    )
    return 0


def _target(source: Path) -> Path:
    """Return the path for a file: its name, with only characters that are safe in shells and URLs."""
    plain = unicodedata.normalize("NFKD", source.stem).encode("ascii", "ignore").decode()
    target = DATA / f"{re.sub('[^A-Za-z0-9_-]+', '-', plain).strip('-') or 'essays'}.csv"
    if target == DATA / "sample.csv":
        raise UserError(f"{target} is what the workflow itself makes; name {source} otherwise")
    if target.exists() and not target.samefile(source) and not target.with_name(f"{target.name}.dvc").exists():
        raise UserError(f"{target} exists already, and DVC does not track it; move it away, or name {source} otherwise")
    return target


def _dvc_add(target: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", str(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = told[0] if told else f"status {done.returncode}"
        raise UserError(f"dvc add {target} failed ({reason}); params.yaml is as it was")
