"""TensorFlow and Keras, loaded without their usual log lines. All modules import them from here.

This import must precede others that import TensorFlow, such as transformers' models; the linter enforces the order.
"""

import gc

from redacoes.learning.quiet import quiet

# a sixth of the import's time would go to searches for garbage among what stays until the end
collecting = gc.isenabled()
gc.disable()
with quiet():
    import tensorflow as tf
    import tf_keras

    for gpu in tf.config.list_physical_devices("GPU"):  # the search for a GPU logs once
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of its memory at once
if collecting:
    gc.enable()

__all__ = ["tf", "tf_keras"]
