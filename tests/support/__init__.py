"""Code that the tests share; no test file imports another.

Nothing here reads the live `params.yaml`, `dvc.lock`, `metrics/` or essays, which belong to the user; the tests run on
`PARAMS`. Tests of claims about the recorded run use the fixture `recorded`.
"""

import os
import sys
from pathlib import Path

from redacoes import params

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PARAMS_FILE = ROOT / "tests" / "params.yaml"
PARAMS = params.load(PARAMS_FILE)

FIND_LINKS = ["--find-links", os.environ["PIP_FIND_LINKS"]] if "PIP_FIND_LINKS" in os.environ else []
# runs a script in its own environment, which uv makes and caches
UV_RUN = (str(BIN / "uv"), "run", "--no-project", "--python", sys.executable, *FIND_LINKS, "--script")
