"""Find stages whose entry in dvc.lock is stale: python -m tools.check_lock."""

import sys
from pathlib import Path

from redacoes.errors import UserError
from redacoes.tracking.staleness import stale


def main() -> None:
    """Print a sentence for each stale stage, and exit with status 1 if there is one."""
    try:
        found = stale(Path())
    except UserError as error:
        sys.exit(f"error: {error}")
    for name, reasons in found.items():
        if name.endswith(".dvc"):
            remedy = "`dvc add` it again, run `dvc repro`, and commit what they write"
        else:
            remedy = "run `dvc repro`, and commit dvc.lock and metrics/ with the change"
        print(f"error: dvc.lock does not match {name}: {'; '.join(reasons)}: {remedy}", file=sys.stderr)
    if found:
        sys.exit(1)
    print("dvc.lock is that of this code, these parameters and this data")


if __name__ == "__main__":
    main()
