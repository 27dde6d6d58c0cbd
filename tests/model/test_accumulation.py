"""Training in parts of a batch: the same as with whole batches, but for the memory."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS

TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação!" for n in range(39)]
LABELS = ["0", "1", "2"]
# an epsilon above rounding errors, which Adam would take for gradients where there is none
TRAIN = PARAMS.train.model_copy(
    update={
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "classifier_dropout": 0.0,
        "adam_epsilon": 1e-4,
        "class_weights": "balanced",
        "gradient_clip_norm": 0.05,  # less than any gradient here
        "keep": "last",
    }
)
Found = dict[str, np.ndarray]
Change = dict[str, Any]


@pytest.fixture(scope="module")
def base(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """What returns a small encoder with weights, to be read alone."""

    @cache
    def base(architecture: str = "distilbert", layers: int = 1) -> Path:
        folder = tmp_path_factory.mktemp(architecture)
        change = {"architecture": architecture, "vocabulary_size": 200, "num_layers": layers}
        wordpiece.from_scratch([TEXTS], PARAMS.checkpoint.model_copy(update=change), folder / "scratch")
        classifier = model.build(folder / "scratch", LABELS, TRAIN)
        model.save(classifier, checkpoint.load_tokenizer(folder / "scratch"), folder / "base")
        return folder / "base"

    return base


def train(model: Any, base: Path, folder: Path, **change: Any) -> Found:
    """Train, and return the weights and the learning curves."""
    from redacoes.learning import training

    features = Features({"input_ids": List(Value("int32")), "labels": ClassLabel(names=LABELS)})
    ids = checkpoint.load_tokenizer(base)(TEXTS)["input_ids"]
    values = {"input_ids": [i[: 5 + n % 30] for n, i in enumerate(ids)], "labels": [n % 5 % 3 for n in range(39)]}
    rows = Dataset.from_dict(values, features=features)
    settings = TRAIN.model_copy(update=change)
    model.configure(threads=2, seed=1)
    classifier = model.build(base, LABELS, settings)
    places = folder / f"{change} curves", folder / f"{change} progress"
    training.fit(classifier, rows, rows, 0, settings, *places)
    found: Found = model.to_pytorch(classifier)
    for name in ("train/loss", "train/accuracy", "eval/loss"):
        found[name] = np.loadtxt(places[0] / f"plots/metrics/{name}.tsv", skiprows=1)
    return found


def agree(one: Found, other: Found, within: float = 1e-5) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=within, err_msg=name)


@pytest.mark.parametrize(
    ("architecture", "layers", "parts", "change"),
    [
        ("bert", 1, 4, {"head_learning_rate": 1e-2}),  # of the last 7 essays the parts have 2, 2, 2 and 1
        ("distilbert", 1, 16, {"weight_decay": 0.0}),  # for which there is another optimizer
        ("distilbert", 2, 3, {"frozen_layers": 1, "probe": True}),
    ],
)
def test_the_parts_of_a_batch_add_up_to_it(
    model: Any, base: Callable[..., Path], tmp_path: Path, architecture: str, layers: int, parts: int, change: Change
) -> None:
    folder = base(architecture, layers)
    agree(train(model, folder, tmp_path, **change), train(model, folder, tmp_path, **change, accumulate=parts))


def test_half_precision_is_accumulated_too(model: Any, base: Callable[..., Path], tmp_path: Path) -> None:
    change = {"precision": "mixed_float16"}  # which scales the loss as well
    whole, in_parts = (train(model, base(), tmp_path, **change, accumulate=parts) for parts in (1, 4))
    agree(whole, in_parts, within=2e-3)
