"""A trained model as a function: the same scores as the run's own metrics, however it is named and called."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import redacoes
from redacoes import arrow, export, params, portable, synthetic
from redacoes.errors import UserError
from redacoes.scorer import Scorer
from tests.conftest import Clone
from tests.hub import Hub

pytestmark = pytest.mark.usefixtures("tensorflow")

ESSAYS = [row["essay"] for row in synthetic.essays(300, 5)]


@pytest.fixture(scope="module")
def scorer(origin: Clone) -> Scorer:
    return Scorer.load(origin.path / "models/scorer")


@pytest.fixture(scope="module")
def exported(origin: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "onnx"
    tokenize = params.load(origin.path / "params.yaml").tokenize
    made_by = portable.provenance(portable.Revision("workspace", origin.path))
    export.export(origin.path / "models/scorer", "onnx", False, folder, made_by, ESSAYS[:8], tokenize)
    return folder


def test_the_test_essays_have_the_scores_that_evaluation_gave_them(scorer: Scorer, origin: Clone) -> None:
    scored = scorer.score(arrow.load(origin.path / "data/splits")["test"]["essay"])
    evaluated = pd.read_csv(origin.path / "metrics/predictions.csv")
    assert list(scored["predicted"]) == list(evaluated["predicted"])
    for column in ["expected", *(f"p_{k}" for k in range(11))]:
        np.testing.assert_allclose(scored[column], evaluated[column], rtol=0, atol=1e-6)


def test_each_essay_has_its_own_row_in_a_table_of_known_types(scorer: Scorer) -> None:
    table = scorer.score(ESSAYS)
    assert dict(table.dtypes.astype(str)) == {
        "predicted": "int64",
        "expected": "float64",
        "confidence": "float64",
        **{f"p_{k}": "float64" for k in range(11)},
        "low": "int64",
        "high": "int64",
        "tokens": "int64",
        "truncated": "bool",
    }
    assert scorer.score([]).dtypes.equals(table.dtypes)
    assert len(scorer.score([])) == 0
    order = np.random.default_rng(1).permutation(len(ESSAYS))
    shuffled = scorer.score(ESSAYS[place] for place in order)
    pd.testing.assert_frame_equal(shuffled, table.iloc[order].reset_index(drop=True), rtol=0, atol=2e-6)
    windows = dict(scorer.stream([("a", ESSAYS[:7]), ("b", ESSAYS[7:9]), ("c", ESSAYS[9:])]))
    assert {key: len(window) for key, window in windows.items()} == {"a": 7, "b": 2, "c": 291}
    pd.testing.assert_frame_equal(pd.concat(windows.values(), ignore_index=True), table, rtol=0, atol=2e-6)
    assert table["truncated"].any()
    assert list(table["truncated"]) == list(table["tokens"] > 64)
    np.testing.assert_allclose(table[[f"p_{k}" for k in range(11)]].sum(axis=1), 1, atol=1e-5)
    confidence = [row[f"p_{row['predicted']}"] for row in table.to_dict("records")]
    assert list(table["confidence"]) == confidence


def test_threads_that_score_at_once_get_each_its_own(scorer: Scorer) -> None:
    alone = scorer.score(ESSAYS[:64])
    answers: dict[int, pd.DataFrame] = {}

    def ask(place: int) -> None:
        answers[place] = scorer.score(ESSAYS[place : place + 8])
        scorer.view(ESSAYS[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(0, 64, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = pd.concat([answers[place] for place in range(0, 64, 8)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, rtol=0, atol=2e-6)


def test_what_cannot_be_scored_is_named_by_its_place(scorer: Scorer) -> None:
    for text, says in ((None, "text 1 is of type NoneType"), (7, "of type int"), (" \n\t", "holds nothing")):
        with pytest.raises(ValueError, match=says):
            scorer.score(["um texto", text])


@given(st.lists(st.floats(0, 1), min_size=11, max_size=11).filter(lambda values: sum(values) > 0.01))
def test_the_range_leaves_out_five_percent_on_either_side(scorer: Scorer, weights: list[float]) -> None:
    probabilities = np.array([weights]) / np.sum(weights)
    row = scorer._table([3], probabilities).iloc[0]
    low, high = int(row["low"]), int(row["high"])
    assert 0 <= low <= high <= 10
    assert probabilities[0, :low].sum() <= 0.05 + 1e-9
    assert probabilities[0, high + 1 :].sum() <= 0.05 + 1e-9
    assert probabilities[0, : low + 1].sum() >= 0.05 - 1e-9
    assert low == high or probabilities[0, high:].sum() >= 0.05 - 1e-9


def test_a_model_is_found_by_folder_revision_and_hub(
    scorer: Scorer, origin: Clone, make_clone: Callable[[str], Clone], exported: Path, tmp_path: Path
) -> None:
    expected = scorer.score(ESSAYS[:20])

    def same(model: str | Path, root: Path, backend: str = "tensorflow") -> None:
        found = Scorer.load(model, backend, root)
        assert found.decision == scorer.decision
        assert found.tokenize == scorer.tokenize
        pd.testing.assert_frame_equal(found.score(ESSAYS[:20]), expected, rtol=0, atol=1e-5)

    clone = make_clone("clone")
    clone.take(origin)
    clone.git("tag", "-a", "scorer@v1.0.0", "-m", "The first")
    for name in ("models/scorer", "models/decision.json", "params.yaml"):  # what is here now must not matter
        clone.run("rm", "-r", name)
    for revision in ("main", "scorer@v1.0.0", clone.git("rev-parse", "HEAD").strip()):
        same(revision, clone.path)
    same(exported, tmp_path, "onnx")

    with Hub() as hub:
        files = {path.name: path.read_bytes() for path in (origin.path / "models/scorer").iterdir()}
        files["config.json"] = (exported / "config.json").read_bytes()
        commit = hub.add("ana/redacoes", files)
        code = (
            f"from redacoes import Scorer; s = Scorer.load('ana/redacoes@{commit}'); "
            "print(s.decision, s.tokenize.max_length, s.tokenize.truncation)"
        )
        clone.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
        printed = clone.run("python", "-c", code).stdout
    assert printed == f"{scorer.decision} 64 {scorer.tokenize.truncation}\n"


def test_a_model_that_is_not_there_is_told_with_what_to_do(origin: Clone, exported: Path, tmp_path: Path) -> None:
    root = origin.path
    for model, backend, says in (
        ("models/scorre", "tensorflow", "no folder here, no branch.*did you mean 'models/scorer'"),
        (root / "params.yaml", "tensorflow", "is a file; name the folder"),
        (exported, "tensorflow", "export for ONNX Runtime"),
        (root / "models/scorer", "onnx", "holds no model.onnx; redacoes export"),
        (tmp_path, "tensorflow", "config.json"),
        (root / "models/base", "tensorflow", "decision.json|no model.safetensors"),
    ):
        with pytest.raises(UserError, match=says):
            Scorer.load(model, backend, root)


def test_a_model_that_does_not_say_what_it_saw_takes_all_that_it_can(
    origin: Clone, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(origin.path / "models/scorer", tmp_path / "modelo")
    shutil.copy(origin.path / "models/decision.json", tmp_path / "modelo")
    found = Scorer.load(tmp_path / "modelo")
    assert (found.tokenize.max_length, found.tokenize.truncation) == (512, "head")
    assert "does not say what it saw" in capfd.readouterr().err


def test_the_scorer_is_a_name_of_the_package() -> None:
    assert redacoes.Scorer is Scorer
    with pytest.raises(AttributeError, match="has no attribute 'Scores'"):
        _ = redacoes.Scores
