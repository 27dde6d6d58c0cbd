"""The values that nulls of `train` stand for, which depend on the checkpoint. No TensorFlow."""

from typing import Any

from redacoes.params import Settled, Train

UPPER = 3  # layers of a pretrained encoder that are tuned
PENALTY = 100.0  # of the probe, if it may not be chosen on validation

SCRATCH: dict[str, Any] = {
    "epochs": 8,
    "learning_rate": 1e-3,
    "frozen_layers": 0,
    "probe": False,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "classifier_dropout": 0.1,
}
PRETRAINED: dict[str, Any] = {"epochs": 3, "learning_rate": 5e-5}
# RoBERTa and similar families also apply this dropout before the hidden layer, whose inputs may be far from 0
PROBED: dict[str, Any] = {"classifier_dropout": 0.0}


def settle(train: Train, config: Any, weights: bool, validated: bool) -> Settled:
    """Return `train` with the nulls that depend on the checkpoint filled in.

    A null with a meaning of its own stays: the head learns at the encoder's rate, dropout is the checkpoint's, and the
    penalty is chosen on validation.

    Args:
        train: The user's settings, whose values are never changed.
        config: The checkpoint's configuration.
        weights: Whether the checkpoint has weights; else the encoder is new.
        validated: Whether choices on validation are allowed.
    """
    values = train.model_dump()

    def fill(defaults: dict[str, Any]) -> None:
        values.update({name: value for name, value in defaults.items() if values[name] is None})

    if weights:
        shared = config.model_type == "albert"  # its layers share their weights
        fill({"frozen_layers": "all" if shared else max(config.num_hidden_layers - UPPER, 0), "probe": True})
        if values["probe"]:
            fill(PROBED if validated else {**PROBED, "probe_penalty": PENALTY})
            if values["frozen_layers"] == "all":
                fill({"epochs": 0})  # the probe is already the optimum of the head alone
        fill(PRETRAINED)
    else:
        fill(SCRATCH)
    return Settled(**values)


def describe(train: Train, settled: Settled) -> str:
    """Return a line with the values that replace nulls, or an empty string if none does."""
    asked = train.model_dump()
    taken = [f"{name} {str(value).lower()}" for name, value in settled.model_dump().items() if value != asked[name]]
    return f"train, where null follows from the checkpoint: {', '.join(taken)}" if taken else ""
