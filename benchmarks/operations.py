"""Hashes of the operations of a training, to compare two processors or settings: python -m benchmarks.operations.

With `--portable` they are computed as `train.portable: true` has them. Where a line is the same on two machines, the
operation gives the same bytes on both. docs/reproducibility.md has the table.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from redacoes import processor

THREADS, SEED = 2, 0
ROWS, LENGTH, WIDTH = 16, 256, 256  # essays of a batch, tokens of each, and size of a hidden state
INNER = (64, 128, 256, 320, 384, 512, 1024, 4096)  # what a product sums over; the last is a batch's tokens

Operation = tuple[str, Callable[[], Any]]


def of_numpy(rng: Any) -> Iterator[Operation]:
    """Yield operations of the probe, the baselines and the metrics."""
    import numpy as np

    values = rng.standard_normal((1000, 384))
    yield "NumPy: exp", lambda: np.exp(values)
    yield "NumPy: exp, float32", lambda: np.exp(values.astype(np.float32))
    yield "NumPy: log", lambda: np.log(np.abs(values))
    yield "NumPy: sum", lambda: values.sum(axis=0)
    yield "NumPy: product", lambda: values.T @ values
    yield "NumPy: product, float32", lambda: values.astype(np.float32).T @ values.astype(np.float32)
    yield "NumPy: matrix by vector", lambda: values @ values[0]


def of_tensorflow(rng: Any) -> Iterator[Operation]:
    """Yield operations of the classifier, forwards and backwards."""
    from redacoes.learning.framework import tf, tf_keras

    def drawn(*shape: int) -> Any:
        return tf.constant(rng.standard_normal(shape).astype("float32"))

    def slopes(function: Callable[..., Any], *values: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = tf.reduce_sum(function(*values) * states)
        return [tf.convert_to_tensor(found) for found in tape.gradient(loss, values)]

    states, table = drawn(ROWS, LENGTH, WIDTH), drawn(2000, WIDTH)
    ids = tf.constant(rng.integers(0, len(table), (ROWS, LENGTH)))
    norm = tf_keras.layers.LayerNormalization(epsilon=1e-12)
    for inner in INNER:
        yield f"product over {inner}", partial(tf.matmul, drawn(ROWS * LENGTH, inner), drawn(inner, WIDTH))
        slope = partial(tf.matmul, drawn(inner, WIDTH), drawn(inner, WIDTH), transpose_a=True)
        yield f"slope of weights over {inner}", slope
    heads = drawn(ROWS, 4, LENGTH, WIDTH // 4)
    weights = tf.nn.softmax(drawn(ROWS, 4, LENGTH, LENGTH))
    yield "attention: products", lambda: [tf.matmul(heads, heads, transpose_b=True), tf.matmul(weights, heads)]
    yield "attention: their slope", lambda: tf.matmul(weights, heads, transpose_a=True)
    yield "softmax", lambda: tf.nn.softmax(states)
    yield "softmax, slope", lambda: slopes(tf.nn.softmax, states)
    yield "GELU", lambda: tf.nn.gelu(states, approximate=False)
    yield "GELU, slope", lambda: slopes(lambda x: tf.nn.gelu(x, approximate=False), states)
    yield "layer norm", lambda: norm(states)
    yield "layer norm, slope", lambda: slopes(norm, states)
    yield "bias, slope", lambda: tf.raw_ops.BiasAddGrad(out_backprop=states)
    yield "embedding, slope", lambda: slopes(lambda rows: tf.gather(rows, ids), table)
    yield "dropout", lambda: tf.nn.experimental.stateless_dropout(states, 0.1, [1, 2])
    yield "global norm", lambda: tf.linalg.global_norm([states, table])
    yield "cross entropy", lambda: tf.nn.softmax_cross_entropy_with_logits(tf.eye(11), states[0, :11, :11])


def of_training(rng: Any) -> Iterator[Operation]:
    """Yield a forward pass, and three steps of Adam, of a small classifier."""
    from redacoes.learning.framework import tf, tf_keras

    from transformers import DistilBertConfig, TFAutoModelForSequenceClassification, create_optimizer

    config = DistilBertConfig(dim=128, n_layers=2, n_heads=4, hidden_dim=512, vocab_size=2000, num_labels=11)
    model = TFAutoModelForSequenceClassification.from_config(config)
    model.build_in_name_scope()
    ids = rng.integers(5, config.vocab_size, (ROWS, LENGTH)).astype("int32")
    aims = tf.one_hot(rng.integers(0, 11, ROWS), 11)
    optimizer, _ = create_optimizer(1e-3, 100, 0, weight_decay_rate=0.01, adam_global_clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=tf_keras.losses.CategoricalCrossentropy(from_logits=True))
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype("int32")}

    def trained() -> Any:
        model.fit(tf.data.Dataset.from_tensors((inputs, aims)).repeat(3), verbose=0)
        return model.get_weights()

    yield "new weights", model.get_weights
    yield "forward", lambda: model(inputs, training=False).logits
    yield "weights after three steps", trained


def digest(outcome: Any) -> str:
    """Return a short hash of the bytes of an array or a list of them."""
    import numpy as np

    arrays = outcome if isinstance(outcome, list) else [outcome]
    return hashlib.md5(b"".join(np.asarray(array).tobytes() for array in arrays), usedforsecurity=False).hexdigest()[:8]


def main() -> None:
    parser = argparse.ArgumentParser(description="Hashes of the operations of a training.")
    parser.add_argument("--portable", action="store_true", help="as with train.portable")
    parser.add_argument("--threads", type=int, default=THREADS, help="of TensorFlow")
    asked = parser.parse_args()
    processor.settle(asked.portable)
    import numpy as np

    from redacoes.learning import model

    model.configure(asked.threads, SEED)
    print(processor.shown(processor.kind(portable=False)), flush=True)
    for operations in (of_numpy, of_tensorflow, of_training):
        for name, compute in operations(np.random.default_rng(SEED)):
            print(f"{name:<30}{digest(compute())}", flush=True)


if __name__ == "__main__":
    main()
