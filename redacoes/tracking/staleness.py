"""Find stages whose entry in dvc.lock is stale: code, parameters or data have changed since the recorded run.

Outputs may be absent, as in a clone that has pulled nothing: their entries in dvc.lock are checked all the same. The
bytes of an absent output are checked only by a pull and `redacoes verify`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from redacoes.errors import UserError


def stale(folder: Path) -> dict[str, list[str]]:
    """Return what differs from the recorded run, by stage or .dvc file; where nothing differs, there is no entry.

    `dvc status` compares what is there. What it cannot compare while outputs are absent is compared here: whether a
    stage ran on the outputs of the earlier stages, and on the files of `dvc add`, that are recorded today.

    Args:
        folder: The project, in which everything, something or nothing was pulled.

    Raises:
        UserError: DVC cannot read the project, say because of conflict markers in dvc.lock.
    """
    done = _run(folder, sys.executable, "-m", "dvc", "status", "--json")
    if done.returncode:
        raise UserError(f"nothing was checked, since dvc status failed: {' '.join(done.stderr.split())}")
    status = json.loads(done.stdout)
    stages, lock = _read(folder / "dvc.yaml")["stages"], _read(folder / "dvc.lock").get("stages", {})
    runs = {name: lock[name] for name in stages if name in lock}
    options = {path: how for name in runs for out in stages[name].get("outs", []) for path, how in _options(out)}
    made = {
        out["path"]: (out["md5"], f"stage '{name}'")
        for name, run in runs.items()
        for out in run.get("outs", [])
        if options.get(out["path"], {}).get("cache", True)  # otherwise git has it, not DVC
    }
    for name in filter(None, _run(folder, "git", "ls-files", "-z", "*.dvc").stdout.split("\0")):
        outs = [out for out in _read(folder / name).get("outs", []) if "md5" in out]
        if not outs:  # the file was deleted, or `dvc import-url --no-download` wrote it: it records no bytes
            status.pop(name, None)
            continue
        added = {(Path(name).parent / out["path"]).as_posix(): out["md5"] for out in outs}
        made |= {path: (digest, name) for path, digest in added.items()}
        runs[name] = {"outs": [{"path": path} for path in added]}

    found: dict[str, list[str]] = {}
    for name in [*stages, *(status.keys() - stages.keys())]:
        if name not in runs:
            found[name] = ["no run of it is recorded"]
            continue
        reasons = dict(_changes(folder, status.get(name, []), runs[name], made))
        for dep in runs[name].get("deps", []):
            digest, maker = made.get(dep["path"], (dep["md5"], ""))
            if digest != dep["md5"]:
                reasons.setdefault(dep["path"], f"it ran on another {dep['path']} than that of {maker}")
        found[name] = list(reasons.values())
    found = {name: reasons for name, reasons in found.items() if reasons}
    # every change of a parameter is one for the stage that checks them: where others are stale as well, they say more
    return {name: reasons for name, reasons in found.items() if name != "check" or len(found) == 1}


def _changes(
    folder: Path, changes: list[Any], run: dict[str, Any], made: dict[str, tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield each path that `dvc status` names, and what is wrong with it. Outputs that a pull restores are left out."""
    recorded = {item["path"] for item in [*run.get("deps", []), *run.get("outs", [])]}
    for change in changes:
        if isinstance(change, str):  # "changed command"
            yield change, f"its {change.removeprefix('changed ')} was changed"
            continue
        ((kind, paths),) = change.items()
        if kind == "changed deps" and "deps" not in run:
            continue  # of `dvc import`: a newer version at its source makes nothing stale
        for path, what in paths.items():
            if isinstance(what, dict):
                yield path, "; ".join(_parameters(folder / path, run["params"][path], what))
            elif path not in recorded:
                yield path, f"{path} is new to it"
            elif (folder / path).exists():
                hint = " (`dvc checkout` brings the recorded one back)" if path in made else ""
                yield path, f"{path} was changed{hint}"
            elif not any(f"{path}/".startswith(f"{kept}/") for kept in made):
                yield path, f"{path} is missing, and not DVC's to bring back"


def _parameters(file: Path, then: dict[str, Any], changed: dict[str, str]) -> Iterator[str]:
    """Yield each parameter of `file`, among those under the `changed` keys, whose value is not that of the run."""
    for key in changed:
        now: Any = _read(file)
        for part in key.split("."):
            now = now.get(part) if isinstance(now, dict) else None
        yield from _leaves(file.name, key, then.get(key), now)


def _leaves(file: str, key: str, then: Any, now: Any) -> Iterator[str]:
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*then, *(now.keys() - then.keys())]:
            yield from _leaves(file, f"{key}.{name}", then.get(name), now.get(name))
    elif then != now:
        yield f"{key} in {file} was {json.dumps(then)} and is {json.dumps(now)}"


def _options(out: str | dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the path of an entry of `outs` in dvc.yaml, with its options."""
    return [(out, {})] if isinstance(out, str) else list(out.items())


def _read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) if path.exists() else {}


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
