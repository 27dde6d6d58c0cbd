"""Say why a run gave other bytes than the record in git, where code, parameters and data are the same."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from redacoes.layout import PARAMS, PROCESSOR
from redacoes.processor import kind, shown

INPUTS = ("cmd", "deps", "params")


def differing(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the stages that gave other outputs from the same command, dependencies and parameters.

    Stages after them have other dependencies, and so are not among them.

    Args:
        then: The stages of one `dvc.lock`.
        now: Those of another.
    """
    return [
        name
        for name, run in now.items()
        if name in then
        and all(run.get(part) == then[name].get(part) for part in INPUTS)
        and run.get("outs") != then[name].get("outs")
    ]


def told(folder: Path) -> str:
    """Return one sentence on stages whose outputs differ from those of HEAD for no reason but the processor.

    It is empty where there are none. HEAD's kind of processor is in `metrics/processor.json`.

    Args:
        folder: The project.
    """
    lock = folder / "dvc.lock"
    committed = _committed(folder, "dvc.lock")
    if not committed or not lock.exists():
        return ""
    stages = differing(_stages(committed), _stages(lock.read_text(encoding="utf-8")))
    if not stages:
        return ""
    record = json.loads(_committed(folder, PROCESSOR) or "null")
    here = kind(_portable(folder))
    differ = f"{' and '.join(stages)} gave other bytes than HEAD records, from the same code, parameters and data"
    back = "commit yours (git add dvc.lock metrics && git commit), since there is no remote to pull those of HEAD from"
    if _has_remote(folder):
        back = "git checkout HEAD -- dvc.lock metrics && dvc pull brings those of HEAD back"
    if record is None:
        return f"{differ}; HEAD does not say on which processor (here: {shown(here)}); {back}"
    processors = f"HEAD's were made on {shown(record)}, and this is {shown(here)}"
    if record == here:
        return f"{differ}; {processors}, so this is not expected (docs/reproducibility.md)"
    return f"{differ}; {processors}, so this is expected (docs/reproducibility.md); {back}"


def _has_remote(folder: Path) -> bool:
    from dvc.config import Config

    config = Config(str((folder / ".dvc").absolute()), validate=False)
    return bool(config.get("core", {}).get("remote"))


def _portable(folder: Path) -> bool:
    return bool(_read((folder / PARAMS).read_text(encoding="utf-8")).get("train", {}).get("portable"))


def _stages(lock: str) -> dict[str, Any]:
    return _read(lock).get("stages", {})


def _read(text: str) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(text) or {}


def _committed(folder: Path, path: str) -> str:
    """Return the text of a file of HEAD; empty where there is none."""
    done = subprocess.run(["git", "show", f"HEAD:./{path}"], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""
