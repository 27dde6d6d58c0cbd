"""What the tests share; no test file imports another.

Nothing of it reads the live `params.yaml`, `dvc.lock`, `metrics/` or essays, which belong to the user: `PARAMS` is what
the tests run on. What is claimed of the recorded run asks for the fixture `recorded`.
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
# runs a script in an environment of its own, which uv makes and keeps in its cache
UV_RUN = (str(BIN / "uv"), "run", "--no-project", "--python", sys.executable, *FIND_LINKS, "--script")
