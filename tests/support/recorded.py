"""Check that `dvc.lock` and `metrics/` record the project's own run, whose figures the README gives."""

import hashlib
import json
import os

import pytest

from redacoes import params
from tests.support import ROOT

# hash of the params.yaml values of the project's own run; update it when they change
OWN = "bab7c847767604e8"
REQUIRED = "RECORDED_RUN"  # .ci/run sets it to `required`: a run that is not the project's own then fails


def fingerprint() -> str:
    values = params.load(ROOT / "params.yaml").model_dump()
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def require() -> None:
    """Skip the test if parameters or data are a user's own, since the README makes no claim about their run."""
    found = fingerprint()
    if found == OWN:
        return
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"params.yaml is not the one that is recorded: run dvc repro, and set OWN to {found!r}")
    pytest.skip("params.yaml is not the project's own, so nothing is claimed of what dvc.lock and metrics/ record")
