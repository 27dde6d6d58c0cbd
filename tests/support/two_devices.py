"""Train on one processor and on two logical ones, as on two GPUs: python -m tests.support.two_devices FOLDER.

TensorFlow makes logical devices only before it first computes, so this has a process of its own. The answer, JSON on
standard output, has the losses of each training, and whether both devices ended with the same weights.
"""

import json
import sys
from pathlib import Path
from typing import Any

from redacoes.learning.framework import tf

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value

from redacoes.learning import checkpoint, devices, model, training, wordpiece
from tests.support import PARAMS

TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação!" for n in range(39)]
LABELS = ["0", "1", "2"]


def main(folder: Path) -> dict[str, Any]:
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    change = {"dropout": 0.0, "attention_dropout": 0.0, "classifier_dropout": 0.0, "adam_epsilon": 1e-4}
    train = PARAMS.train.model_copy(update={**change, "head_learning_rate": 1e-2, "class_weights": "balanced"})
    model.configure(train.threads, train.seed)
    wordpiece.from_scratch([TEXTS], PARAMS.checkpoint, folder / "scratch")
    model.save(
        model.build(folder / "scratch", LABELS, train), checkpoint.load_tokenizer(folder / "scratch"), folder / "base"
    )
    features = Features({"input_ids": List(Value("int32")), "labels": ClassLabel(names=LABELS)})
    ids = checkpoint.load_tokenizer(folder / "base")(TEXTS)["input_ids"]
    rows = Dataset.from_dict({"input_ids": ids, "labels": [n % 5 % 3 for n in range(39)]}, features=features)
    found: dict[str, Any] = {}
    for kind, parts in (("GPU", 1), ("CPU", 2)):  # there is no GPU, and so one device
        devices.KIND = kind
        settings = train.model_copy(update={"accumulate": parts})
        classifier = model.build(folder / "base", LABELS, settings)
        name = f"{classifier.distribute_strategy.num_replicas_in_sync} in {parts}"
        training.fit(classifier, rows, rows, 0, settings, folder / f"{name} curves", folder / f"{name} progress")
        curves = folder / f"{name} curves/plots/metrics"
        found[name] = {
            part: np.loadtxt(curves / part / "loss.tsv", skiprows=1)[:, 1].tolist() for part in ("train", "eval")
        }
        found["same"] = all(
            np.array_equal(one.numpy(), other.numpy())
            for variable in classifier.trainable_variables
            for one, other in [getattr(variable, "values", (variable, variable))]
        )
    return found


if __name__ == "__main__":
    answer = main(Path(sys.argv[1]))
    print(json.dumps(answer))
