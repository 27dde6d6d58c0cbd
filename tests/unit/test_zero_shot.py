"""Grading by entailment, asked of a function; and what of pickled weights is refused before they are read."""

import itertools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redacoes.errors import UserError
from redacoes.learning import checkpoint, wordpiece, zero_shot
from tests.support import PARAMS
from tests.support.pickles import evil
from tools import convert_checkpoint

ESSAYS = [
    f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. " * (1 + n % 5) for n in range(12)
]
Inputs = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("palavras") / "base"
    small = {"architecture": "bert", "vocabulary_size": 200}
    wordpiece.from_scratch([ESSAYS], PARAMS.checkpoint.model_copy(update=small), folder)
    return checkpoint.load_tokenizer(folder)


def forward(inputs: Inputs) -> np.ndarray:
    """Logits of three labels, of which the middle one depends on every token and on its place."""
    ids = np.where(inputs["attention_mask"] == 1, inputs["input_ids"], 0)
    value = (np.sin(ids) * np.arange(1, ids.shape[1] + 1)).sum(axis=1)
    return np.stack([0 * value, value, 0 * value], axis=1).astype(np.float32)


def graded(tokenizer: Any, progress: Path, forward: Callable[[Inputs], np.ndarray] = forward) -> np.ndarray:
    scores = [str(k) for k in range(11)]
    pairs = zero_shot.Pairs(tokenizer, ESSAYS, zero_shot.hypotheses(PARAMS.zero_shot.hypothesis_template, scores), 48)
    return zero_shot.entailment(pairs, forward, 1, 5, progress)


def test_what_a_stopped_run_has_done_is_not_done_again_and_changes_no_bit(tokenizer: Any, tmp_path: Path) -> None:
    asked = itertools.count(1)

    def stopping(inputs: Inputs) -> np.ndarray:
        if next(asked) > 10:
            raise KeyboardInterrupt
        return forward(inputs)

    def counting(inputs: Inputs) -> np.ndarray:
        next(asked)
        return forward(inputs)

    whole = graded(tokenizer, tmp_path / "whole", counting)
    assert whole.shape == (12, 11)
    assert len(np.unique(whole)) == whole.size
    batches = next(asked) - 1
    assert batches == -(-12 * 11 // 5)

    asked = itertools.count(1)
    with pytest.raises(KeyboardInterrupt):
        graded(tokenizer, tmp_path / "stopped", stopping)
    asked = itertools.count(1)
    resumed = graded(tokenizer, tmp_path / "stopped", counting)
    assert next(asked) - 1 == batches - 8  # two parts of four batches were whole
    assert resumed.tobytes() == whole.tobytes()

    # what a power cut leaves of a part, or a part that is none, is computed again
    first, second, third, *_ = sorted((tmp_path / "stopped").iterdir())
    first.write_bytes(b"")
    second.write_bytes(third.read_bytes()[:-3])
    third.write_bytes(evil(tmp_path / "executado"))
    asked = itertools.count(1)
    assert graded(tokenizer, tmp_path / "stopped", counting).tobytes() == whole.tobytes()
    assert next(asked) - 1 == 12
    assert not (tmp_path / "executado").exists()


@pytest.mark.parametrize(
    ("names", "column"),
    [
        (["contradiction", "neutral", "entailment"], 2),
        (["ENTAILMENT", "NEUTRAL", "CONTRADICTION"], 0),
        (["entailment", "not_entailment"], 0),
        (["LABEL_0", "LABEL_1", "LABEL_2"], None),
        (["entailment", "neutral"], None),
        (["entailment", "entails", "contradiction"], None),
    ],
)
def test_entailment_is_found_by_name(names: list[str], column: int | None) -> None:
    labels = dict(enumerate(names))
    if column is not None:
        assert zero_shot.entailment_column(labels) == column
        return
    with pytest.raises(UserError, match=rf"\({', '.join(names)}\) are not entailment and contradiction"):
        zero_shot.entailment_column(labels)


def test_what_is_not_to_be_converted_is_refused_before_torch_is_needed(tmp_path: Path) -> None:
    source, out = tmp_path / "origem", tmp_path / "saida"

    def says(message: str, source: str | Path, out: Path = out) -> None:
        with pytest.raises(convert_checkpoint.RefusedError, match=message):
            convert_checkpoint.convert(str(source), out)

    says("is neither a folder nor a repository", source)
    for revision in ("", "@main", "@abc123"):
        says("names no full commit hash", f"Mel-Iza0/zero-shot{revision}")
    source.mkdir()
    says("exists; name a new folder", source, source)
    says("config.json cannot be read", source)
    (source / "config.json").write_text("{}")
    says("has no pytorch_model.bin", source)
    (source / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "../fora.bin"}}')
    says("names a file outside its own folder", source)
    (source / "config.json").write_text('{"deep": [{"auto_map": {}}]}')
    says("asks for code of its own", source)
    assert not out.exists()
    assert "torch" not in sys.modules
    assert ("config.json", *checkpoint.TOKENIZER_FILES) == convert_checkpoint.COPIED
