"""The stage crossval: what it writes, and that a stopped run goes on with the next fold, to the same bytes."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from redacoes.essays import synthetic
from redacoes.learning import wordpiece
from redacoes.params import Params
from tests.support import PARAMS

TRAIN = PARAMS.train.model_copy(update={"probe": True, "probe_penalty": 10.0, "frozen_layers": 1, "epochs": 1})
OUTPUTS = "metrics/crossval.json", "metrics/crossval.csv"


def settings(**updates: Any) -> Params:
    """Of two folds; a section's keys, by its name."""
    updates = {"data": {"csv": "br.csv"}, "crossval": {"folds": 2}, **updates}
    return PARAMS.model_copy(
        update={name: getattr(PARAMS, name).model_copy(update=values) for name, values in updates.items()}
    )


@pytest.fixture
def stage(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The stage, in a folder with a CSV of 60 essays on six themes and an encoder from scratch."""
    from stages import crossval

    monkeypatch.chdir(tmp_path)
    rows = list(synthetic.essays(60, 3))
    with Path("br.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["essay", "score", "theme", "prompt"])
        writer.writeheader()
        writer.writerows({**row, "prompt": number % 6} for number, row in enumerate(rows))
    wordpiece.from_scratch([[row["essay"] for row in rows]], PARAMS.checkpoint, tmp_path / "models/base")
    return crossval


def written() -> list[bytes]:
    return [Path(output).read_bytes() for output in OUTPUTS]


def stop_after_the_first_fold(stage: Any, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the stage, which is stopped in the second fold."""
    from redacoes.learning import crossval

    grade, done = crossval.grade, []

    def stops(*arguments: Any) -> Any:
        if done:
            raise RuntimeError("stopped")
        done.append(True)
        return grade(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(crossval, "grade", stops)
        with pytest.raises(RuntimeError, match="stopped"):
            stage.main(params)


def test_by_group_each_essay_is_graded_once_by_what_has_not_seen_its_group(stage: Any) -> None:
    params = settings(data={"csv": "br.csv", "group_column": "prompt"}, crossval={"folds": 2, "by": "group"})
    stage.main(params)
    table = pd.read_csv(OUTPUTS[1])
    assert table["row"].nunique() == len(table) == 60
    assert table.groupby("unit")["fold"].nunique().tolist() == [1] * 6
    assert [name for name in table if not name.startswith("p_")] == [
        "repeat", "fold", "row", "unit", "score", "predicted", "expected", "prior", "tfidf", "surface", "hybrid",
    ]  # fmt: skip
    found = json.loads(Path(OUTPUTS[0]).read_text())
    assert {name: found[name] for name in ("folds", "by", "repeats", "essays")} == {
        "folds": 2, "by": "group", "repeats": 1, "essays": 60,
    }  # fmt: skip
    assert found["model"]["mae"]["value"] == pytest.approx(np.abs(table["score"] - table["predicted"]).mean(), abs=1e-6)
    assert set(found["baselines"]["tfidf"]) == {"qwk", "baseline_qwk", "difference", "low", "high"}
    assert list(Path(".work").iterdir()) == []


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("family", [None, "bert"])
def test_a_stopped_run_goes_on_with_the_next_fold_to_the_same_bytes(
    stage: Any,
    publish: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    family: str | None,
) -> None:
    params = settings()
    if family:
        shutil.rmtree("models/base")
        shutil.copytree(publish(family)[0], "models/base")
        params = settings(checkpoint={"source": "path", "path": "models/base"}).model_copy(update={"train": TRAIN})
    stage.main(params)
    undisturbed = written()
    named = undisturbed[1].decode().splitlines()[0].split(",")[-2:]
    assert named == (["text", "hybrid"] if family else ["surface", "hybrid"])  # as metrics/baseline.json names them
    stop_after_the_first_fold(stage, params, monkeypatch)
    assert written() == undisturbed  # what stood there still does
    capsys.readouterr()
    stage.main(params)
    said = capsys.readouterr().err
    assert "fold 2 of 2" in said
    assert "fold 1 of 2" not in said
    assert written() == undisturbed
    assert list(Path(".work").iterdir()) == []


@pytest.mark.usefixtures("eager")
def test_other_parameters_do_not_go_on_from_a_stopped_run(
    stage: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_after_the_first_fold(stage, settings(), monkeypatch)
    stage.main(settings(crossval={"folds": 2, "seed": 1}))
    assert "fold 1 of 2" in capsys.readouterr().err


@pytest.mark.usefixtures("eager")
def test_a_stopped_run_does_not_go_on_where_lines_have_moved(
    stage: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_after_the_first_fold(stage, settings(), monkeypatch)
    header, rest = Path("br.csv").read_text(encoding="utf-8").split("\n", 1)
    Path("br.csv").write_text(f"{header}\n\n{rest}", encoding="utf-8")
    stage.main(settings())
    assert "fold 1 of 2" in capsys.readouterr().err
    assert sorted(pd.read_csv(OUTPUTS[1])["row"])[0] == 3


def test_off_it_writes_that_and_trains_nothing(stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stage.main(settings(crossval={"folds": 0}))
    assert json.loads(Path(OUTPUTS[0]).read_text()) == {"crossval": "off"}
    assert Path(OUTPUTS[1]).read_text() == "repeat,fold,row,unit,score,predicted,expected\n"
    assert capsys.readouterr().err == ""
