"""A trained model as a function: the same scores as the run's own metrics, however it is named and called."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from redacoes import params
from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.essays import arrow, synthetic
from redacoes.inference import metadata
from redacoes.inference.scorer import Scorer
from redacoes.learning.text_regression import FILES
from redacoes.release import export
from tests.support.hub import Hub
from tests.support.project import Clone, Folder

pytestmark = pytest.mark.usefixtures("tensorflow")

ESSAYS = [row["essay"] for row in synthetic.essays(300, 5)]


@pytest.fixture
def scorer(trained: Scorer) -> Scorer:
    return trained


@pytest.fixture(scope="module")
def exported(origin: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "onnx"
    tokenize = params.load(origin.path / "params.yaml").tokenize
    made_by = metadata.of_revision(metadata.Revision("workspace", origin.path))
    export.export(origin.path / "models/scorer", "onnx", False, folder, made_by, ESSAYS[:8], tokenize)
    return folder


def test_the_test_essays_have_the_scores_that_evaluation_gave_them(scorer: Scorer, origin: Folder) -> None:
    scored = scorer.score(arrow.load(origin.path / "data/splits")["test"]["essay"])
    agree(scored, origin)


def test_a_file_of_them_has_the_same_scores_by_the_command(
    own_clone: Clone, origin: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_clone.path)
    essays = arrow.load("data/splits")["test"]["essay"]
    pd.DataFrame({"essay": essays}).to_csv(tmp_path / "a.csv", index=False)
    assert main(["score", str(tmp_path / "a.csv"), "--out", str(tmp_path / "o.csv")]) == 0
    agree(pd.read_csv(tmp_path / "o.csv"), origin)


def agree(scored: pd.DataFrame, origin: Folder) -> None:
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
        scorer.read(ESSAYS[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(0, 64, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = pd.concat([answers[place] for place in range(0, 64, 8)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone, rtol=0, atol=2e-6)


def same(found: Scorer, scorer: Scorer) -> None:
    assert found.decision == scorer.decision
    assert found.tokenize == scorer.tokenize
    pd.testing.assert_frame_equal(found.score(ESSAYS[:20]), scorer.score(ESSAYS[:20]), rtol=0, atol=1e-5)


def test_a_model_is_found_by_revision_whatever_is_here_now(scorer: Scorer, make_pulled: Callable[[str], Clone]) -> None:
    clone = make_pulled("clone")
    clone.git("tag", "-a", "scorer@v1.0.0", "-m", "The first")
    for name in ("models/scorer", "models/surface"):
        shutil.rmtree(clone.path / name)
    for name in ("models/decision.json", "params.yaml"):
        (clone.path / name).unlink()
    for revision in ("main", "scorer@v1.0.0", clone.git("rev-parse", "HEAD").strip()):
        same(Scorer.load(revision, root=clone.path), scorer)


def test_a_model_is_found_by_folder(scorer: Scorer, exported: Path, tmp_path: Path) -> None:
    same(Scorer.load(exported, "onnx", tmp_path), scorer)


def test_a_model_is_found_on_the_hub(
    scorer: Scorer, origin: Folder, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, file_download, hf_api

    files = {path.name: path.read_bytes() for path in (origin.path / "models/scorer").iterdir()}
    files |= {name: (exported / name).read_bytes() for name in ("config.json", *FILES)}
    with Hub() as hub:  # which is what HF_ENDPOINT and HF_HOME would say, had this process not been started before
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "casa"))
        monkeypatch.setattr(hf_api.api, "endpoint", hub.endpoint)
        same(Scorer.load(f"ana/redacoes@{hub.add('ana/redacoes', files)}", root=tmp_path), scorer)
        assert hub.requests


def test_a_model_that_is_not_there_is_told_with_what_to_do(origin: Folder, exported: Path, tmp_path: Path) -> None:
    root = origin.path
    for model, backend, says in (
        ("models/scorre", "tensorflow", "not a folder here, nor a branch.*did you mean 'models/scorer'"),
        (root / "params.yaml", "tensorflow", "is a file; name the folder"),
        (exported, "tensorflow", "export for ONNX Runtime"),
        (root / "models/scorer", "onnx", "holds no model.onnx; redacoes export"),
        (tmp_path, "tensorflow", "config.json"),
        (root / "models/base", "tensorflow", "decision.json|no model.safetensors"),
    ):
        with pytest.raises(UserError, match=says):
            Scorer.load(model, backend, root)


def test_a_model_that_does_not_say_what_it_saw_takes_all_that_it_can(
    origin: Folder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(origin.path / "models/scorer", tmp_path / "modelo")
    for file in ("decision.json", *(f"surface/{name}" for name in FILES)):
        shutil.copy(origin.path / "models" / file, tmp_path / "modelo")
    found = Scorer.load(tmp_path / "modelo")
    assert (found.tokenize.max_length, found.tokenize.truncation) == (512, "head")
    assert "does not say what it saw" in capfd.readouterr().err
