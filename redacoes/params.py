"""Types, ranges and rules of `params.yaml`: the one place that defines which values are legal.

The comment above each key in `params.yaml` explains it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from redacoes.errors import UserError, nearest

SHOULD = "Input should be "  # the beginning of pydantic's messages
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]
By = Literal["random", "group"]
RENAMED = {  # earlier names of keys and values
    "checkpoint.layers": "num_layers",
    "checkpoint.width": "hidden_size",
    "checkpoint.heads": "num_heads",
    "checkpoint.inner_width": "intermediate_size",
    "decision.rule.matched": "linear",
}


class Section(BaseModel):
    """A mapping with exactly the declared keys, of exactly the declared types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Sample(Section):
    """Synthetic essays."""

    rows: Annotated[int, Field(ge=30, le=1_000_000)]
    seed: Seed


class Data(Section):
    """The CSV of essays and how it is read."""

    csv: Name
    essay_column: Name
    score_column: Name
    group_column: Name | None
    score_scale: Annotated[float, Field(gt=0)]
    max_score: Annotated[int, Field(ge=1, le=100)]
    rounding: Literal["error", "half_up", "half_even"]
    delimiter: Annotated[str, Field(min_length=1, max_length=1)]
    encoding: Name
    invalid_rows: Literal["error", "drop"]
    duplicates: Literal["error", "drop", "keep"]

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        names = [self.essay_column, self.score_column, self.group_column]
        if len(set(names)) < len(names):
            raise ValueError("essay_column, score_column and group_column must be three different columns")
        if self.delimiter in '"\r\n':
            raise ValueError("delimiter cannot be a quote or a line break")
        return self


class Split(Section):
    """Train, validation and test parts."""

    strategy: Literal["sequential", "shuffled", "stratified", "grouped"]
    validation: Literal["own", "test"]
    validation_size: Share
    test_size: Share
    duplicates: Literal["together", "allow"]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation == "own" and self.validation_size + self.test_size >= 1:
            raise ValueError("validation_size and test_size together leave no rows to train on")
        return self


class Checkpoint(Section):
    """The encoder that training starts from."""

    source: Literal["scratch", "path", "hub"]
    path: Name
    repository: Name
    revision: Name
    architecture: Literal["distilbert", "bert"]
    vocabulary_size: Annotated[int, Field(ge=64)]
    min_frequency: Count
    lowercase: bool
    num_layers: Count
    hidden_size: Count
    num_heads: Count
    intermediate_size: Count
    max_positions: Annotated[int, Field(ge=8)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fixed = {"scratch": Path("data/splits"), "hub": Path("LICENSE")}
        if Path(self.path) != fixed.get(self.source, Path(self.path)) or (
            self.source == "path" and Path(self.path) in fixed.values()
        ):
            raise ValueError(
                "path must be data/splits when source is scratch, a checkpoint's folder when source is path, and "
                "LICENSE when source is hub (DVC wants the name of a file, and that one never changes)"
            )
        if self.hidden_size % self.num_heads:
            raise ValueError("hidden_size must be a multiple of num_heads")
        return self


class Tokenize(Section):
    """Token ids of the essays."""

    max_length: Annotated[int, Field(ge=8)]
    truncation: Literal["head", "tail", "head_tail"]
    batch_size: Count


class Train(Section):
    """Fine-tuning."""

    epochs: Annotated[int, Field(ge=0)] | None
    batch_size: Count
    accumulate: Count
    drop_last: bool
    batching: Literal["random", "length"]
    pad_to_multiple_of: Count
    learning_rate: Annotated[float, Field(gt=0)] | None
    head_learning_rate: Annotated[float, Field(gt=0)] | None
    schedule: Literal["linear", "constant"]
    warmup: Rate
    weight_decay: Annotated[float, Field(ge=0)]
    adam_beta1: Rate
    adam_beta2: Rate
    adam_epsilon: Annotated[float, Field(gt=0)]
    gradient_clip_norm: Annotated[float, Field(ge=0)]
    label_spread: Annotated[float, Field(ge=0)]
    class_weights: Literal["none", "balanced"]
    frozen_layers: Annotated[int, Field(ge=0)] | Literal["all"] | None
    probe: bool | None
    probe_penalty: Annotated[float, Field(gt=0)] | None
    dropout: Rate | None
    attention_dropout: Rate | None
    classifier_dropout: Rate | None
    early_stopping_patience: Annotated[int, Field(ge=0)]
    keep: Literal["best", "last"]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    seed: Seed
    threads: Count
    portable: bool
    workers: Count

    @model_validator(mode="after")
    def _computed_alike(self) -> Self:
        if self.portable and (self.threads < 2 or self.precision != "float32"):
            raise ValueError(
                "portable is true, which is for float32 on 2 threads or more: on one, long products are summed in "
                "parts that depend on the size of the processor's cache"
            )
        return self

    @model_validator(mode="after")
    def _each_has_an_essay(self) -> Self:
        for name, divided in (("accumulate", "divided into so many parts"), ("workers", "shared among so many")):
            if (number := getattr(self, name)) > self.batch_size:
                raise ValueError(
                    f"{name} is {number}, and a batch of {self.batch_size} essays cannot be {divided}: lower it to "
                    "batch_size or less"
                )
        return self


class Settled(Train):
    """Fine-tuning, with the nulls that depend on the checkpoint filled in; see `defaults`."""

    epochs: Annotated[int, Field(ge=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    frozen_layers: Annotated[int, Field(ge=0)] | Literal["all"]
    probe: bool


class DecisionRule(Section):
    """How a score is decided from the class probabilities."""

    rule: Literal["argmax", "expected", "linear", "ordinal"]


class Bootstrap(Section):
    """Intervals of the metrics."""

    samples: Annotated[int, Field(ge=10)]
    confidence: Share
    seed: Seed


class Evaluate(Section):
    """Predictions and metrics."""

    batch_size: Count
    calibration_bins: Annotated[int, Field(ge=2)]
    bootstrap: Bootstrap


class Baseline(Section):
    """TF-IDF, for the logistic regression and for the text regression."""

    ngrams: Count
    min_document_frequency: Count
    max_features: Count
    c: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]
    max_iterations: Count


class Crossval(Section):
    """Cross-validation: one training for each fold and repeat."""

    folds: Annotated[int, Field(ge=0, le=100)]
    by: By
    repeats: Count
    seed: Seed

    @field_validator("folds")
    @classmethod
    def _several(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("folds must be 0, for none, or 2 or more")
        return folds


class ZeroShot(Section):
    """A model of natural language inference that grades with no training."""

    source: Literal["none", "path", "hub"]
    path: Name
    repository: Name | None
    revision: Name | None
    hypothesis_template: Name
    batch_size: Count
    max_length: Annotated[int, Field(ge=8)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.source == "path") == (Path(self.path) == Path("LICENSE")):
            raise ValueError("path must be a checkpoint's folder when source is path, and LICENSE when it is not")
        if self.source == "hub" and (self.repository is None or self.revision is None):
            raise ValueError("repository and revision must be given when source is hub")
        if self.hypothesis_template.count("{}") != 1:
            raise ValueError("hypothesis_template must hold {} once, where the score goes")
        return self


class Params(Section):
    """The whole of `params.yaml`."""

    sample: Sample
    data: Data
    split: Split
    checkpoint: Checkpoint
    tokenize: Tokenize
    train: Train
    decision: DecisionRule
    evaluate: Evaluate
    baseline: Baseline
    crossval: Crossval
    zero_shot: ZeroShot

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        if self.split.strategy == "grouped" and self.data.group_column is None:
            raise ValueError("split.strategy is grouped, so data.group_column must name the column of the groups")
        if self.crossval.folds and self.crossval.by == "group" and self.data.group_column is None:
            raise ValueError("crossval.by is group, so data.group_column must name the column of the groups")
        if self.crossval.folds and self.split.validation_size >= 1 - 1 / self.crossval.folds:
            raise ValueError(
                "split.validation_size and a fold leave no rows to train on: lower it, or raise crossval.folds"
            )
        if self.checkpoint.source == "scratch" and self.tokenize.max_length > self.checkpoint.max_positions:
            raise ValueError("tokenize.max_length cannot exceed checkpoint.max_positions")
        if self.checkpoint.source == "scratch" and self.train.probe:
            raise ValueError("train.probe is true, and an encoder from scratch knows nothing to probe: set it to null")
        if self.train.epochs == 0 and (self.checkpoint.source == "scratch" or self.train.probe is False):
            raise ValueError("train.epochs is 0, which is for the probe alone, and there is none: set it to 1 or more")
        if self.split.validation == "test":
            chosen_on_validation = {
                "decision.rule": (self.decision.rule in ("linear", "ordinal"), "argmax or expected"),
                "train.keep": (self.train.keep == "best", "last"),
                "train.early_stopping_patience": (self.train.early_stopping_patience > 0, "0"),
                "baseline.c": (len(self.baseline.c) > 1, "one value, such as [1.0]"),
            }
            for key, (chosen, instead) in chosen_on_validation.items():
                if chosen:
                    raise ValueError(
                        f"{key} would be chosen on the test part, since split.validation is test: set it to {instead}"
                    )
        return self


def load(path: str | Path) -> Params:
    """Read and validate a parameter file.

    Numbers are read as DVC reads them (YAML 1.2), so that ``2e-05`` is a number.

    Args:
        path: A YAML file with the sections and keys of :class:`Params`.

    Raises:
        UserError: The file is missing, is not YAML, or a key in it is unknown, missing or not legal.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run this from the project's folder") from error
    return parse(text, path)


def parse(text: str, path: str | Path) -> Params:
    """Return the parameters in the text of a file; see `load`. Messages name the file `path`."""
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        # a misspelt key is both unknown and missing; only the first message helps
        found = sorted(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        raise UserError(f"{path}: {_sentence(found)}") from error


def _sentence(errors: list[Any]) -> str:
    """Return a sentence for the first error. A key of several types has an error for each type."""
    error, location = errors[0], _known(errors[0]["loc"])
    key = ".".join(location)
    old = key if error["type"] == "extra_forbidden" else f"{key}.{error['input']}"
    if new := RENAMED.get(old):
        return f"{key}: {old.rpartition('.')[2]} is called {new} now; write {new} in its place"
    if error["type"] == "extra_forbidden":
        return f"{key} is not a key of this project{nearest(location[-1], _keys(location[:-1]))}"
    if error["type"] == "missing":
        return f"the key {key} is missing"
    if error["type"] == "value_error":
        message = error["msg"].removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    wanted = [other["msg"].removeprefix(SHOULD) for other in errors if _known(other["loc"]) == location]
    message = (SHOULD if error["msg"].startswith(SHOULD) else "") + " or ".join(dict.fromkeys(wanted))
    return f"{key} is {error['input']!r}: {message[0].lower()}{message[1:]}"


def _known(location: tuple[Any, ...]) -> tuple[str, ...]:
    """Return the keys of a location, without the labels that pydantic adds for the types of a union."""
    return tuple(map(str, location[:2] if location[:2] == ("train", "frozen_layers") else location))


def _keys(location: tuple[str, ...]) -> list[str]:
    model: Any = Params
    for name in location:
        model = model.model_fields[name].annotation
    return list(model.model_fields)
