"""How `benchmarks.quality` grades by encoders: as the stages do, though one pass over all essays serves every fold."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.quality import Cost, Essays, Fold, folds
from redacoes import synthetic
from redacoes.scoring import softmax
from tests.support import PARAMS

FROZEN = {"frozen_layers": 1, "probe": True, "epochs": 1, "probe_penalty": 10.0}
SETTINGS = PARAMS.model_copy(update={"train": PARAMS.train.model_copy(update=FROZEN)})


@pytest.fixture(scope="module")
def essays() -> Essays:
    rows = list(synthetic.essays(60, 3))
    scores = np.array([row["score"] for row in rows])
    return Essays(np.arange(60), [row["essay"] for row in rows], scores, np.arange(60), 11)


@pytest.fixture(scope="module")
def fold(essays: Essays) -> Fold:
    places = next(folds(essays.groups, 3, 0.3, 0))
    texts = {part: [essays.texts[place] for place in found] for part, found in places.items()}
    scores = {part: essays.scores[places[part]] for part in ("train", "validation")}
    return Fold(places, texts, scores, essays.classes, PARAMS.baseline)


@pytest.fixture
def encoders(model: Any) -> Any:
    from benchmarks import encoders

    return encoders


def parts(encoders: Any, encoder: Any, fold: Fold, folder: Path) -> dict[str, Any]:
    known = (encoder.tokenizer, encoder.tokenize)
    return {
        name: encoders.tokenized(*known, texts, fold.scores.get(name), fold.classes, folder / name)
        for name, texts in fold.texts.items()
    }


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_fold_is_graded_as_the_stages_grade_it(
    encoders: Any, publish: Callable, essays: Essays, fold: Fold, tmp_path: Path, epochs: int
) -> None:
    """Training runs its own frozen layers here, and the whole model predicts."""
    settings = SETTINGS.model_copy(update={"train": SETTINGS.train.model_copy(update={"epochs": epochs})})
    base, costs = publish("bert")[0], defaultdict(Cost)
    (tmp_path / "once").mkdir()
    encoder = encoders.Encoder(base, essays, settings, tmp_path / "once", tmp_path / "kept", costs)
    found = encoder.tune(fold) if epochs else encoder.probe(fold)
    own = parts(encoders, encoder, fold, tmp_path)
    classifier = encoders.trained(base, own, encoder.pad_id, encoder.train, tmp_path)
    for name, probabilities in found.items():
        logits = encoders.model.predict(classifier, own[name], encoder.pad_id, 16, 32)
        np.testing.assert_allclose(probabilities, softmax(logits), atol=1e-5)
    assert len(costs) == 2


def test_the_encoder_from_scratch_has_its_words_from_training_alone(
    encoders: Any, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, made = [], encoders.checkpoint.from_scratch
    monkeypatch.setattr(
        encoders.checkpoint, "from_scratch", lambda texts, *rest: (seen.extend(texts), made(texts, *rest))
    )
    found = encoders.from_scratch(PARAMS)(fold)
    assert seen == [fold.texts["train"]]
    for name in ("validation", "test"):
        assert found[name].shape == (len(fold.texts[name]), 11)
        np.testing.assert_allclose(found[name].sum(axis=1), 1)
