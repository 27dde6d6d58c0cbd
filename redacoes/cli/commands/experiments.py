"""What experiments differ in, and how well they grade, in 120 columns."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redacoes.formatting import fitted, number

if TYPE_CHECKING:
    from redacoes.tracking.experiments import Experiment

WIDTH = 120  # columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "revisions", metavar="REV", nargs="*", help="a branch, tag or commit that experiments began from (HEAD)"
    )
    parser.add_argument("--all", action="store_true", help="every commit that experiments began from")
    parser.add_argument("--json", action="store_true", help="for a program")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes.tracking import experiments

    found = experiments.found(Path(), options.revisions, options.all)
    print(json.dumps([vars(row) for row in found], indent=2, ensure_ascii=False) if options.json else page(found))
    if not any(row.base and row.commit for row in found):
        asked = " or ".join(options.revisions) or "HEAD"
        hint = "dvc exp run makes one" if options.all else "--all shows those that began from other commits"
        print(f"note: no experiment began from {asked}; {hint}", file=sys.stderr)
    return 0


def page(found: "list[Experiment]") -> str:
    """Return experiments as a table that no value makes wider than `WIDTH`."""
    header = ["experiment", "test QWK", "more than the best baseline", "parameters that differ"]
    rows = [[f"{'  ' if row.base and row.commit else ''}{row.name}", *_cells(row)] for row in found]
    return fitted(header, rows, WIDTH)


def _cells(row: "Experiment") -> list[str]:
    test, best = row.headline.get("test", {}), row.headline.get("best_baseline", {})
    qwk = _with_interval(test.get("qwk"), test.get("qwk_low"), test.get("qwk_high"), ".3f")
    more = _with_interval(best.get("difference"), best.get("low"), best.get("high"), "+.3f")
    return [
        qwk if row.state == "success" else row.state,
        f"{more} {best['name']}" if "name" in best else more,
        ", ".join(f"{key}={_written(value)}" for key, value in row.changed.items()),
    ]


def _with_interval(value: float | None, low: float | None, high: float | None, form: str) -> str:
    told = number(value, form)
    return told if low is None or high is None else f"{told} ({number(low, form)} to {number(high, form)})"


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value, ensure_ascii=False)
