"""Fail when the outputs of stages in dvc.lock differ from a revision's: python -m tools.same_lock HEAD STAGE..."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def outputs(lock: str, stages: list[str]) -> dict[str, dict[str, Any]]:
    """Return the hash of each output, by stage, in the text of a `dvc.lock`."""
    content = YAML(typ="safe", pure=True).load(lock)["stages"]
    return {stage: {out["path"]: out["md5"] for out in content[stage]["outs"]} for stage in stages}


if __name__ == "__main__":
    revision, *names = sys.argv[1:]
    committed = subprocess.run(["git", "show", f"{revision}:dvc.lock"], capture_output=True, check=True, text=True)
    before, now = outputs(committed.stdout, names), outputs(Path("dvc.lock").read_text(encoding="utf-8"), names)
    if different := [stage for stage in names if before[stage] != now[stage]]:
        sys.exit(f"error: other outputs than in {revision}: {', '.join(different)}")
    print(f"the same outputs as in {revision}: {', '.join(names)}")
