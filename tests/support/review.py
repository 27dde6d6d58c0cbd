"""What a team reviews with: targets of the Makefile, run in a clone."""

import subprocess

from tests.support.project import Clone


def make(clone: Clone, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a target of the clone's Makefile in the environment of the tests, which `make install` would prepare."""
    return clone.run("make", "--old-file=.venv/.installed", *arguments, check=check)
