"""Say which packages in uv.lock have no hash or a known vulnerability: python -m tools.audit, run by `make audit`.

pip-audit asks OSV, a database of advisories. Its own verdict is not trusted: it ignores packages that it could not
look up, and may print "No known vulnerabilities found" all the same.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

PIP_AUDIT = "pip-audit==2.10.1"
ACCEPTED = {  # accepted advisories, with the reason
    "CVE-2024-34997": "joblib: it reads pickles, of which this project has none",
    "CVE-2025-14920": "transformers: Perceiver in PyTorch; torch is not installed, and weights are safetensors",
    "CVE-2025-14921": "transformers: Transformer-XL in PyTorch; torch is not installed, and weights are safetensors",
    "CVE-2025-14922": "transformers: Megatron-GPT2 in PyTorch; torch is not installed, and weights are safetensors",
    "CVE-2025-14929": "transformers: a script that converts X-CLIP, which nothing here runs",
    "CVE-2025-14930": "transformers: GLM4 in PyTorch; torch is not installed, and weights are safetensors",
    "CVE-2026-1839": "transformers: the Trainer of PyTorch, which nothing here uses",
}


def without_hash(lock: str) -> list[str]:
    """Return the packages in `lock`, the text of a uv.lock, that have no file, or a file without SHA-256."""
    packages = tomllib.loads(lock)["package"]
    files = {
        package["name"]: [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        for package in packages
        if "editable" not in package["source"]  # this project
    }
    return [
        name
        for name, listed in files.items()
        if not listed or not all(file.get("hash", "").startswith("sha256:") for file in listed)
    ]


def vulnerabilities(report: dict[str, Any], accepted: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return a sentence for each vulnerability that is not accepted, and the packages that were not looked up.

    Args:
        report: What pip-audit writes with `--format json`.
        accepted: Identifiers of advisories, with the reason why they are accepted.
    """
    found, skipped = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
        for advisory in package.get("vulns", []):
            names = [advisory["id"], *advisory.get("aliases", [])]
            if accepted.keys().isdisjoint(names):
                fixed = " or ".join(advisory["fix_versions"]) or "no release"
                found.append(
                    f"{package['name']} {package['version']} has {' alias '.join(names)}, which {fixed} mends: "
                    "`uv lock --upgrade-package` it, or accept the advisory, with the reason, in tools/audit.py"
                )
    return sorted(set(found)), skipped


def audit() -> tuple[dict[str, Any] | None, str]:
    """Return pip-audit's report on all packages in uv.lock, or None and the last line of its error."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        everything = ["--all-extras", "--all-groups", "--no-emit-project", "--output-file", str(listed)]
        subprocess.run(["uv", "export", "--quiet", "--frozen", *everything], check=True)
        options = ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"]
        options += ["--require-hashes", "--disable-pip", "--requirement", str(listed)]
        done = subprocess.run(
            ["uv", "tool", "run", PIP_AUDIT, *options], capture_output=True, text=True, check=False, timeout=900
        )
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        return None, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def main() -> None:
    """Exit with status 1 if anything is found; if nothing could be looked up, warn and exit with 0."""
    faults = [
        f"{name} has a file without a hash in uv.lock, so that any file would pass for it: `uv lock` writes hashes"
        for name in without_hash(Path("uv.lock").read_text(encoding="utf-8"))
    ]
    report, complaint = audit()
    if report is None:
        unknown = f"no package was looked up ({complaint})"
    else:
        found, skipped = vulnerabilities(report, ACCEPTED)
        faults += found
        unknown = f"not looked up: {', '.join(skipped)}" if skipped else ""
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if unknown:
        prefix = "::warning::" if os.environ.get("GITHUB_ACTIONS") else "warning: "  # shown on the run's page
        print(
            f"{prefix}the advisory database was not reached, {unknown}: that is not an all-clear, since known "
            "vulnerabilities may be there; what was checked is that uv.lock has the hash of every file",
            file=sys.stderr,
        )
    if faults:
        sys.exit(1)
    if not unknown:
        print(f"no vulnerability is known of the {len(report['dependencies'])} packages, but for those accepted")


if __name__ == "__main__":
    main()
