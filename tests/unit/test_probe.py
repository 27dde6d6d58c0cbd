"""The regression that the head is fitted by, and what a null of `train` stands for. No TensorFlow."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from redacoes import params
from redacoes.errors import UserError
from redacoes.learning import defaults, probe
from tests.support import PARAMS, PARAMS_FILE

RATES = ("learning_rate", "head_learning_rate", "dropout", "attention_dropout", "classifier_dropout")
NULLS = dict.fromkeys(("epochs", "frozen_layers", "probe", "probe_penalty", *RATES))
TRAIN = PARAMS.train.model_copy(update=NULLS)
BERT = SimpleNamespace(model_type="bert", num_hidden_layers=12)


def planted(rows: int, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of which the first tells the class, and soft targets."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 12)).astype(np.float32)
    classes = np.digitize(features[:, 0] + noise * random.normal(size=rows), [-1, 0, 1])
    distances = np.arange(4) - classes[:, None]
    targets = np.exp(-0.5 * distances**2)
    return features, targets / targets.sum(axis=1, keepdims=True)


def slope(fitted: probe.Regression, features: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The gradient of what is minimised, by differences: of the sum over rows, divided by their number."""

    def loss(flat: np.ndarray) -> float:
        coefficients, intercepts = flat[:48].reshape(12, 4), flat[48:]
        logits = probe.Regression(coefficients, intercepts, 0).logits(features)
        prior = fitted.penalty / 2 * (coefficients**2).sum() / len(features)
        return probe.cross_entropy(logits, targets, weights) + prior

    at = np.concatenate([fitted.coefficients.ravel(), fitted.intercepts])
    steps = 1e-5 * np.eye(len(at))
    return np.array([(loss(at + step) - loss(at - step)) / 2e-5 for step in steps])


def test_the_optimum_is_one_wherever_the_solver_starts() -> None:
    features, targets = planted(80, 0)
    weights = np.linspace(0.5, 1.5, 80)
    fitted = probe.fit(features, targets, weights, 3.0)
    assert np.abs(slope(fitted, features, targets, weights)).max() < 2e-6
    far = probe.Regression(np.full((12, 4), 5.0), np.arange(4.0), 1.0)
    again = probe.fit(features, targets, weights, 3.0, start=far)
    np.testing.assert_allclose(fitted.coefficients, again.coefficients, atol=1e-4)
    np.testing.assert_array_equal(fitted.coefficients, probe.fit(features, targets, weights, 3.0).coefficients)

    # a weight of 2 is a row twice
    twice = np.arange(80) < 30
    both = [np.concatenate([array, array[twice]]) for array in (features, targets)]
    by_weight = probe.fit(features, targets, 1.0 + twice, 3.0)
    np.testing.assert_allclose(by_weight.coefficients, probe.fit(*both, np.ones(110), 3.0).coefficients, atol=1e-4)


def test_the_penalty_is_chosen_on_validation_and_on_nothing_else() -> None:
    few, few_targets = planted(30, 1)
    many, many_targets = planted(400, 2)
    ones = np.ones(30)
    penalties = (0.01, 1.0, 10.0, 1e4)
    best, losses = probe.choose((few, many), (few_targets, many_targets), ones, penalties)
    assert set(losses) == set(penalties)
    assert best.penalty == min(losses, key=losses.__getitem__)
    assert best.penalty in (1.0, 10.0)  # train itself is fitted best with the least
    for penalty, loss in losses.items():
        fitted = probe.fit(few, few_targets, ones, penalty)
        assert probe.cross_entropy(fitted.logits(many), many_targets) == pytest.approx(loss, abs=1e-5)
    other, _ = probe.choose((few, few), (few_targets, few_targets), ones, penalties)
    assert other.penalty == 0.01


def test_nulls_follow_from_the_checkpoint() -> None:
    scratch = defaults.settle(TRAIN, BERT, weights=False, validated=True)
    today = (8, 1e-3, 0, False, 0.1, 0.1, 0.1)
    names = ("epochs", "learning_rate", "frozen_layers", "probe", "dropout", "attention_dropout", "classifier_dropout")
    assert tuple(getattr(scratch, name) for name in names) == today
    pretrained = defaults.settle(TRAIN, BERT, weights=True, validated=True)
    assert (pretrained.frozen_layers, pretrained.probe, pretrained.probe_penalty) == (9, True, None)
    assert pretrained.learning_rate < scratch.learning_rate
    assert (pretrained.dropout, pretrained.classifier_dropout) == (None, 0.0)
    assert defaults.settle(TRAIN, BERT, weights=True, validated=False).probe_penalty == defaults.PENALTY
    shared = SimpleNamespace(model_type="albert", num_hidden_layers=12)
    albert = defaults.settle(TRAIN, shared, weights=True, validated=True)
    assert (albert.frozen_layers, albert.epochs) == ("all", 0)

    # what the user has set stays, and is not told again
    mine = TRAIN.model_copy(update={"epochs": 2, "frozen_layers": 0, "dropout": 0.3})
    kept = defaults.settle(mine, BERT, weights=True, validated=True)
    assert (kept.epochs, kept.frozen_layers, kept.dropout) == (2, 0, 0.3)
    said = defaults.describe(mine, kept)
    assert "learning_rate 5e-05" in said
    assert "probe true" in said
    assert not [name for name in ("epochs", "frozen_layers", "null") if f" {name} " in said.partition(": ")[2]]
    assert defaults.describe(kept, kept) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probe: null": "probe: true"}, "an encoder from scratch knows nothing to probe"),
        ({"epochs: null": "epochs: 0"}, "train.epochs is 0, which is for the probe alone"),
        (
            {"epochs: null": "epochs: 0", "source: scratch": "source: path", "path: data/splits": "path: models/e5"},
            None,
        ),
        ({"frozen_layers: null": "frozen_layers: all"}, None),
        ({"frozen_layers: null": "frozen_layers: most"}, "train.frozen_layers is 'most': .* a valid integer or 'all'$"),
        ({"frozen_layers: null": "frozen_layers: -1"}, "train.frozen_layers is -1: .* equal to 0 or 'all'$"),
    ],
)
def test_what_may_be_asked_for(tmp_path: Path, changes: dict[str, str], message: str | None) -> None:
    text = PARAMS_FILE.read_text(encoding="utf-8")
    for value in ("epochs: 2", "frozen_layers: 0", "probe: false"):
        text = text.replace(f"  {value}\n", f"  {value.partition(':')[0]}: null\n")
    for was, becomes in changes.items():
        assert f"  {was}\n" in text
        text = text.replace(f"  {was}\n", f"  {becomes}\n", 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    if message is None:
        params.load(tmp_path / "params.yaml")
    else:
        with pytest.raises(UserError, match=message):
            params.load(tmp_path / "params.yaml")
