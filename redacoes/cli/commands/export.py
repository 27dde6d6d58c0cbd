"""The scorer for ONNX Runtime or TensorFlow Serving, checked."""

import argparse
from pathlib import Path

from redacoes.errors import UserError
from redacoes.layout import PARAMS, SCORER, SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--format", required=True, choices=("onnx", "savedmodel"), help="both take token ids")
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="new, empty, or an earlier export")
    parser.add_argument("--int8", action="store_true", help="quantise the weights to 8 bits, and say what that changes")
    parser.add_argument("--model", metavar="DIR", type=Path, default=SCORER, help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
    """Return the exit status."""
    from redacoes import params
    from redacoes.errors import warn
    from redacoes.essays import arrow
    from redacoes.inference import metadata
    from redacoes.release import export

    if options.int8 and options.format != "onnx":
        raise UserError("--int8 is for --format onnx")
    export.check(options.model, options.format, options.out)
    if not Path(SPLITS).is_dir():
        raise UserError("data/splits is not here, whose test essays check the export; dvc pull data/splits fetches it")
    tokenize = params.load(PARAMS).tokenize
    essays = list(arrow.load(SPLITS)["test"]["essay"])
    made_by, doubt = metadata.of_folder(options.model, Path())
    if doubt:
        warn(f"the export will not say what made it: {doubt}")
    report = export.export(options.model, options.format, options.int8, options.out, made_by, essays, tokenize)
    print(
        f"{options.out}: logits differ from TensorFlow's by at most {report.difference:.1e} on {report.checked} essays"
    )
    if report.quantized:
        print(
            f"int8 decides the same score as float for {report.quantized['agreement']:.1%} of "
            f"{report.quantized['essays']} test essays, and differs by {report.quantized['difference']:.1e} in logits"
        )
    return 0
