"""Paths of the workflow's files in the project folder, for code that reads them after a run.

Stage scripts and `dvc.yaml` name their own inputs and outputs, so no stage depends on this file.
tests/unit/test_dag.py checks the paths against `dvc.yaml`.
"""

from pathlib import Path

PARAMS = "params.yaml"

SPLITS = "data/splits"
TOKENIZED = "data/tokenized"

SCORER = Path("models/scorer")
SURFACE = Path("models/surface")

BASELINE = "metrics/baseline.json"
CONFUSION = "metrics/confusion.csv"
CROSSVAL = "metrics/crossval.json"
CROSSVAL_PREDICTIONS = "metrics/crossval.csv"
DATA = "metrics/data.json"
EVALUATION = "metrics/evaluation.json"
HEADLINE = "metrics/headline.json"
PREDICTIONS = "metrics/predictions.csv"
PROCESSOR = "metrics/processor.json"
ZERO_SHOT = "metrics/zero_shot.json"
