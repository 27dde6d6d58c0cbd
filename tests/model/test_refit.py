"""Training in a fold: as the stages do it, though one pass over all essays serves every fold."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redacoes import parameters_file, params, recipes
from redacoes.essays import synthetic
from redacoes.evaluation.decision import softmax
from redacoes.learning.crossval import Essays, Fold, divide
from tests.support import PARAMS, ROOT

TRAIN = PARAMS.train.model_copy(update={"probe": True, "probe_penalty": 10.0})
OF_MODEL = {"tokenize": PARAMS.tokenize, "batch_size": 16}


@pytest.fixture(scope="module")
def essays() -> Essays:
    rows = list(synthetic.essays(60, 3))
    places = np.arange(60)
    return Essays(places, [row["essay"] for row in rows], np.array([row["score"] for row in rows]), places, places, 11)


@pytest.fixture(scope="module")
def places(essays: Essays) -> dict[str, np.ndarray]:
    return next(divide(essays.copies, 3, 0.3, 0))


@pytest.fixture
def refit(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from redacoes.learning import refit

    monkeypatch.chdir(tmp_path)  # for its temporary folders
    return refit


@pytest.mark.parametrize(("layers", "epochs"), [("all", 0), (1, 1), (0, 1)])
def test_a_fold_is_graded_as_the_stages_grade_it(
    refit: Any, publish: Callable, essays: Essays, places: Any, tmp_path: Path, layers: int | str, epochs: int
) -> None:
    """Training runs its own frozen layers here, and the whole model predicts."""
    import tf_keras

    from redacoes.learning import model, training

    base = publish("bert")[0]
    train = TRAIN.model_copy(update={"frozen_layers": layers, "epochs": epochs})
    fold = Fold.of(essays, essays.copies, places, PARAMS.baseline)
    grader = refit.Pretrained(base, train=train, **OF_MODEL, essays=essays, folder=tmp_path / "frozen")
    found = grader(fold)
    parts = {
        name: grader.tokenized(texts, fold.scores.get(name), fold.groups[name], 11, tmp_path / name)
        for name, texts in fold.texts.items()
    }
    tf_keras.utils.set_random_seed(train.seed)
    classifier = model.build(base, parts["train"].features["labels"].names, grader.train)
    at = tmp_path / "curves", tmp_path / "progress"
    training.fit(classifier, parts["train"], parts["validation"], grader.tokenizer.pad_token_id, grader.train, *at)
    assert ("train" in found) == (epochs == 0)  # which are of other heads: see test_head
    for name in ("validation", "test"):
        probabilities = found[name]
        logits = model.predict(classifier, parts[name], grader.tokenizer.pad_token_id, 16, 32)
        np.testing.assert_allclose(probabilities, softmax(logits), atol=1e-5)


def test_a_fold_does_not_depend_on_those_before_it_nor_on_the_scores_of_its_test(
    refit: Any, publish: Callable, essays: Essays, places: Any, tmp_path: Path
) -> None:
    base, others = publish("bert")[0], essays.scores.copy()
    others[places["test"]] = 10 - others[places["test"]]
    train = TRAIN.model_copy(update={"frozen_layers": 1, "epochs": 1})
    graders = [
        refit.Pretrained(base, train=train, **OF_MODEL, essays=known, folder=tmp_path / name)
        for name, known in (("a", essays), ("b", essays._replace(scores=others)))
    ]
    folds = [
        Fold.of(known, known.copies, places, PARAMS.baseline) for known in (essays, essays._replace(scores=others))
    ]
    first, again, other = graders[0](folds[0]), graders[0](folds[0]), graders[1](folds[1])
    for name, probabilities in first.items():
        np.testing.assert_array_equal(probabilities, again[name])
        np.testing.assert_array_equal(probabilities, other[name])


def test_the_encoder_from_scratch_has_its_words_from_training_alone(
    refit: Any, essays: Essays, places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, made = [], refit.wordpiece.from_scratch
    monkeypatch.setattr(refit.wordpiece, "from_scratch", lambda texts, *rest: (seen.extend(texts), made(texts, *rest)))
    fold = Fold.of(essays, essays.copies, places, PARAMS.baseline)
    found = refit.from_scratch(PARAMS.checkpoint, train=PARAMS.train, **OF_MODEL)(fold)
    assert seen == [fold.texts["train"]]
    for name in ("validation", "test"):
        assert found[name].shape == (len(fold.texts[name]), 11)
        np.testing.assert_allclose(found[name].sum(axis=1), 1)


@pytest.mark.parametrize("name", ["pretrained", "scratch"])
def test_the_recipe_of_a_model_trains(
    refit: Any, publish: Callable, essays: Essays, places: Any, tmp_path: Path, name: str
) -> None:
    """With its own parameters, but for the length, which is that of a small encoder."""
    copy = Path(shutil.copy(ROOT / "tests" / "params.yaml", tmp_path))
    parameters_file.edit(copy, recipes.load(name, ROOT / "recipes").values)
    settings = params.load(copy)
    fold = Fold.of(essays, essays.copies, places, settings.baseline)
    of_model = {"train": settings.train, "tokenize": PARAMS.tokenize, "batch_size": settings.evaluate.batch_size}
    if name == "pretrained":
        grader = refit.Pretrained(publish("bert")[0], **of_model, essays=essays, folder=tmp_path / "frozen")
        assert (grader.train.probe, grader.train.epochs, grader.train.learning_rate) == (True, 3, 5e-5)
    else:
        grader = refit.from_scratch(PARAMS.checkpoint, **of_model)
    found = grader(fold)
    assert found["test"].shape == (len(places["test"]), 11)
    np.testing.assert_allclose(found["test"].sum(axis=1), 1, atol=1e-6)
