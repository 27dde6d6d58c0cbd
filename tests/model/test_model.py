"""The classifier: what is saved is what was trained, and the pieces of training."""

import gc
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from safetensors.numpy import load_file, save_file

from redacoes.errors import UserError
from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS

TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação!" for n in range(40)]


@pytest.fixture(scope="module")
def training(model):
    from redacoes.learning import training

    return training


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """What returns an encoder without weights, to be read alone."""

    @cache
    def base(architecture: str = "distilbert") -> Path:
        small = {
            "architecture": architecture,
            "vocabulary_size": 200,
            "hidden_size": 16,
            "num_heads": 2,
            "num_layers": 1,
            "intermediate_size": 32,
        }
        folder = tmp_path_factory.mktemp(architecture) / "base"
        wordpiece.from_scratch([TEXTS], PARAMS.checkpoint.model_copy(update=small), folder)
        return folder

    return base


def part(folder: Path) -> Dataset:
    tokenizer = checkpoint.load_tokenizer(folder)
    labels = ClassLabel(names=["0", "1", "2"])
    features = Features({"row": Value("int64"), "input_ids": List(Value("int32")), "labels": labels})
    ids = tokenizer(TEXTS)["input_ids"]
    values = {"row": list(range(40)), "input_ids": [i[: 5 + n % 9] for n, i in enumerate(ids)], "labels": [n % 3 for n in range(40)]}  # fmt: skip
    return Dataset.from_dict(values, features=features)


def test_garbage_is_collected_after_the_import(model) -> None:
    assert gc.isenabled()


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_a_saved_model_gives_the_same_logits_and_holds_no_pickle(
    model, base, tmp_path: Path, architecture: str
) -> None:
    folder = base(architecture)
    rows = part(folder)
    classifier = model.build(folder, ["0", "1", "2"], PARAMS.train)
    before = model.predict(classifier, rows, 0, batch_size=8, multiple=32)
    model.save(classifier, checkpoint.load_tokenizer(folder), tmp_path / "scorer")
    loaded = model.load(tmp_path / "scorer")
    after = model.predict(loaded, rows, 0, batch_size=8, multiple=32)
    np.testing.assert_array_equal(before, after)
    config = json.loads((tmp_path / "scorer" / "config.json").read_text())
    assert config["id2label"] == {"0": "0", "1": "1", "2": "2"}
    assert config["problem_type"] == "single_label_classification"
    assert not {path.suffix for path in (tmp_path / "scorer").iterdir()} & {".bin", ".h5", ".pkl", ".pt"}
    one_by_one = model.predict(loaded, rows.select(range(6)), 0, batch_size=1, multiple=1)
    np.testing.assert_allclose(after[:6], one_by_one, atol=1e-5)  # neither padding nor order matters

    # what was saved is a checkpoint for the next training: another number of classes only makes a new head
    checkpoint.from_path(tmp_path / "scorer", tmp_path / "again")
    again = model.build(tmp_path / "again", ["0", "1", "2", "3", "4"], PARAMS.train)
    assert again.config.num_labels == 5
    embeddings = [name for name in model.to_pytorch(loaded) if name.endswith("word_embeddings.weight")]
    assert len(embeddings) == 1
    np.testing.assert_array_equal(model.to_pytorch(again)[embeddings[0]], model.to_pytorch(loaded)[embeddings[0]])


def test_damaged_weights_are_named_and_never_filled_in(model, base, tmp_path: Path) -> None:
    folder = base()
    scorer = tmp_path / "scorer"
    model.save(model.build(folder, ["0", "1", "2"], PARAMS.train), checkpoint.load_tokenizer(folder), scorer)
    weights = load_file(scorer / "model.safetensors")
    encoder = "distilbert.transformer.layer.0.ffn.lin1.weight"

    def says(changed: dict, message: str, as_base: bool = True) -> None:
        save_file(changed, scorer / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UserError, match=message):
            model.load(scorer)
        if as_base:
            with pytest.raises(UserError, match=message):
                model.build(scorer, ["0", "1", "2"], PARAMS.train)

    without = {name: value for name, value in weights.items() if name != encoder}
    says(without, f"the weights lack {encoder}")
    says(weights | {encoder: weights[encoder][:, :8].copy()}, "lin1.weight has the shape")
    says(weights | {encoder: weights[encoder].T.copy()}, "lin1.weight has the shape")
    says(weights | {"distilbert.odd.weight": np.zeros(3, np.float32)}, "the weights hold distilbert.odd.weight")
    head = {name: value for name, value in weights.items() if name != "classifier.weight"}
    says(head, "the weights lack classifier.weight", as_base=False)  # a base may have no head, or another one
    model.build(scorer, ["0", "1", "2"], PARAMS.train)
    save_file(weights, scorer / "model.safetensors", metadata={"format": "pt"})
    whole = (scorer / "model.safetensors").read_bytes()
    for damaged in (whole[:-10], b"\xff" * 8 + whole[8:], whole[:20]):
        (scorer / "model.safetensors").write_bytes(damaged)
        with pytest.raises(UserError, match="is not a complete safetensors file"):
            model.load(scorer)
    (scorer / "model.safetensors").write_bytes(whole)
    (scorer / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json cannot be read .* `redacoes verify` tells what is damaged"):
        model.load(scorer)


def curve(folder: Path, name: str) -> list[float]:
    lines = (folder / "plots" / "metrics" / f"{name}.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == [str(epoch) for epoch in range(1, len(lines))]
    return [float(line.split("\t")[1]) for line in lines[1:]]


def loss(model, training, classifier, rows: Dataset) -> float:
    logits = model.predict(classifier, rows, 0, batch_size=8, multiple=32).astype(float)
    targets = training.soft_targets(3, PARAMS.train.label_spread)[rows["labels"]]
    return float((np.log(np.exp(logits).sum(axis=1)) - (targets * logits).sum(axis=1)).mean())


def test_the_epoch_that_is_asked_for_is_kept_and_training_stops_early(model, training, base, tmp_path: Path) -> None:
    folder = base()
    rows = part(folder)
    features = rows.features
    misleading = rows.remove_columns("labels").add_column("labels", [0] * 30 + [2] * 10).cast(features)
    for keep, epochs, patience in (("best", 5, 0), ("last", 20, 2)):
        change = {"epochs": epochs, "keep": keep, "learning_rate": 0.05, "warmup": 0.0}
        train = PARAMS.train.model_copy(update={**change, "early_stopping_patience": patience})
        classifier = model.build(folder, ["0", "1", "2"], train)
        training.fit(classifier, rows, misleading, 0, train, tmp_path / keep, tmp_path / f"{keep} progress")
        losses = curve(tmp_path / keep, "eval/loss")
        assert len(losses) == len(curve(tmp_path / keep, "train/loss"))
        assert len(losses) == (int(np.argmin(losses)) + 1 + patience if patience else epochs) < 20
        assert min(losses) < losses[-1]  # else this test would tell nothing
        kept = min(losses) if keep == "best" else losses[-1]
        assert loss(model, training, classifier, misleading) == pytest.approx(kept, rel=1e-4)


def test_the_schedule_ends_with_the_last_step(
    model, training, base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = base()
    train = PARAMS.train.model_copy(update={"epochs": 2, "drop_last": True, "warmup": 0.0, "learning_rate": 2e-5})
    classifier = model.build(folder, ["0", "1", "2"], train)
    rates = {}
    for name, change in {"notebook": {}, "warm": {"warmup": 0.5}, "constant": {"schedule": "constant"}}.items():
        training.fit(
            classifier, part(folder), part(folder), 0, train.model_copy(update=change),
            tmp_path / name, tmp_path / f"{name} progress",
        )  # fmt: skip
        if name == "notebook":
            assert int(classifier.optimizer.iterations) == 4  # 40 rows // 16 * 2 epochs
            monkeypatch.setattr(classifier, "fit", lambda *_, **__: SimpleNamespace(history={}))  # one is enough
        rates[name] = [float(classifier.optimizer.lr(step)) for step in range(5)]
    assert rates["notebook"] == pytest.approx([2e-5, 1.5e-5, 1e-5, 0.5e-5, 0])
    assert rates["warm"] == pytest.approx([0, 1e-5, 2e-5, 1e-5, 0])
    assert rates["constant"] == pytest.approx([2e-5] * 5)


@pytest.mark.parametrize("decay", [0.0, 0.01])  # transformers has an optimizer for each
def test_the_head_can_learn_at_a_rate_of_its_own(model, training, base, tmp_path: Path, decay: float) -> None:
    folder = base("bert")

    def moved(rate: float | None) -> dict[str, float]:
        """Return how far each weight moves within an epoch."""
        change = {"epochs": 1, "learning_rate": 1e-2, "head_learning_rate": rate, "warmup": 0.0, "weight_decay": decay}
        train = PARAMS.train.model_copy(update={**change, "keep": "last"})
        classifier = model.build(folder, ["0", "1", "2"], train)
        before = model.to_pytorch(classifier)
        places = tmp_path / f"{rate} curves", tmp_path / f"{rate} progress"
        training.fit(classifier, part(folder), part(folder), 0, train, *places)
        after = model.to_pytorch(classifier)
        return {weight: np.abs(after[weight] - before[weight]).max() for weight in before}

    slower = moved(1e-9)
    head = {weight for weight in slower if weight.startswith("classifier") or ".pooler." in weight}
    for weight, distance in slower.items():
        if weight in head:
            assert distance < 1e-7
        elif not weight.endswith("key.bias"):  # which has no effect on attention
            assert distance > 1e-4
    if decay:  # which makes no difference to whether it would move
        same = moved(None)
        assert all(same[weight] > 1e-4 for weight in head)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_and_is_saved_as_float32(model, training, base, tmp_path: Path, precision: str) -> None:
    folder = base()
    rows = part(folder)
    train = PARAMS.train.model_copy(
        update={"epochs": 3, "precision": precision, "keep": "last", "warmup": 0.0, "learning_rate": 0.02}
    )
    classifier = model.build(folder, ["0", "1", "2"], train)
    training.fit(classifier, rows, rows, 0, train, tmp_path / "curves", tmp_path / "progress")
    losses = curve(tmp_path / "curves", "train/loss")
    assert losses[-1] < losses[0]
    model.save(classifier, checkpoint.load_tokenizer(folder), tmp_path / "scorer")
    weights = load_file(tmp_path / "scorer" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    loaded = model.load(tmp_path / "scorer")
    assert loss(model, training, loaded, rows) == pytest.approx(curve(tmp_path / "curves", "eval/loss")[-1], rel=0.02)


def test_targets_and_class_weights(training) -> None:
    np.testing.assert_array_equal(training.soft_targets(3, 0.0), np.eye(3))
    soft = training.soft_targets(11, 0.8)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    assert (soft.argmax(axis=1) == np.arange(11)).all()
    balanced = PARAMS.train.model_copy(update={"class_weights": "balanced"})
    np.testing.assert_allclose(training.class_weights(np.array([0, 0, 0, 1]), 2, balanced), [2 / 3, 2])


def test_a_batch_size_that_leaves_no_batch_is_said(model, training, base, tmp_path: Path) -> None:
    folder = base()
    train = PARAMS.train.model_copy(update={"batch_size": 64, "drop_last": True})
    classifier = model.build(folder, ["0", "1", "2"], train)
    with pytest.raises(UserError, match="leaves no batch"):
        training.fit(classifier, part(folder), part(folder), 0, train, tmp_path / "curves", tmp_path / "progress")
