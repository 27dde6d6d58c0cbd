"""Training that was stopped: it goes on after the last whole epoch, to the same bytes, and only its own progress."""

from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS

TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação!" for n in range(40)]
TRAIN = PARAMS.train.model_copy(update={"epochs": 4, "dropout": 0.2})
LABELS = ["0", "1", "2"]


@pytest.fixture(scope="module")
def base(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder with weights, so that training begins alike each time."""
    folder = tmp_path_factory.mktemp("base")
    small = PARAMS.checkpoint.model_copy(update={"vocabulary_size": 200})
    wordpiece.from_scratch([TEXTS], small, folder / "scratch")
    classifier = model.build(folder / "scratch", LABELS, TRAIN)
    model.save(classifier, checkpoint.load_tokenizer(folder / "scratch"), folder / "base")
    return folder / "base"


@pytest.fixture(scope="module")
def rows(base: Path) -> Dataset:
    features = Features({"input_ids": List(Value("int32")), "labels": ClassLabel(names=LABELS)})
    ids = checkpoint.load_tokenizer(base)(TEXTS)["input_ids"]
    return Dataset.from_dict({"input_ids": ids, "labels": [n % 3 for n in range(40)]}, features=features)


def train(model, base: Path, rows: Dataset, folder: Path, parts: int) -> dict[str, np.ndarray]:
    """Train in `folder`, going on from what is there, and return the weights."""
    from redacoes.learning import training

    model.configure(threads=2, seed=1)
    settings = TRAIN.model_copy(update={"accumulate": parts})
    classifier = model.build(base, LABELS, settings)
    curves = folder / f"curves {len(list(folder.glob('curves*')))}"
    training.fit(classifier, rows, rows, 0, settings, curves, folder / "progress")
    weights = model.to_pytorch(classifier)
    weights["curve"] = np.loadtxt(curves / "plots/metrics/eval/loss.tsv", skiprows=1)
    return weights


@pytest.mark.parametrize("parts", [1, 3])
def test_a_stopped_training_goes_on_and_ends_with_the_same_bytes(
    model, base: Path, rows: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], parts: int,
) -> None:  # fmt: skip
    from redacoes.learning.resume import Progress

    begun: list[int] = []

    def stop(self: Progress, number: int, logs: dict[str, float] | None = None) -> None:
        begun.append(number)
        if len(begun) == 8:  # three batches are an epoch
            raise KeyboardInterrupt

    for name in ("stopped", "undisturbed"):
        (tmp_path / name).mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_train_batch_begin", stop)
        with pytest.raises(KeyboardInterrupt):
            train(model, base, rows, tmp_path / "stopped", parts)
    capsys.readouterr()
    resumed = train(model, base, rows, tmp_path / "stopped", parts)
    assert "going on after epoch 2 of 4" in capsys.readouterr().err
    undisturbed = train(model, base, rows, tmp_path / "undisturbed", parts)
    assert "going on" not in capsys.readouterr().err
    assert len(undisturbed["curve"]) == 4
    for name, value in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], value)


def test_progress_of_other_parameters_is_discarded(model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from redacoes.learning import resume

    base, root = tmp_path / "base", tmp_path / "train"
    base.mkdir()
    (base / "config.json").write_text("{}")
    made_of = [TRAIN.model_dump(), ["data"]]
    key = resume.key(*made_of, base)
    progress = resume.place(root, key)
    (progress / "000002").mkdir(parents=True)
    assert resume.place(root, resume.key(*made_of, base)) == progress
    assert capsys.readouterr().err == ""
    assert (progress / "000002").exists()
    other = resume.key(TRAIN.model_copy(update={"learning_rate": 2e-3}).model_dump(), ["data"], base)
    assert resume.key(TRAIN.model_dump(), ["other data"], base) not in (key, other)
    (base / "config.json").write_text('{"a": 1}')
    assert resume.key(*made_of, base) != key
    assert resume.place(root, other) == root / other
    assert not progress.exists()
    assert capsys.readouterr().err.startswith("discarding the progress of a stopped run with other parameters")
