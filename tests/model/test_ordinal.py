"""The rule ordinal wherever a score is decided: the scorer, an export, an explanation; and old models beside it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from redacoes.errors import UserError
from redacoes.essays import synthetic
from redacoes.essays.cleaning import clean
from redacoes.evaluation.decision import Decision, softmax
from redacoes.explain.attribution import integrated_gradients, occlusion
from redacoes.files import write_json
from redacoes.inference.scorer import Scorer, digest_of
from redacoes.learning import checkpoint, wordpiece
from redacoes.learning.text_regression import FILES, TextRegression
from redacoes.params import Baseline, Tokenize
from redacoes.release import export
from tests.support import PARAMS

ROWS = list(synthetic.essays(120, 5))
ESSAYS, SCORES = [row["essay"] for row in ROWS], np.array([row["score"] for row in ROWS])
NEW = [row["essay"] for row in synthetic.essays(20, 6)]
TOKENIZE = Tokenize(max_length=48, truncation="head_tail", batch_size=100)
WORDS = Baseline(ngrams=1, min_document_frequency=2, max_features=200, c=[1.0], max_iterations=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models/scorer` of a small encoder from scratch, with the rule and the regression beside it."""
    from transformers import TFAutoModelForSequenceClassification

    from redacoes.learning import model

    model.configure(threads=2, seed=1)
    models = tmp_path_factory.mktemp("projeto") / "models"
    small = {
        "vocabulary_size": 300,
        "num_layers": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "max_positions": 64,
    }
    settings = PARAMS.checkpoint.model_copy(update=small)
    wordpiece.from_scratch([ESSAYS], settings, models / "base")
    config = checkpoint.load_config(models / "base")
    config.num_labels = 11
    classifier = TFAutoModelForSequenceClassification.from_config(config)
    classifier.build_in_name_scope()
    noise = np.random.default_rng(2)
    for variable in classifier.weights:
        variable.assign_add(noise.normal(0, 0.3, variable.shape).astype(np.float32))
    model.save(classifier, checkpoint.load_tokenizer(models / "base"), models / "scorer")
    write_json(models / "decision.json", Decision("expected").to_dict())
    saved = json.loads((models / "scorer/config.json").read_text())
    tokenize = {"max_length": TOKENIZE.max_length, "truncation": TOKENIZE.truncation}
    write_json(models / "scorer/config.json", {**saved, "redacoes": {"tokenize": tokenize}})

    regression, _ = TextRegression.fit([clean(text) for text in ESSAYS], SCORES, 10, WORDS)
    plain = Scorer.load(models / "scorer")
    probabilities = softmax(plain.logits(plain.encode(ESSAYS)[0]))
    numbers = regression.predict([clean(text) for text in ESSAYS])
    decision = Decision.fit("ordinal", probabilities, SCORES, numbers, regression.odds)
    write_json(models / "decision.json", decision.to_dict())
    (models / "surface").mkdir()
    regression.save(models / "surface")
    return models / "scorer"


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return Scorer.load(folder)


def test_a_score_is_what_the_rule_makes_of_model_and_text(scorer: Scorer) -> None:
    found = scorer.score(NEW)
    probabilities = softmax(scorer.logits(scorer.encode(NEW)[0]))
    predicted, calibrated = scorer.decision.decide(probabilities, scorer.text.predict([clean(text) for text in NEW]))
    assert found["predicted"].tolist() == predicted.tolist()
    assert found[[f"p_{k}" for k in range(11)]].to_numpy() == pytest.approx(calibrated, abs=1e-6)
    assert np.abs(probabilities - calibrated).max() > 0.05  # else this test would tell nothing
    # the same by themselves, and whatever stands around the text
    alone = pd.concat([scorer.score([f"  {text}\n\n"]) for text in NEW], ignore_index=True)
    pd.testing.assert_frame_equal(alone, found, atol=2e-6, rtol=0)


def test_an_export_gives_the_same_rows(folder: Path, scorer: Scorer, tmp_path: Path) -> None:
    out = tmp_path / "onnx"
    report = export.export(folder, "onnx", True, out, {}, [clean(text) for text in NEW], TOKENIZE)
    assert report.quantized
    assert report.quantized["agreement"] > 0.5
    assert {*FILES, "decision.json"} <= {path.name for path in out.iterdir()}
    export.export(folder, "onnx", False, out, {}, [clean(text) for text in NEW], TOKENIZE)  # over an earlier one
    moved = shutil.move(out, tmp_path / "elsewhere")
    config = json.loads((moved / "config.json").read_text())
    config["redacoes"]["tokenize"] = TOKENIZE.model_dump(exclude={"batch_size"})
    write_json(moved / "config.json", config)
    found = Scorer.load(moved, "onnx")
    assert found.decision == scorer.decision
    pd.testing.assert_frame_equal(found.score(NEW), scorer.score(NEW), atol=1e-4, rtol=0)


def test_occlusion_explains_the_whole_scorer_and_gradients_the_encoder(scorer: Scorer) -> None:
    text = "A escola ensina. " + "O dia passa devagar e ninguém se lembra disso. " * 12 + "Portanto, é preciso ler!"
    effects = occlusion(scorer, text)
    expected = scorer.score([text])["expected"][0]
    for effect in (effects[0], effects[6], effects[-1]):  # the middle is cut off, which the text regression reads
        without = scorer.score([text.replace(effect.text, "", 1)])["expected"][0]
        assert effect.effect == pytest.approx(expected - without, abs=1e-4)
    assert all(effect.effect for effect in effects)
    [only] = occlusion(scorer, "Portanto, é preciso ler!")
    assert np.isfinite(only.effect)
    words = integrated_gradients(scorer, text)
    assert words.of_encoder
    model = softmax(scorer.logits(scorer.encode([text])[0])) @ np.arange(11)
    assert words.expected == pytest.approx(model[0], abs=1e-4)


def test_the_digest_depends_on_the_regression(folder: Path, scorer: Scorer, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(folder.parent, copy)
    assert digest_of(copy / "scorer", "tensorflow", scorer.decision, scorer.tokenize) == scorer.digest
    other, _ = TextRegression.fit([clean(text) for text in ESSAYS], 10 - SCORES, 10, WORDS)
    other.save(copy / "surface")
    assert digest_of(copy / "scorer", "tensorflow", scorer.decision, scorer.tokenize) != scorer.digest
    shutil.rmtree(copy / "surface")
    with pytest.raises(UserError, match="dvc repro writes models/surface"):
        Scorer.load(copy / "scorer")


def test_a_model_of_before_is_loaded_as_it_was(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(folder, copy / "scorer")
    write_json(copy / "decision.json", {"rule": "matched", "slope": 1.25, "intercept": -0.5})
    old = Scorer.load(copy / "scorer")
    assert old.text is None
    probabilities = softmax(old.logits(old.encode(NEW)[0]))
    found = old.score(NEW)
    assert found["predicted"].tolist() == Decision("linear", 1.25, -0.5).apply(probabilities).tolist()
    assert found["p_3"].to_numpy() == pytest.approx(probabilities[:, 3], abs=1e-6)
    assert not integrated_gradients(old, NEW[0]).of_encoder


def test_a_rule_for_other_scores_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(folder.parent, copy)
    values = json.loads((copy / "decision.json").read_text())
    values["odds"]["thresholds"].pop()
    write_json(copy / "decision.json", values)
    with pytest.raises(UserError, match="other scores"):
        Scorer.load(copy / "scorer")
