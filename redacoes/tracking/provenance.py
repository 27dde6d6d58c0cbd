"""Find what made a revision's model: commit, parameters, data, packages and metrics, and whether it is current."""

import json
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

from redacoes.errors import UserError
from redacoes.layout import DATA, EVALUATION, PARAMS, PROCESSOR
from redacoes.tracking.machines import told
from redacoes.tracking.revisions import WORKSPACE, Revision
from redacoes.tracking.staleness import stale

RWLOCK = Path(".dvc", "tmp", "rwlock")


def describe(revision: Revision) -> dict[str, Any]:
    """Return all that is known of a revision, as JSON values.

    Returns:
        ``revision``, ``commit`` (hash, date and subject; of HEAD for the workspace, None for what is not in git),
        ``parameters``, ``data`` (what the recorded run learnt from: file, hash, source, rows and splits),
        ``environment`` (packages that results depend on), ``processor`` (the kind that made the weights, from
        `processor.kind`; None if the revision does not say), ``metrics`` (of the test essays, with intervals),
        ``best_baseline`` (see `comparison.with_best_baseline`; None if the revision has none), and, only for the
        workspace of a clone, ``stale`` (reasons by stage), ``problems`` (of DVC's own files, with the remedy) and
        ``differs`` (see `machines.told`).

    Raises:
        UserError: The revision lacks a file, or DVC cannot read it.
    """
    found: dict[str, Any] = {
        "revision": revision.name,
        "commit": _commit(revision) if revision.in_git else None,
        "parameters": revision.yaml(PARAMS),
        "data": _data(revision),
        "environment": _packages(revision),
        "processor": revision.yaml(PROCESSOR) if revision.holds(PROCESSOR) else None,
        "metrics": _metrics(revision),
        "best_baseline": revision.yaml(EVALUATION).get("best_baseline"),
    }
    if revision.name == WORKSPACE and revision.in_git:
        found["problems"] = problems(revision.root)
        found["stale"] = {} if found["problems"] else stale(revision.root)
        found["differs"] = told(revision.root)
    return found


def problems(root: Path) -> list[str]:
    """Return damage that a killed process left in DVC's own files, with the remedy."""
    rwlock = root / RWLOCK
    try:
        json.loads(rwlock.read_text(encoding="utf-8") or "{}") if rwlock.exists() else {}
    except ValueError:
        return [
            f"{RWLOCK} was cut short when DVC was killed, and DVC will say «JSON structure is corrupted»: "
            f"make sure that no dvc runs in this folder, and remove it (rm {RWLOCK})"
        ]
    return []


def _commit(revision: Revision) -> dict[str, str]:
    name = revision.commit or "HEAD"
    shown = _git(revision, "log", "-1", "--format=%H%n%cI%n%s", name)
    if shown.returncode:
        if _git(revision, "rev-parse", "--quiet", "--verify", name).returncode == 1:  # other faults have other numbers
            raise UserError("git has no commit here yet; git commit makes one")
        raise UserError(f"git does not know {name}: {' '.join(shown.stderr.split())}")
    commit, date, subject = shown.stdout.split("\n", 2)
    return {"hash": commit, "date": date, "subject": " ".join(subject.split())}  # it may be empty


def _git(revision: Revision, *arguments: str) -> CompletedProcess[str]:
    return run(["git", *arguments], cwd=revision.root, capture_output=True, text=True, check=False)


def _data(revision: Revision) -> dict[str, Any]:
    summary = revision.yaml(DATA)
    return {
        "file": revision.csv,
        "md5": revision.hash_of("prepare", revision.csv),
        "from": _origin(revision, revision.csv),
        "rows": summary["rows"],
        "splits": summary["splits"],
    }


def _origin(revision: Revision, csv: str) -> str:
    for stage, locked in revision.lock.items():
        if csv in [out["path"] for out in locked.get("outs", [])]:
            return f"stage {stage}"
    if not revision.holds(f"{csv}.dvc"):
        return "a file that DVC does not track"
    for dep in revision.yaml(f"{csv}.dvc").get("deps", []):
        repository = dep.get("repo", {})
        return " ".join(filter(None, [repository.get("url"), repository.get("rev_lock"), dep["path"]]))
    return f"{csv}.dvc (dvc add)"


def _packages(revision: Revision) -> dict[str, str]:
    packages: dict[str, str] = {}
    for pins in revision.yaml("packages.json").values():
        packages |= pins
    return dict(sorted(packages.items()))


def _metrics(revision: Revision) -> dict[str, dict[str, float | None]]:
    test, intervals = (revision.yaml(f"metrics/{name}.json")["test"] for name in ("evaluation", "intervals"))
    return {
        name: {"value": value, **(intervals[name] or {"low": None, "high": None})}
        for name, value in test.items()
        if name in intervals and name != "undefined"
    }
