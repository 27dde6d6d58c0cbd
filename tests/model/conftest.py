"""What the tests with TensorFlow share: one of each model that takes long to make, for all of them."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redacoes.evaluation.decision import Decision
from redacoes.files import write_json
from redacoes.inference.scorer import Scorer
from redacoes.learning import checkpoint
from tests.support import PARAMS
from tests.support.checkpoints import published
from tests.support.project import Clone, Folder

Published = tuple[Path, dict[str, np.ndarray]]
LABELS = [str(score) for score in range(11)]
SEED = 1


@pytest.fixture(autouse=True)
def _seeded(tensorflow: None) -> None:
    """Have each test draw the same random numbers, whatever has run before it."""
    import tf_keras

    tf_keras.utils.set_random_seed(SEED)


@pytest.fixture
def eager(tensorflow: None) -> Iterator[None]:
    """Run functions operation by operation, since most of the time of a tiny model is that of tracing it.

    For tests of what is computed, or of a stopped run. `test_head` traces each family, and `test_model`, `test_resume`
    and `test_scorer` test graphs.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def publish(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Published]:
    """What returns the folder of a tiny checkpoint of a family, to be read alone, and its weights."""
    import tf_keras

    @cache
    def publish(family: str) -> Published:
        tf_keras.utils.set_random_seed(SEED)
        folder = tmp_path_factory.mktemp(family) / "published"
        return folder, published(folder, family, model)

    return publish


@pytest.fixture(scope="session")
def make_scorer(
    model: Any, publish: Callable[[str], Published], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """What returns a classifier of a family, to be read alone, with weights so large that essays differ in logits."""

    @cache
    def make(family: str) -> Path:
        folder = tmp_path_factory.mktemp(family) / "models"
        source, _ = publish(family)
        classifier = model.build(source, LABELS, PARAMS.train)
        noise = np.random.default_rng(5)
        for variable in classifier.weights:
            variable.assign_add(noise.normal(0, 0.5, variable.shape).astype(np.float32))
        model.save(classifier, checkpoint.load_tokenizer(source), folder / "scorer")
        write_json(folder / "decision.json", Decision("linear", 1.25, -0.75).to_dict())
        return folder / "scorer"

    return make


@pytest.fixture(scope="session")
def trained(tensorflow: None, origin: Folder) -> Scorer:
    """The model that a colleague has trained."""
    return Scorer.load(origin.path / "models/scorer")


@pytest.fixture(scope="session")
def own_clone(computed: tuple[Folder, Clone], tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone after a pull, in which no test changes anything but what is kept of neighbours."""
    return computed[1].copy(tmp_path_factory.mktemp("clone") / "clone")
