"""Does one revision's scorer grade better than another's?"""

import argparse
import json
from pathlib import Path
from typing import Any

from redacoes.commands import REVISION
from redacoes.commands.text import number, table
from redacoes.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("a", metavar="REV_A", help=REVISION)
    parser.add_argument("b", metavar="REV_B", nargs="?", default="workspace", help=f"{REVISION} (the default)")
    parser.add_argument("--metric", metavar="NAME", help="only this metric, such as qwk")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a table for a pull request")
    form.add_argument("--json", action="store_true", help="for a program")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes import params
    from redacoes.compare import paired
    from redacoes.errors import nearest
    from redacoes.revisions import Revision

    evaluate = params.load("params.yaml").evaluate
    a, b = (Revision(name, Path()) for name in (options.a, options.b))
    a.require_same_data(b)
    results = paired(a.predictions(), b.predictions(), evaluate.calibration_bins, evaluate.bootstrap)
    if options.metric:
        known = [result.metric for result in results]
        if options.metric not in known:
            raise UserError(f"{options.metric!r} is none of {', '.join(known)}{nearest(options.metric, known)}")
        results = [result for result in results if result.metric == options.metric]
    if options.json:
        print(json.dumps({"a": _named(a), "b": _named(b), "metrics": [vars(result) for result in results]}, indent=2))
        return 0
    interval = f"{evaluate.bootstrap.confidence:.0%} interval"
    header = ["metric", a.name, b.name, "difference", interval, f"{b.name} is"]
    rows = [
        [
            result.metric,
            number(result.a),
            number(result.b),
            number(result.difference, "+.3f"),
            f"{number(result.low, '+.3f')} to {number(result.high, '+.3f')}",
            result.verdict,
        ]
        for result in results
    ]
    print(table(header, rows, options.markdown))
    return 0


def _named(revision: Any) -> dict[str, str | None]:
    return {"revision": revision.name, "commit": revision.commit}
