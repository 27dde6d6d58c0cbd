"""The command `redacoes`: what DVC's own commands leave open. Each subcommand imports what it needs when it runs.

redacoes compare main my-branch     which of the two grades better, or whether the test essays are too few to tell
redacoes inspect [REV]              what made a model
redacoes verify                     whether outputs and cache are what dvc.lock says
redacoes export --format onnx --out DIR     the scorer for ONNX Runtime
redacoes publish OWNER/NAME         the model and its card on the Hugging Face Hub
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redacoes.errors import UserError, told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand in the project's folder, and return its exit status: 0, or 1 where something is wrong."""
    options = _parser().parse_args(arguments)
    with told():
        status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="redacoes", description="Compare, inspect, verify, export and publish what this project's runs have made."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    revision = "a branch, tag, commit, experiment, or 'workspace'"

    compare = commands.add_parser("compare", help="does one revision's scorer grade better than another's?")
    compare.add_argument("a", metavar="REV_A", help=revision)
    compare.add_argument("b", metavar="REV_B", nargs="?", default="workspace", help=f"{revision} (the default)")
    compare.add_argument("--metric", metavar="NAME", help="only this metric, such as qwk")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a table for a pull request")
    form.add_argument("--json", action="store_true", help="for a program")
    compare.set_defaults(run=_compare)

    inspect = commands.add_parser("inspect", help="what made a revision's model?")
    inspect.add_argument("revision", metavar="REV", nargs="?", default="workspace", help=f"{revision} (the default)")
    inspect.add_argument("--json", action="store_true", help="for a program")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser("verify", help="are outputs and cache what dvc.lock says? Every byte is read again")
    verify.add_argument("--absent", action="store_true", help="name what is merely not here, too")
    verify.set_defaults(run=_verify)

    export = commands.add_parser("export", help="the scorer for ONNX Runtime or TensorFlow Serving, checked")
    export.add_argument("--format", required=True, choices=("onnx", "savedmodel"), help="both take token ids")
    export.add_argument("--out", required=True, metavar="DIR", type=Path, help="new, empty, or an earlier export")
    export.add_argument("--int8", action="store_true", help="quantise the weights to 8 bits, and say what that changes")
    export.add_argument("--model", metavar="DIR", type=Path, default=Path("models/scorer"), help="default: %(default)s")
    export.set_defaults(run=_export)

    publish = commands.add_parser("publish", help="send the model and its card to the Hugging Face Hub, in one commit")
    publish.add_argument("repository", metavar="OWNER/NAME", help="the repository, which is created if need be")
    publish.add_argument("--revision", metavar="BRANCH", default="main", help="the branch to publish to (main)")
    publish.add_argument("--private", action="store_true", help="if it is created: for nobody else to see")
    publish.add_argument("--dry-run", action="store_true", help="write what would be sent, and send nothing")
    publish.add_argument("--out", metavar="FOLDER", type=Path, help="a new folder for the dry run (.work/publish)")
    publish.set_defaults(run=_publish)
    return parser


def _compare(options: argparse.Namespace) -> int:
    from redacoes import params
    from redacoes.compare import paired
    from redacoes.errors import nearest
    from redacoes.revisions import Revision

    evaluate = params.load("params.yaml").evaluate
    a, b = (Revision(name, Path()) for name in (options.a, options.b))
    a.require_same_data(b)
    results = paired(a.predictions(), b.predictions(), evaluate.calibration_bins, evaluate.bootstrap)
    if options.metric:
        known = [result.metric for result in results]
        if options.metric not in known:
            raise UserError(f"{options.metric!r} is none of {', '.join(known)}{nearest(options.metric, known)}")
        results = [result for result in results if result.metric == options.metric]
    if options.json:
        print(json.dumps({"a": _named(a), "b": _named(b), "metrics": [vars(result) for result in results]}, indent=2))
        return 0
    interval = f"{evaluate.bootstrap.confidence:.0%} interval"
    header = ["metric", a.name, b.name, "difference", interval, f"{b.name} is"]
    rows = [
        [
            result.metric,
            _number(result.a),
            _number(result.b),
            _number(result.difference, "+.3f"),
            f"{_number(result.low, '+.3f')} to {_number(result.high, '+.3f')}",
            result.verdict,
        ]
        for result in results
    ]
    print(_table(header, rows, options.markdown))
    return 0


def _named(revision: Any) -> dict[str, str | None]:
    return {"revision": revision.name, "commit": revision.commit}


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _table(header: list[str], rows: list[list[str]], markdown: bool) -> str:
    if markdown:
        lines = [header, ["---"] * len(header), *rows]
        return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _inspect(options: argparse.Namespace) -> int:
    from redacoes.provenance import describe
    from redacoes.revisions import Revision

    found = describe(Revision(options.revision, Path()))
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else _page(found))
    return 1 if found.get("problems") or found.get("stale") else 0


def _page(found: dict[str, Any]) -> str:
    """Return what `describe` found as text."""
    commit, data = found["commit"], found["data"]
    rows = data["rows"]
    lines = [
        f"revision     {found['revision']}",
        f"commit       {commit['hash']}, {commit['date']}: {commit['subject']}",
        f"data         {data['file']}, md5 {data['md5']}, from {data['from']}",
        f"             {rows['read']} rows read, {rows['kept']} kept; "
        + ", ".join(f"{count} {name}" for name, count in data["splits"].items()),
        "packages     " + ", ".join(f"{name} {version}" for name, version in found["environment"].items()),
        "parameters",
        *(f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in _leaves(found["parameters"])),
        "metrics on the test essays, with their intervals",
        *(
            f"  {name:<22}{_number(of['value'])}  ({_number(of['low'])} to {_number(of['high'])})"
            for name, of in found["metrics"].items()
        ),
    ]
    lines += [f"problem      {problem}" for problem in found.get("problems", [])]
    for stage, reasons in found.get("stale", {}).items():
        lines.append(f"stale        {stage}: {'; '.join(reasons)}: run dvc repro")
    if found.get("stale") == {} and not found["problems"]:
        lines.append("dvc.lock     is that of this code, these parameters and this data")
    return "\n".join(lines)


def _leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return found


def _verify(options: argparse.Namespace) -> int:
    from redacoes.verify import verify

    report = verify(Path(), progress=sys.stderr.isatty())
    for finding in report.findings:
        if finding.is_error or options.absent:
            print(finding)
    print(report.summary())
    return 1 if report.errors else 0


def _export(options: argparse.Namespace) -> int:
    from redacoes import arrow, export, params, portable
    from redacoes.stage import warn

    if options.int8 and options.format != "onnx":
        raise UserError("--int8 is for --format onnx")
    export.check(options.model, options.format, options.out)
    if not Path("data/splits").is_dir():
        raise UserError("data/splits is not here, whose test essays check the export; dvc pull data/splits fetches it")
    tokenize = params.load("params.yaml").tokenize
    essays = list(arrow.load("data/splits")["test"]["essay"])
    made_by, doubt = portable.of_folder(options.model, Path())
    if doubt:
        warn(f"the export will not say what made it: {doubt}")
    report = export.export(options.model, options.format, options.int8, options.out, made_by, essays, tokenize)
    print(
        f"{options.out}: logits differ from TensorFlow's by {report.difference:.1e} at most, on {report.checked} essays"
    )
    if report.quantized:
        print(
            f"int8 decides the same score as float for {report.quantized['agreement']:.1%} of "
            f"{report.quantized['essays']} test essays, and differs by {report.quantized['difference']:.1e} in logits"
        )
    return 0


def _publish(options: argparse.Namespace) -> int:
    from huggingface_hub import HfApi

    from redacoes import publish

    repository, branch = options.repository, options.revision
    if options.out and not options.dry_run:
        raise UserError("--out is where a dry run writes: add --dry-run")
    publish.require_name(repository)
    token = None if options.dry_run else publish.find_token()
    publish.require_publishable(Path())
    files = publish.collect(Path(), repository, branch)
    sizes = {name: publish.size(source) for name, source in files.items()}
    if options.dry_run:
        folder = options.out or publish.DRAFT
        publish.write(files, folder)
        print(f"to {repository}, branch {branch}, in one commit{' (private)' if options.private else ''}:")
        print("\n".join(f"  {size:>13,}  {name}" for name, size in sizes.items()))
        print(f"  {sum(sizes.values()):>13,}  bytes in all\nwritten to {folder}; nothing was sent")
        return 0
    done = publish.publish(files, repository, branch, options.private, HfApi(token=token))
    if done.sent or done.removed:
        print(f"published {repository}@{done.commit}")
        print("\n".join(f"  {sizes[name]:>13,}  {name}" for name in done.sent))
        print("".join(f"  {'removed':>13}  {name}\n" for name in done.removed), end="")
    else:
        print(f"nothing to change: {repository}@{done.commit} is this model already")
    if done.others:
        print(f"also there, and no part of this model: {', '.join(done.others)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
