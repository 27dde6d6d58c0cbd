"""Scores in the points of the file that was learnt from: what a model says of them, and `redacoes score --points`."""

from pathlib import Path

import pandas as pd
import pytest

from redacoes.cli.main import main
from redacoes.files import write_json
from redacoes.inference import metadata
from tests.support.tiny import tiny_model


@pytest.mark.parametrize(("scale", "points"), [(1000, 100.0), (10, 1.0), (5, 0.5), (None, None)])
def test_a_model_that_was_exported_says_its_points(tmp_path: Path, scale: float | None, points: float | None) -> None:
    assert metadata.load_points(tiny_model(tmp_path / "onnx", scale=scale)) == points


def test_the_scorer_of_a_project_has_the_points_of_its_lock(tmp_path: Path) -> None:
    (tmp_path / "models/scorer").mkdir(parents=True)
    write_json(tmp_path / "models/scorer/config.json", {})
    assert metadata.load_points(tmp_path / "models/scorer") is None
    (tmp_path / "dvc.lock").write_text(
        "stages: {prepare: {cmd: a, params: {params.yaml: {data: {score_scale: 1000, max_score: 10}}}}}",
        encoding="utf-8",
    )
    (tmp_path / "params.yaml").write_text("data: {score_scale: 100, max_score: 10}", encoding="utf-8")  # edited since
    assert metadata.load_points(tmp_path / "models/scorer") == 100.0


@pytest.mark.parametrize(("scale", "points"), [(1000, 100), (5, 0.5)])
def test_score_writes_points_beside_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: float, points: float
) -> None:
    tiny_model(tmp_path / "onnx", scale=scale)
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("essay\nA educação é um direito.\nNão é.\n", encoding="utf-8")
    command = ["score", "a.csv", "--out", "b.csv", "--backend", "onnx", "--model", "onnx"]
    assert main(command) == 0
    assert not [name for name in pd.read_csv("b.csv") if "points" in name]
    assert main([*command, "--points"]) == 0
    found = pd.read_csv("b.csv")
    assert list(found)[-4:] == ["predicted_points", "expected_points", "low_points", "high_points"]
    for name in ("predicted", "expected", "low", "high"):
        assert list(found[f"{name}_points"]) == pytest.approx(list(found[name] * points), abs=1e-4)
    assert pd.api.types.is_integer_dtype(found["predicted_points"]) == (scale == 1000)


def test_points_that_a_model_does_not_say_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(tmp_path / "onnx")
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("essay\nA educação.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="onnx does not say in which points"):
        main(["score", "a.csv", "--out", "b.csv", "--backend", "onnx", "--model", "onnx", "--points"])
    assert {path.name for path in Path().iterdir()} == {"onnx", "a.csv"}
