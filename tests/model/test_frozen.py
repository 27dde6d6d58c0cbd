"""Training on what frozen layers give: what is kept, what a stopped run goes on from, and what is refused."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from redacoes.errors import UserError
from tests.support.encoders import LABELS, TRAIN, checkpoint, essays


@pytest.fixture(scope="module")
def modules():
    from redacoes.learning import frozen, head, model, training

    model.configure(threads=2, seed=1)
    return model, head, frozen, training


class Run(NamedTuple):
    weights: dict[str, np.ndarray]
    losses: dict[int, float]  # on validation, by epoch
    right: float  # share of the validation essays


def fitted(modules, folder: Path, base: Path, **changes: Any) -> Run:
    model, _, _, training = modules
    train = TRAIN.model_copy(update=changes)
    model.configure(threads=2, seed=train.seed)
    classifier = model.build(base, LABELS, train)
    validation = essays(60, seed=1)
    training.fit(classifier, essays(120), validation, 0, train, folder / "curves", folder / "progress")
    logits = model.predict(classifier, validation, 0, batch_size=16, multiple=8)
    right = (logits.argmax(axis=1) == np.asarray(validation["labels"])).mean()
    lines = (folder / "curves/plots/metrics/eval/loss.tsv").read_text().splitlines()[1:]
    losses = {int(step): float(loss) for step, loss in (line.split("\t") for line in lines)}
    return Run(model.to_pytorch(classifier), losses, float(right))


@pytest.fixture(scope="module")
def base(modules, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("published") / "bert", "bert", modules[0])


@pytest.fixture(scope="module")
def probed(modules, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted(modules, tmp_path_factory.mktemp("probed"), base, epochs=0, frozen_layers="all")


def same(one: Run, other: Run) -> bool:
    return all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_the_probe_alone_knows_what_a_new_head_does_not_learn(modules, base: Path, probed: Run, tmp_path: Path) -> None:
    assert list(probed.losses) == [0]
    untouched = modules[0].to_pytorch(modules[0].build(base, LABELS, TRAIN))
    for name, weight in probed.weights.items():
        if name.startswith("bert.") and ".pooler." not in name:
            np.testing.assert_array_equal(weight, untouched[name])
    new = fitted(modules, tmp_path, base, probe=False, epochs=2, learning_rate=5e-5, frozen_layers="all")
    assert list(new.losses) == [1, 2]
    assert probed.losses[0] < 0.8 * min(new.losses.values())
    assert probed.right > new.right + 0.2


def test_the_best_of_the_probe_and_the_epochs_is_kept(modules, base: Path, probed: Run, tmp_path: Path) -> None:
    worse = fitted(modules, tmp_path / "worse", base, learning_rate=0.3)
    assert list(worse.losses) == [0, 1, 2]
    assert min(worse.losses, key=worse.losses.__getitem__) == 0
    assert same(worse, probed)  # which took the same first tokens, whatever layers were frozen
    last = fitted(modules, tmp_path / "last", base, learning_rate=0.3, keep="last")
    assert not same(last, probed)
    tuned = {"epochs": 4, "learning_rate": 3e-3, "dropout": 0.0, "attention_dropout": 0.0}
    better = fitted(modules, tmp_path / "better", base, **tuned)
    assert min(better.losses, key=better.losses.__getitem__) > 0
    assert not same(better, probed)


def test_a_stopped_run_goes_on_to_the_same_weights(
    modules, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, frozen, training = modules
    settings = {"epochs": 3, "keep": "last", "classifier_dropout": 0.1}
    undisturbed = fitted(modules, tmp_path / "undisturbed", base, **settings)

    # stopped while the frozen layers are run: what is half written is never read
    write = frozen._write

    def breaks(compute: Any, ids: Any, pad_id: int, train: Any, config: Any, path: Path) -> None:
        write(compute, ids, pad_id, train, config, path)
        if path.name == "validation":
            path.with_suffix(".f32").write_bytes(b"torn")
            raise RuntimeError("stopped")

    monkeypatch.setattr(frozen, "_write", breaks)
    with pytest.raises(RuntimeError, match="stopped"):
        fitted(modules, tmp_path / "stopped", base, **settings)
    monkeypatch.setattr(frozen, "_write", write)

    # stopped after the first epoch
    on_epoch_end = training.Progress.on_epoch_end

    def stops(self: Any, epoch: int, logs: Any = None) -> None:
        on_epoch_end(self, epoch, logs)
        raise RuntimeError("stopped again")

    monkeypatch.setattr(training.Progress, "on_epoch_end", stops)
    with pytest.raises(RuntimeError, match="stopped again"):
        fitted(modules, tmp_path / "stopped", base, **settings)
    monkeypatch.setattr(training.Progress, "on_epoch_end", on_epoch_end)

    def never(*_: Any) -> None:
        raise AssertionError("the frozen layers were run again")

    monkeypatch.setattr(frozen, "_write", never)
    shutil.rmtree(tmp_path / "stopped/curves")
    resumed = fitted(modules, tmp_path / "stopped", base, **settings)
    assert same(resumed, undisturbed)
    assert resumed.losses == undisturbed.losses
    curves = "curves/plots/metrics/train/loss.tsv"
    assert (tmp_path / "stopped" / curves).read_text() == (tmp_path / "undisturbed" / curves).read_text()


def test_a_disk_without_room_is_said_before_anything_is_run(
    modules, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = modules[2]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(frozen.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    monkeypatch.setattr(frozen, "_write", lambda *_: pytest.fail("it was run"))
    with pytest.raises(UserError, match=r"needs 0\.0 GB in .* 0\.0 GB are free there: make room, lower tokenize"):
        fitted(modules, tmp_path, base)


def test_what_is_kept_on_disk_is_what_was_said(modules, base: Path, tmp_path: Path) -> None:
    model, _, frozen, _ = modules
    parts = {"train": essays(40), "validation": essays(10, seed=1)}
    tokens = sum(len(ids) for part in parts.values() for ids in part["input_ids"])
    for layers, numbers in {0: 50 * 16, 1: 50 * 16 + tokens * 16, "all": 2 * 50 * 16}.items():
        train = TRAIN.model_copy(update={"frozen_layers": layers})
        classifier = model.build(base, LABELS, train)
        folder = tmp_path / str(layers)
        frozen.run(classifier, parts, 0, frozen.Pass.of(train), folder)
        written = sum(path.stat().st_size for path in folder.iterdir())
        assert 4 * numbers <= written <= 4 * numbers + 2 * 128  # headers of two .npy files
