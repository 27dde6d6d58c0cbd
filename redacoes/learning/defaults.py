"""What a null of `train` stands for: it follows from the checkpoint. No TensorFlow."""

from typing import Any

from redacoes.params import Settled, Train

UPPER = 3  # layers of a pretrained encoder that are tuned
PENALTY = 100.0  # of the probe, where none may be chosen on validation

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
# RoBERTa and its like have this dropout before the hidden layer as well, whose inputs may well be far from 0 on average
PROBED: dict[str, Any] = {"classifier_dropout": 0.0}


def settle(train: Train, config: Any, weights: bool, validated: bool) -> Settled:
    """Return `train` with a value in the place of every null that stands for one.

    What stays null is what has a meaning of its own: a rate of the head that is the encoder's, dropout that is the
    checkpoint's own, and a penalty that is chosen on validation.

    Args:
        train: As the user has it. A value is never changed.
        config: The checkpoint's configuration.
        weights: Whether the checkpoint has any, or is a new encoder.
        validated: Whether something may be chosen on validation.
    """
    values = train.model_dump()

    def fill(defaults: dict[str, Any]) -> None:
        values.update({name: value for name, value in defaults.items() if values[name] is None})

    if weights:
        shared = config.model_type == "albert"  # whose layers are one
        fill({"frozen_layers": "all" if shared else max(config.num_hidden_layers - UPPER, 0), "probe": True})
        if values["probe"]:
            fill(PROBED if validated else {**PROBED, "probe_penalty": PENALTY})
            if values["frozen_layers"] == "all":
                fill({"epochs": 0})  # of the head alone, the probe is the best that there is
        fill(PRETRAINED)
    else:
        fill(SCRATCH)
    return Settled(**values)


def describe(train: Train, settled: Settled) -> str:
    """Return a line that says which values stand for nulls, or an empty string where none does."""
    asked = train.model_dump()
    taken = [f"{name} {str(value).lower()}" for name, value in settled.model_dump().items() if value != asked[name]]
    return f"train, where null follows from the checkpoint: {', '.join(taken)}" if taken else ""
