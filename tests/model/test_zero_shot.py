"""Grading by entailment: transformers' own figures, what is read of a checkpoint, the stage, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from redacoes import params
from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.essays.summary import features
from redacoes.evaluation.decision import softmax
from redacoes.learning import checkpoint, zero_shot
from tests.support import PARAMS
from tests.support.inference import LENGTH, POSITIONS, inference_model
from tests.support.pickles import evil
from tests.support.project import Folder

ESSAYS = [
    f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. " * (1 + n % 5) for n in range(12)
]
SCORES = [str(k) for k in range(11)]
TEMPLATE = PARAMS.zero_shot.hypothesis_template


@pytest.fixture(scope="module")
def make(model, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    return lambda family, **config: inference_model(tmp_path_factory.mktemp(family), model, ESSAYS, family, **config)


@pytest.fixture(scope="module")
def bert(make) -> Path:
    return make("bert")


@pytest.fixture(scope="module")
def deberta(make) -> Path:
    return make("deberta-v2")


def graded(model, folder: Path, progress: Path):
    """Logits of the essays, computed as the stage does."""
    classifier, tokenizer = model.load(folder, foreign=True), checkpoint.load_tokenizer(folder)
    forward = model.forward(classifier, tokenizer.model_input_names)
    column = zero_shot.entailment_column(classifier.config.id2label)
    pairs = zero_shot.Pairs(tokenizer, ESSAYS, zero_shot.hypotheses(TEMPLATE, SCORES), LENGTH)
    return zero_shot.entailment(pairs, forward, column, 5, progress)


@pytest.mark.parametrize("family", ["bert", "deberta"])
def test_probabilities_are_those_of_the_pipeline_of_transformers(model, request, tmp_path: Path, family: str) -> None:
    from transformers import ZeroShotClassificationPipeline

    folder = request.getfixturevalue(family)
    probabilities = softmax(graded(model, folder, tmp_path / "progress"))
    assert probabilities.shape == (12, 11)
    assert (np.ptp(probabilities, axis=1) > 1e-2).all()  # far above the tolerance: else this test would tell nothing
    tokenizer = checkpoint.load_tokenizer(folder)
    assert tokenizer.model_max_length == LENGTH
    assert len(tokenizer(ESSAYS[4])["input_ids"]) > LENGTH
    pipeline = ZeroShotClassificationPipeline(model=model.load(folder), tokenizer=tokenizer, framework="tf")
    for essay, row in zip(ESSAYS[:6], probabilities, strict=False):
        answer = pipeline(essay, candidate_labels=SCORES, hypothesis_template=TEMPLATE)
        expected = dict(zip(answer["labels"], answer["scores"], strict=True))
        np.testing.assert_allclose(row, [expected[score] for score in SCORES], atol=1e-5)


def test_a_checkpoint_as_others_publish_it_is_read_and_nothing_else_of_its_folder(
    model, bert: Path, tmp_path: Path
) -> None:
    expected = graded(model, bert, tmp_path / "whole")
    folder, marker = tmp_path / "publicado", tmp_path / "executado"
    shutil.copytree(bert, folder)
    weights = load_file(folder / "model.safetensors")
    half = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): value.astype(np.float16) for name, value in weights.items()}  # fmt: skip
    half["bert.embeddings.position_ids"] = np.arange(POSITIONS)[None]
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("pytorch_model.bin", "tf_model.h5"):
        (folder / name).write_bytes(evil(marker))
    np.testing.assert_allclose(graded(model, folder, tmp_path / "half"), expected, atol=0.05)
    assert not marker.exists()
    with pytest.raises(UserError, match="which is not a type of weights"):  # of what this project has written itself
        model.load(folder)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with splits of its own, in which stages run."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    rows = [{"row": n + 2, "essay": essay, "score": n % 11} for n, essay in enumerate(ESSAYS)]
    whole = arrow.write(rows, features(10), Path("all.arrow"))
    parts = {name: arrow.select(whole, np.array(rows)) for name, rows in {"train": [0], "validation": [1, 2, 3, 4], "test": [5, 6, 7]}.items()}  # fmt: skip
    arrow.save(parts, Path("data/splits"))
    return tmp_path


def on(folder: Path, **changes: Any) -> params.Params:
    settings = {"source": "path", "path": str(folder), "max_length": LENGTH, "batch_size": 16, **changes}
    return PARAMS.model_copy(update={"zero_shot": PARAMS.zero_shot.model_copy(update=settings)})


def test_the_stage_measures_as_the_other_baselines_are_measured(
    project: Path, bert: Path, origin: Folder, capsys
) -> None:
    from stages import zero_shot as stage

    stage.main(on(bert))
    written = Path("metrics/zero_shot.json").read_bytes()
    found = json.loads(written)["zero_shot"]
    committed = json.loads(origin.text("metrics/baseline.json"))["tfidf"]
    assert {name: list(found[name]) for name in found} == {name: list(committed[name]) for name in ("validation", "test")}  # fmt: skip
    assert (found["validation"]["essays"], found["test"]["essays"]) == (4, 3)
    assert list(Path(".work").iterdir()) == []
    stage.main(on(bert))
    assert Path("metrics/zero_shot.json").read_bytes() == written

    # linear is fitted on validation; with the notebook's split, whose two parts are one, argmax needs no fit
    parts = arrow.load("data/splits")
    arrow.save({**parts, "validation": parts["test"]}, project / "splits")
    shutil.rmtree("data/splits")
    (project / "splits").rename("data/splits")
    argmax = on(bert).model_copy(update={"decision": params.DecisionRule(rule="argmax")})
    capsys.readouterr()
    stage.main(argmax)
    assert "going on" not in capsys.readouterr().err
    same = json.loads(Path("metrics/zero_shot.json").read_text())["zero_shot"]
    assert same["validation"] == same["test"]
    assert same["test"]["loss"] == found["test"]["loss"]


def test_what_cannot_grade_is_refused_and_writes_nothing(project: Path, bert: Path, make) -> None:
    from stages import zero_shot as stage

    def says(message: str, settings: params.Params) -> None:
        with pytest.raises(UserError, match=message):
            stage.main(settings)
        assert not Path("metrics/zero_shot.json").exists()

    says("is not a folder; zero_shot.path must name a checkpoint", on(project / "nada"))
    says(r"zero_shot.max_length is 512, and the model in .* has positions for 64 tokens: lower it", on(bert, max_length=512))  # fmt: skip
    says("zero_shot.hypothesis_template alone takes .* shorten the one", on(bert, max_length=8))
    generic = {"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    says("are not entailment and contradiction", on(make("bert", **generic)))
    says("are they of one checkpoint?", on(make("bert", vocab_size=100)))

    broken = project / "quebrado"
    shutil.copytree(bert, broken)
    weights = load_file(broken / "model.safetensors")
    nan = weights | {"classifier.bias": np.full(3, np.nan, np.float32)}
    save_file(nan, broken / "model.safetensors", metadata={"format": "pt"})
    says("answers with what is not a number", on(broken))
    headless = {name: value for name, value in weights.items() if name != "classifier.weight"}
    save_file(headless, broken / "model.safetensors", metadata={"format": "pt"})
    says("the weights lack classifier.weight", on(broken))
    tokenizer = json.loads((broken / "tokenizer_config.json").read_text())
    unpadded = tokenizer | {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": None}
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    (broken / "tokenizer_config.json").write_text(json.dumps(unpadded))
    (broken / "special_tokens_map.json").unlink()
    says("the tokenizer has no padding token", on(broken))
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    says(r"pickled weights \(.bin\) are never loaded", on(broken))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.py"}}))
    says("asks for code of its own", on(broken))
