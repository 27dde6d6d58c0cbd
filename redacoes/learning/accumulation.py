"""A training step that computes its batch in parts, one after another, and then makes one step of their sum.

The memory of a step is that of the activations, which are those of one part at a time. The parts' gradients add up to
the batch's, since each essay's loss is divided by the number of essays in the whole batch; on several GPUs or
workers, in the batches of all of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from redacoes.learning.framework import tf, tf_keras

PROBE = 2, 8  # rows and tokens; see `_kinds`

Kind = str | None


def step(model: Any, parts: int, width: int | None) -> Callable[[Any], dict[str, Any]]:
    """Return a `train_step` for the compiled `model`.

    Args:
        model: A classifier, or its layers above the frozen ones.
        parts: Into how many parts a batch is divided; its size may give fewer.
        width: Size of the hidden states that the model takes, or None if it takes token ids.
    """
    scales = isinstance(model.optimizer, tf_keras.mixed_precision.LossScaleOptimizer)  # of mixed_float16
    cross_entropy = tf_keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    variables, kinds = model.trainable_variables, _kinds(model, width)

    def backward(inputs: Any, targets: Any, weights: Any) -> tuple[Any, list[Any]]:
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True).logits
            loss = cross_entropy(targets, logits, weights)
            loss = model.optimizer.get_scaled_loss(loss) if scales else loss
        return logits, tape.gradient(loss, variables)

    def train_step(data: Any) -> dict[str, Any]:
        inputs, targets, weights = data
        rows = tf.shape(targets)[0]
        every = tf.distribute.get_replica_context().all_reduce("sum", rows)
        shares = weights / tf.cast(every, weights.dtype)
        size = tf.maximum(-(-rows // parts), 1)
        number = tf.maximum(-(-rows // size), 1)

        def add(part: Any, logits: Any, sums: list[Any]) -> tuple[Any, Any, list[Any]]:
            here = slice(part * size, (part + 1) * size)
            of_part = {name: value[here] for name, value in inputs.items()}
            found, gradients = backward(of_part, targets[here], shares[here])
            return part + 1, logits.write(part, found), _add(kinds, sums, gradients, part)

        start = tf.constant(0), _array(model.compute_dtype), _empty(kinds, variables)
        # one at a time, else the memory of several parts is needed at once
        _, logits, sums = tf.while_loop(lambda part, *_: part < number, add, start, parallel_iterations=1)
        gradients = _total(kinds, sums, variables)
        gradients = model.optimizer.get_unscaled_gradients(gradients) if scales else gradients
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        predicted = tf.ensure_shape(logits.concat(), targets.shape)
        model.compiled_loss(targets, predicted, weights)  # which keeps the mean that is shown
        model.compiled_metrics.update_state(targets, predicted, weights)
        return {metric.name: metric.result() for metric in model.metrics}

    return train_step


def _kinds(model: Any, width: int | None) -> list[Kind]:
    """Return the kind of each variable's gradient: None if it has none, dense, rows, or shared.

    Embeddings have a gradient for each place of a table that was read. What is read for each row of a batch gives the
    batch's gradient when it is put together, as clipping by its norm expects; what is read once for all rows, such as
    positions, when it is added. A small batch tells them apart.
    """
    rows, length = PROBE
    if width is None:
        inputs = {"input_ids": tf.zeros(PROBE, tf.int32)}
    else:
        inputs = {"inputs_embeds": tf.zeros((*PROBE, width))}
    inputs["attention_mask"] = tf.ones(PROBE, tf.int32)

    def kind(gradient: Any) -> Kind:
        if not isinstance(gradient, tf.IndexedSlices):
            return None if gradient is None else "dense"
        return "rows" if gradient.indices.shape[0] == rows * length else "shared"

    with tf.GradientTape() as tape:  # without dropout, whose random numbers are for training
        logits = model(inputs, training=False).logits
    copies = map(model.distribute_strategy.experimental_local_results, model.trainable_variables)
    return [kind(gradient) for gradient in tape.gradient(logits, [copy for copy, *_ in copies])]


def _array(kind: Any) -> tf.TensorArray:
    return tf.TensorArray(kind, size=0, dynamic_size=True, infer_shape=False)


def _empty(kinds: Sequence[Kind], variables: Sequence[Any]) -> list[Any]:
    """Return what the gradients of the parts are added to."""

    def one(kind: Kind, variable: Any) -> Any:
        if kind == "dense":
            return tf.zeros(variable.shape, variable.dtype)
        return (_array(variable.dtype), _array(tf.int32)) if kind else ()

    return [one(kind, variable) for kind, variable in zip(kinds, variables, strict=True)]


def _add(kinds: Sequence[Kind], sums: list[Any], gradients: Sequence[Any], part: Any) -> list[Any]:
    def one(kind: Kind, total: Any, gradient: Any) -> Any:
        if kind == "dense":
            return total + gradient
        if kind is None:
            return total
        values, indices = total
        return values.write(part, gradient.values), indices.write(part, tf.cast(gradient.indices, tf.int32))

    return [one(*three) for three in zip(kinds, sums, gradients, strict=True)]


def _total(kinds: Sequence[Kind], sums: list[Any], variables: Sequence[Any]) -> list[Any]:
    """Return the gradients of the whole batch, as they would be had it been computed at once."""

    def one(kind: Kind, total: Any, variable: Any) -> Any:
        if kind in (None, "dense"):
            return total if kind else None
        values, indices = total
        if kind == "rows":
            values, indices = values.concat(), indices.concat()
        else:
            values, indices = tf.reduce_sum(values.stack(), 0), indices.read(0)
        shape = variable.shape
        return tf.IndexedSlices(tf.ensure_shape(values, [None, *shape[1:]]), indices, tf.constant(list(shape)))

    return [one(*three) for three in zip(kinds, sums, variables, strict=True)]
