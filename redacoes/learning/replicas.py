"""A training by several processes, each of which has a copy of the model and its share of every batch.

`workers` starts them; a training in one process is a team of one.
"""

import sys
from collections.abc import Callable
from typing import Any

from redacoes.learning.framework import tf, tf_keras


class Team:
    """The processes that train together: this one alone. `workers` has one of several.

    Attributes:
        worker: The number of this one, counted from 0.
        workers: How many there are.
    """

    worker, workers = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this one writes progress and learning curves."""
        return self.worker == 0

    @property
    def verbose(self) -> int:
        """How `fit` tells of its progress."""
        return 1 if sys.stderr.isatty() else 2

    def begin(self, batches: Any, epoch: int) -> None:
        """Prepare for an epoch, counted from 0."""
        batches.begin(epoch)

    def feed(self, batches: Any, validation: Any, done: int) -> dict[str, Any]:
        """Return the arguments of `fit` that give it the batches after so many epochs."""
        return {"x": batches.dataset(), "validation_data": validation.dataset()}


ALONE = Team()


def step(model: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a `train_step` for the compiled `model`.

    Keras takes the mean of the shares' means for the loss of a batch, which is wrong if the shares differ in size, as
    those of an odd batch do. Here an essay's loss is divided by the number of essays in the whole batch.
    """
    cross_entropy = tf_keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")

    def train_step(data: Any) -> dict[str, Any]:
        inputs, targets, weights = data
        every = tf.distribute.get_replica_context().all_reduce("sum", tf.shape(targets)[0])
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True).logits
            loss = cross_entropy(targets, logits, weights / tf.cast(every, weights.dtype))
        model.optimizer.minimize(loss, model.trainable_variables, tape=tape)
        model.compiled_loss(targets, logits, weights)  # which keeps the mean that is shown
        model.compiled_metrics.update_state(targets, logits, weights)
        return {metric.name: metric.result() for metric in model.metrics}

    return train_step
