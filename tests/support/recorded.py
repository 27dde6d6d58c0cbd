"""Whether the run that `dvc.lock` and `metrics/` record is this project's own, of which the README gives figures."""

import hashlib
import json
import os

import pytest

from redacoes import params
from tests.support import ROOT

# of the values in params.yaml that the project itself is recorded with: to be renewed when they change
OWN = "0a7eca907b48d291"
REQUIRED = "RECORDED_RUN"  # set to `required` by .ci/run: there a run that is not the project's own is a fault


def fingerprint() -> str:
    values = params.load(ROOT / "params.yaml").model_dump()
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def require() -> None:
    """Skip the test where parameters or data are a user's own, since nothing is claimed of their run."""
    found = fingerprint()
    if found == OWN:
        return
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"params.yaml is not the one that is recorded: run dvc repro, and set OWN to {found!r}")
    pytest.skip("params.yaml is not the project's own, so nothing is claimed of what dvc.lock and metrics/ record")
