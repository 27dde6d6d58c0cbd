"""Where the workflow's files lie in the project's folder, for what reads them when the workflow has run.

A stage's script and `dvc.yaml` name their own inputs and outputs, so that no stage depends on this file;
tests/unit/test_dag.py holds it to `dvc.yaml`.
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
ZERO_SHOT = "metrics/zero_shot.json"
