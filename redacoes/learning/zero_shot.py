"""Scores by entailment, without training: an essay is the premise, and "its score is k" the hypothesis for score k.

Yin, Hay and Roth, 2019, "Benchmarking Zero-shot Text Classification", arXiv:1909.00161. The model is passed in as a
function, so TensorFlow is not imported here.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from redacoes.errors import UserError
from redacoes.learning.batching import sorted_batches

PART = 4  # batches whose logits are stored together: the most that a killed run loses
TEXTS = 1000  # tokenized at once

Forward = Callable[[Mapping[str, NDArray[np.int32]]], NDArray[np.float32]]


def entailment_column(labels: Mapping[int, str]) -> int:
    """Return the column of entailment among the logits of a checkpoint, by its label names.

    Args:
        labels: Its label names (``id2label``). They must include "entailment", in any case and with any ending, and
            "contradiction", or "not_entailment" for a model with two labels.

    Raises:
        UserError: The labels are not those of natural language inference.
    """
    found = [number for number, name in labels.items() if str(name).lower().startswith("entail")]
    opposed = [name for name in labels.values() if str(name).lower().startswith(("contra", "not_entail", "non_entail"))]
    if len(found) != 1 or not opposed:
        named = ", ".join(map(str, labels.values()))
        raise UserError(
            f"zero_shot: the labels of the checkpoint ({named}) are not entailment and contradiction; use a model of "
            "natural language inference, and if it is one, name its labels in id2label of config.json"
        )
    return int(found[0])


def hypotheses(template: str, labels: Sequence[str]) -> list[str]:
    """Return `template` with each label in the place of its ``{}``."""
    return [template.replace("{}", label) for label in labels]


class Pairs:
    """All pairs of an essay and a hypothesis, as token ids.

    Attributes:
        lengths: int64 ``(essays * classes,)``: tokens of each pair; pair ``essay * classes + score``.
    """

    def __init__(self, tokenizer: Any, essays: Sequence[str], hypotheses: Sequence[str], max_length: int) -> None:
        """Count the tokens.

        Args:
            tokenizer: A transformers tokenizer.
            essays: The premises.
            hypotheses: One for each class.
            max_length: Tokens of a pair, special ones included; a longer essay is cut at its end, a hypothesis never.

        Raises:
            UserError: A hypothesis leaves no room for the essay, or the tokenizer cannot pad.
        """
        if tokenizer.pad_token is None:
            raise UserError(
                "zero_shot: the tokenizer has no padding token; name its pad_token in tokenizer_config.json"
            )
        self.tokenizer, self.essays, self.hypotheses, self.max_length = tokenizer, essays, hypotheses, max_length
        special = tokenizer.num_special_tokens_to_add(pair=True)
        of_hypotheses = self._count(hypotheses) + special
        if of_hypotheses.max() >= max_length:
            raise UserError(
                f"zero_shot.hypothesis_template alone takes {of_hypotheses.max()} tokens with the special ones, and "
                f"zero_shot.max_length is {max_length}: shorten the one or raise the other"
            )
        self.lengths = np.minimum(self._count(essays)[:, None] + of_hypotheses, max_length).reshape(-1)

    def _count(self, texts: Sequence[str]) -> NDArray[np.int64]:
        counts: list[int] = []
        for start in range(0, len(texts), TEXTS):
            some = list(texts[start : start + TEXTS])
            encoded = self._encode(some, add_special_tokens=False, return_attention_mask=False)
            counts.extend(map(len, encoded["input_ids"]))
        return np.array(counts, dtype=np.int64)

    def _encode(self, *texts: list[str], **options: Any) -> Any:
        # "[SEP]" written in an essay is text; and long essays need no warning
        return self.tokenizer(*texts, split_special_tokens=True, verbose=False, **options)

    def batch(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int32]]:
        """Return the inputs of the model for some pairs, int32 ``(len(rows), length)``, padded to the longest."""
        classes = len(self.hypotheses)
        encoded = self._encode(
            [self.essays[row // classes] for row in rows],
            [self.hypotheses[row % classes] for row in rows],
            truncation="only_first",
            max_length=self.max_length,
            padding="longest",
            return_tensors="np",
        )
        return {name: encoded[name].astype(np.int32) for name in self.tokenizer.model_input_names}


def entailment(pairs: Pairs, forward: Forward, column: int, batch_size: int, progress: Path) -> NDArray[np.float32]:
    """Return the logit of entailment of each essay with each hypothesis, float32 ``(essays, classes)``.

    Args:
        pairs: Essays and hypotheses.
        forward: Returns the logits ``(pairs, labels)`` of a batch's inputs.
        column: Column of entailment.
        batch_size: Pairs at once, of similar length.
        progress: Folder for finished parts of this very computation, from which a stopped run resumes.

    Raises:
        UserError: A logit is not a number.
    """
    progress.mkdir(parents=True, exist_ok=True)
    batches = sorted_batches(pairs.lengths, batch_size)
    parts = [batches[start : start + PART] for start in range(0, len(batches), PART)]
    logits = np.empty(len(pairs.lengths), dtype=np.float32)
    kept = len(list(progress.glob("[0-9]*.npy")))
    if 0 < kept < len(parts):
        print(f"going on after part {kept} of {len(parts)}, where a run was stopped", file=sys.stderr)
    with tqdm(total=len(logits), unit="pair", disable=not sys.stderr.isatty()) as shown:
        for number, part in enumerate(parts):
            rows, file = np.concatenate(part), progress / f"{number:06}.npy"
            values = _kept(file, len(rows))
            if values is None:
                values = np.concatenate([forward(pairs.batch(batch))[:, column] for batch in part])
                if not np.isfinite(values).all():
                    raise UserError("zero_shot: the checkpoint answers with what is not a number; use another one")
                draft = progress / "draft.npy"
                np.save(draft, values, allow_pickle=False)
                draft.replace(file)
            logits[rows] = values
            shown.update(len(rows))
    return logits.reshape(-1, len(pairs.hypotheses))


def _kept(file: Path, pairs: int) -> NDArray[np.float32] | None:
    """Return a part that a stopped run has stored, or None if it is missing or truncated by a power cut."""
    try:
        values: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return values if values.shape == (pairs,) and values.dtype == np.float32 else None
