"""Does one revision's scorer grade better than another's?"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redacoes.cli.options import REVISION
from redacoes.errors import UserError
from redacoes.formatting import number, table
from redacoes.layout import PARAMS

if TYPE_CHECKING:
    from redacoes.evaluation.comparison import Comparison


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
    from redacoes.evaluation.comparison import crossed, paired
    from redacoes.tracking.revisions import Revision

    evaluate = params.load(PARAMS).evaluate
    how = evaluate.calibration_bins, evaluate.bootstrap
    a, b = (Revision(name, Path()) for name in (options.a, options.b))
    a.require_same_data(b)
    results = _asked(paired(a.predictions(), b.predictions(), *how), options.metric)
    folds = [revision.crossval() for revision in (a, b)]
    out_of_fold = None
    if folds[0] is not None and folds[1] is not None:
        try:
            out_of_fold = _asked(crossed(folds[0], folds[1], *how), options.metric)
        except UserError as error:  # the test results are compared all the same
            print(f"note: {error}", file=sys.stderr)
    if options.json:
        shown = {"a": _named(a), "b": _named(b), "metrics": [vars(result) for result in results]}
        if out_of_fold is not None:
            shown["crossval"] = [vars(result) for result in out_of_fold]
        print(json.dumps(shown, indent=2))
        return 0
    interval = f"{100 * evaluate.bootstrap.confidence:g}% interval"
    header = ["metric", a.name, b.name, "difference", interval, f"{b.name} is"]
    print(table(header, _rows(results), options.markdown))
    if out_of_fold is not None:
        print("\ncross-validated:\n")
        print(table(header, _rows(out_of_fold), options.markdown))
    return 0


def _asked(results: "list[Comparison]", metric: str | None) -> "list[Comparison]":
    """Return the results of one metric, or all."""
    from redacoes.errors import nearest

    known = [result.metric for result in results]
    if metric and metric not in known:
        raise UserError(f"{metric!r} is not one of {', '.join(known)}{nearest(metric, known)}")
    return [result for result in results if metric in (None, result.metric)]


def _rows(results: "list[Comparison]") -> list[list[str]]:
    return [
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


def _named(revision: Any) -> dict[str, str | None]:
    return {"revision": revision.name, "commit": revision.commit}
