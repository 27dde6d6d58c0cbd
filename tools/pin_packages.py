"""Bring `packages.json` up to date with `uv.lock`: python -m tools.pin_packages.

`packages.json` names, for each stage, the packages that its results depend on, and dvc.yaml declares them as
parameters: a new TensorFlow makes `train` stale, a new ruff nothing. The names are chosen by hand; the versions come
from the lock.
"""

import json
import tomllib
from pathlib import Path

PACKAGES = Path("packages.json")


def pinned(packages: dict[str, list[str] | dict[str, str]], lock: str) -> dict[str, dict[str, str]]:
    """Return each stage's packages with their versions in `lock`, the text of a `uv.lock`."""
    versions = {package["name"]: package.get("version", "") for package in tomllib.loads(lock)["package"]}
    return {stage: {name: versions[name] for name in names} for stage, names in packages.items()}


if __name__ == "__main__":
    current = json.loads(PACKAGES.read_text(encoding="utf-8"))
    updated = pinned(current, Path("uv.lock").read_text(encoding="utf-8"))
    PACKAGES.write_text(json.dumps(updated, indent=2) + "\n", encoding="utf-8")
