"""TensorFlow and Keras, loaded without their usual log lines. All modules import them from here.

This import must precede others that import TensorFlow, such as transformers' models; the linter enforces the order.
"""

from redacoes.learning.quiet import quiet

with quiet():
    import tensorflow as tf
    import tf_keras

    for gpu in tf.config.list_physical_devices("GPU"):  # the search for a GPU logs once
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of its memory at once

__all__ = ["tf", "tf_keras"]
