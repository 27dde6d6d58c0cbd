"""What `Scorer.score` returns of any essay, and what it refuses, by a model that needs no TensorFlow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import redacoes
from redacoes.errors import UserError
from redacoes.essays import synthetic
from redacoes.files import read_json
from redacoes.inference.scorer import Scorer
from tests.support.tiny import tiny_model

ESSAYS = [row["essay"] for row in synthetic.essays(100, 5)]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer.load(tiny_model(tmp_path_factory.mktemp("modelo") / "onnx"), "onnx")


def test_what_cannot_be_scored_is_named_by_its_place(scorer: Scorer) -> None:
    for text, says in ((None, "text 1 is of type NoneType"), (7, "of type int"), (" \n\t", "holds nothing")):
        with pytest.raises(ValueError, match=says):
            scorer.score(["um texto", text])
    with pytest.raises(TypeError, match=r"score\(\[text\]\)"):  # else each letter would be an essay
        scorer.score("um texto")


def test_scores_are_in_the_order_of_the_essays_whatever_their_lengths(scorer: Scorer) -> None:
    """Batches have another order: the longest essays are computed first."""
    essays = [" ".join(essay.split()[: 1 + place % 30]) for place, essay in enumerate(ESSAYS)]
    alone = pd.concat([scorer.score([essay]) for essay in essays], ignore_index=True)
    assert alone["tokens"].nunique() > 10
    pd.testing.assert_frame_equal(scorer.score(essays), alone, rtol=0, atol=1e-5)


def test_the_range_leaves_out_five_percent_on_either_side(scorer: Scorer) -> None:
    short = [" ".join(essay.split()[:words]) for words in (1, 2, 4, 8) for essay in ESSAYS]  # of which little is known
    table = scorer.score([*ESSAYS, *short])
    assert {0, 10} <= {*table["low"], *table["high"]}
    assert table["confidence"].min() < 0.2
    assert table["confidence"].max() > 0.98
    rounding = 1e-5
    for row, (low, high) in zip(
        table[[f"p_{k}" for k in range(11)]].to_numpy(), table[["low", "high"]].to_numpy(), strict=True
    ):
        assert 0 <= low <= high <= 10
        assert row[:low].sum() <= 0.05 + rounding
        assert row[high + 1 :].sum() <= 0.05 + rounding
        assert row[: low + 1].sum() >= 0.05 - rounding
        assert low == high or row[high:].sum() >= 0.05 - rounding


def test_the_model_decides_by_its_own_rule(tmp_path: Path) -> None:
    """The rule of `tiny_model` is the expected score, rounded."""
    table = Scorer.load(tiny_model(tmp_path / "onnx", seed=3), "onnx").score(ESSAYS)
    assert list(table["predicted"]) == list(np.floor(table["expected"] + 0.5).astype(int))


ODD: list[tuple[Any, str]] = [
    ("a", "redacoes is 'a', and must be an object"),
    ([1], "redacoes is [1], and must be an object"),
    ({"tokenize": "a"}, "redacoes.tokenize is 'a', and must be an object"),
    ({"tokenize": {}}, "redacoes.tokenize.max_length is missing, and must be a whole number from 8 on"),
    ({"tokenize": {"max_length": 32}}, "redacoes.tokenize.truncation is missing, and must be head, tail or head_tail"),
    ({"tokenize": {"max_length": "32", "truncation": "head"}}, "redacoes.tokenize.max_length is '32', and must be"),
    ({"tokenize": {"max_length": True, "truncation": "head"}}, "redacoes.tokenize.max_length is True, and must be"),
    ({"tokenize": {"max_length": 32, "truncation": ["head"]}}, "redacoes.tokenize.truncation is ['head'], and must"),
    ({"tokenize": {"max_length": 513, "truncation": "head"}}, "tokenize.max_length is 513, and the encoder has pos"),
    ({"scale": 10}, "redacoes.scale is 10, and must be an object"),
    (
        {"scale": {"score_scale": 10, "max_score": 0}},
        "redacoes.scale.max_score is 0, and must be a whole number from 1",
    ),
    (
        {"scale": {"score_scale": float("nan"), "max_score": 1}},
        "redacoes.scale.score_scale is nan, and must be a number",
    ),
    (
        {"scale": {"score_scale": "10", "max_score": 1}},
        "redacoes.scale.score_scale is '10', and must be a number above 0",
    ),
    ({"decision": "a"}, "holds no decision rule"),
]


@pytest.mark.parametrize(("odd", "says"), ODD)
def test_an_odd_configuration_is_told_by_its_key(tmp_path: Path, odd: Any, says: str) -> None:
    path = tiny_model(tmp_path / "onnx") / "config.json"
    config = read_json(path)
    assert config["max_position_embeddings"] == 512
    config["redacoes"] = config["redacoes"] | odd if isinstance(odd, dict) else odd
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError) as error:
        Scorer.load(tmp_path / "onnx", "onnx")
    assert says in str(error.value)


def test_the_scorer_is_a_name_of_the_package() -> None:
    assert redacoes.Scorer is Scorer
    with pytest.raises(AttributeError, match="has no attribute 'Scores'"):
        _ = redacoes.Scores
