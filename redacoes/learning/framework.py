"""TensorFlow and its Keras, as every module has them from here: loaded without what they say on every machine.

This comes before what else imports them, such as transformers' models; the linter holds the order.
"""

from redacoes.learning.quiet import quiet

with quiet():
    import tensorflow as tf
    import tf_keras

    tf.config.list_physical_devices()  # it looks for a GPU, and says so once

__all__ = ["tf", "tf_keras"]
