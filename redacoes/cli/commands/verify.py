"""Are outputs and cache what dvc.lock says? Every byte is read again."""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--absent", action="store_true", help="name what is merely not here, too")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes.tracking.integrity import verify

    report = verify(Path(), progress=sys.stderr.isatty())
    for finding in report.findings:
        if finding.is_error or options.absent:
            print(finding)
    print(report.summary())
    return 1 if report.errors else 0
