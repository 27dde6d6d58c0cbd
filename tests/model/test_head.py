"""The head is exactly the regression that is fitted, in every family, and layers above frozen ones train on it."""

from pathlib import Path

import numpy as np
import pytest

from redacoes.essays import arrow
from redacoes.learning import probe
from redacoes.learning.batching import Ragged
from tests.support.encoders import FAMILIES, LABELS, TRAIN, checkpoint, essays


@pytest.fixture(scope="module")
def modules():
    from redacoes.learning import frozen, head, model, training

    model.configure(threads=2, seed=1)
    return model, head, frozen, training


@pytest.mark.parametrize("family", [*FAMILIES])
def test_every_family(modules, tmp_path: Path, family: str) -> None:
    model, head, frozen, training = modules
    layers = "all" if family == "albert" else 1
    train = TRAIN.model_copy(update={"frozen_layers": layers})
    classifier = model.build(checkpoint(tmp_path / "base", family, model), LABELS, train)
    parts = {"train": essays(50), "validation": essays(20, seed=1)}
    outputs = frozen.run(classifier, parts, 0, frozen.Pass.of(train), tmp_path / "frozen")

    # the head that is written is the regression, exactly
    targets = training.soft_targets(5, 0.8)
    vectors = {name: outputs[name].vectors for name in parts}
    probed = training.probe_head(classifier, vectors, parts, targets, train).metrics
    features = head.features(classifier, vectors["train"])
    kernel, bias = head.of(classifier).classes.get_weights()
    regression = probe.Regression(kernel.astype(float) * head.of(classifier).gain, bias.astype(float), 1.0)
    logits = model.predict(classifier, parts["train"], 0, batch_size=4, multiple=8)
    np.testing.assert_allclose(logits, regression.logits(features), atol=1e-4)
    of_train = targets[np.asarray(parts["train"]["labels"])]
    assert probe.cross_entropy(logits.astype(float), of_train) == pytest.approx(probed["train/loss"], abs=1e-4)

    # the layers above, on what the frozen ones have given, answer as the whole model does
    ids = Ragged(*arrow.lists(parts["train"], "input_ids"))
    rows = np.arange(50)
    whole = ids.pad(rows, 0, 8, 40)
    states = outputs["train"].states.pad(rows, 0, 8, 40)
    before = model.to_pytorch(classifier)
    with frozen.upper(classifier, layers):
        above = classifier(states, training=False).logits.numpy()
        names = {weight.name for weight in classifier.trainable_weights}
        assert names == {weight.name for weight in classifier.weights}
    np.testing.assert_allclose(above, classifier(whole, training=False).logits.numpy(), atol=1e-4)
    assert sorted(before) == sorted(model.to_pytorch(classifier))

    # and they alone are trained
    training.fit(classifier, *parts.values(), 0, train.model_copy(update={"keep": "last"}), tmp_path / "curves", tmp_path / "progress")  # fmt: skip
    assert classifier.train_tf_function.experimental_get_tracing_count() == 1  # it takes seconds
    after = model.to_pytorch(classifier)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    prefix = classifier.base_model_prefix
    allowed = {name for name in before if not name.startswith(f"{prefix}.") or ".pooler." in name}
    if layers == 1:
        allowed |= {name for name in before if ".layer.1." in name}
    assert moved <= allowed
    assert len(moved) > (4 if layers == 1 else 1)


@pytest.mark.parametrize("grouped", [False, True])
def test_left_out_logits_are_of_heads_that_have_not_seen_the_essay(modules, tmp_path: Path, grouped: bool) -> None:
    model, head, _, training = modules
    train = TRAIN.model_copy(update={"frozen_layers": "all", "epochs": 0, "probe_penalty": 10.0})
    classifier = model.build(checkpoint(tmp_path / "base", "bert", model), LABELS, train)
    parts = {"train": essays(50), "validation": essays(20, seed=1)}
    if grouped:
        parts = {name: part.add_column("group", [row // 5 for row in range(len(part))]) for name, part in parts.items()}
    random = np.random.default_rng(0)
    vectors = {name: random.normal(size=(len(part), 16)).astype(np.float32) for name, part in parts.items()}
    targets = training.soft_targets(5, 0.8)
    probed = training.probe_head(classifier, vectors, parts, targets, train)
    assert probed.left_out.shape == (50, 5)
    # the head itself is fitted to all
    known = head.of(classifier).classes.get_weights()[0]
    found = head.features(classifier, vectors["train"]) @ (known * head.of(classifier).gain)
    assert probe.cross_entropy(found.astype(float), targets[np.asarray(parts["train"]["labels"])]) < 1.6
    assert np.abs(found - probed.left_out).max() > 0.1

    unit = 5 if grouped else 1  # essays that are left out together, and now have other scores
    others = [(label + 2 * (place < unit)) % 5 for place, label in enumerate(parts["train"]["labels"])]
    parts["train"] = parts["train"].remove_columns("labels").add_column("labels", others)
    again = training.probe_head(classifier, vectors, parts, targets, train)
    np.testing.assert_allclose(again.left_out[:unit], probed.left_out[:unit], atol=1e-5)
    assert np.abs(again.left_out - probed.left_out).max() > 1e-3
