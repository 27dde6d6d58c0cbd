"""TensorFlow and Keras, loaded without their usual log lines. All modules import them from here.

This import must precede others that import TensorFlow, such as transformers' models; the linter enforces the order.
"""

from redacoes.learning.quiet import quiet

with quiet():
    import tensorflow as tf
    import tf_keras

    tf.config.list_physical_devices()  # the search for a GPU logs once

__all__ = ["tf", "tf_keras"]
