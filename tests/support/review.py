"""Targets of the Makefile for reviews, run in a clone."""

import subprocess

from tests.support.project import Clone


def make(clone: Clone, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a target of the clone's Makefile in the tests' environment, without `make install`."""
    return clone.run("make", "--old-file=.venv/.installed", *arguments, check=check)
