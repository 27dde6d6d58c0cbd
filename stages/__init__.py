"""One script for each stage of dvc.yaml, under the stage's name: `python -m stages.NAME` runs it."""
