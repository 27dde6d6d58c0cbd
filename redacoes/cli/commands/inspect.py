"""What made a revision's model?"""

import argparse
import json
from pathlib import Path
from typing import Any

from redacoes.cli.options import REVISION
from redacoes.formatting import leaves, number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("revision", metavar="REV", nargs="?", default="workspace", help=f"{REVISION} (the default)")
    parser.add_argument("--json", action="store_true", help="for a program")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes.tracking.provenance import describe
    from redacoes.tracking.revisions import Revision

    found = describe(Revision(options.revision, Path()))
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else _page(found))
    return 1 if found.get("problems") or found.get("stale") else 0


def _page(found: dict[str, Any]) -> str:
    """Return what `describe` found as text."""
    from redacoes.evaluation import comparison
    from redacoes.processor import shown

    commit, data = found["commit"], found["data"]
    rows = data["rows"]
    lines = [
        f"revision     {found['revision']}",
        f"commit       {commit['hash']}, {commit['date']}: {commit['subject']}",
        f"data         {data['file']}, md5 {data['md5']}, from {data['from']}",
        f"             {rows['read']} rows read, {rows['kept']} kept; "
        + ", ".join(f"{count} {name}" for name, count in data["splits"].items()),
        "packages     " + ", ".join(f"{name} {version}" for name, version in found["environment"].items()),
        f"processor    {shown(processor) if (processor := found.get('processor')) else 'not recorded'}",
        "parameters",
        *(f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in leaves(found["parameters"])),
        "metrics on the test essays, with their intervals",
        *(
            f"  {name:<22}{number(of['value'])}  ({number(of['low'])} to {number(of['high'])})"
            for name, of in found["metrics"].items()
        ),
    ]
    if best := found["best_baseline"]:
        lines.append(f"  {comparison.shown(best)}")
        if told := comparison.shortfall(best):
            lines.append(f"warning      {told}")
    if found.get("differs"):
        lines.append(f"note         {found['differs']}")
    lines += [f"problem      {problem}" for problem in found.get("problems", [])]
    for stage, reasons in found.get("stale", {}).items():
        lines.append(f"stale        {stage}: {'; '.join(reasons)}: run dvc repro")
    if found.get("stale") == {} and not found["problems"]:
        lines.append("dvc.lock     is that of this code, these parameters and this data")
    return "\n".join(lines)
