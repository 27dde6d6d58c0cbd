"""The GPUs that training is spread over. With one or none, TensorFlow runs as if this module were not there."""

from typing import Any

from redacoes.learning.framework import tf

KIND = "GPU"


def strategy() -> Any:
    """Return the `tf.distribute.Strategy` that a model for training is built for.

    Where TensorFlow sees several GPUs, each gets a copy of the model and its share of every batch. Within the scope of
    another strategy, that one stays.
    """
    if tf.distribute.has_strategy() or len(tf.config.list_logical_devices(KIND)) < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices(KIND)])
