"""Checkpoints of every family that is known: as their authors publish them, tiny, in PyTorch's layout."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from redacoes.errors import UserError
from redacoes.learning import checkpoint
from tests.support import PARAMS
from tests.support.checkpoints import FAMILIES, TEXTS, write


def test_every_family_is_here() -> None:
    assert sorted(FAMILIES) == sorted(checkpoint.FAMILIES)


@pytest.mark.parametrize("family", [*FAMILIES])
def test_a_checkpoint_of_each_family(
    model, publish, tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str
) -> None:
    source, weights = publish(family)
    checkpoint.from_path(source, tmp_path / "base")

    # a slow tokenizer alone is read as a fast one, with the same ids
    fast = checkpoint.load_tokenizer(tmp_path / "base")
    assert fast.is_fast
    slow = AutoTokenizer.from_pretrained(source, use_fast=False)
    assert fast(TEXTS)["input_ids"] == slow(TEXTS)["input_ids"]
    assert fast.unk_token_id not in {token for ids in fast(TEXTS)["input_ids"] for token in ids}

    # the encoder is that of the checkpoint, and the head is new, which is said in one line
    built = model.build(tmp_path / "base", ["0", "1", "2"], PARAMS.train)
    said = [line for line in capsys.readouterr().err.splitlines() if "new and to be trained" in line]
    assert len(said) == 1
    assert "classifier" in said[0]
    encoder = {
        name: value for name, value in model.to_pytorch(built).items() if name.startswith(built.base_model_prefix)
    }
    kept = {name: value for name, value in encoder.items() if ".pooler." not in name}
    assert len(kept) > 15
    for name, value in kept.items():
        np.testing.assert_array_equal(value, weights[name])
        assert name not in said[0]

    # what is saved has a fast tokenizer, and starts another training: other classes, half precision, in three files
    model.save(built, fast, tmp_path / "scorer")
    assert (tmp_path / "scorer/tokenizer.json").is_file()
    reread = checkpoint.load_tokenizer(tmp_path / "scorer")
    assert reread(TEXTS)["input_ids"] == slow(TEXTS)["input_ids"]
    saved = load_file(tmp_path / "scorer/model.safetensors")
    half = {name: value.astype(np.float16) for name, value in saved.items()}
    write(tmp_path / "scorer", half, shards=3)
    checkpoint.from_path(tmp_path / "scorer", tmp_path / "again")
    again = model.to_pytorch(model.build(tmp_path / "again", ["0", "1", "2", "3"], PARAMS.train))
    for name, value in again.items():
        if name in kept:
            np.testing.assert_array_equal(value, half[name].astype(np.float32))
    assert "new and to be trained" in capsys.readouterr().err

    # a weight of the encoder that is missing, and one that is too many, are named
    some = sorted(kept)[-1]
    write(tmp_path / "again", {name: value for name, value in half.items() if name != some})
    with pytest.raises(UserError, match=f"the weights lack {some}"):
        model.build(tmp_path / "again", ["0", "1"], PARAMS.train)
    odd = f"{built.base_model_prefix}.odd.weight"
    write(tmp_path / "again", half | {odd: np.zeros(3, np.float16)})
    with pytest.raises(UserError, match=f"the weights hold {odd}"):
        model.build(tmp_path / "again", ["0", "1"], PARAMS.train)


def test_a_tokenizer_of_another_checkpoint_is_refused(publish, tmp_path: Path) -> None:
    shutil.copytree(publish("bert")[0], tmp_path / "published")
    config = json.loads((tmp_path / "published/config.json").read_text())
    (tmp_path / "published/config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    with pytest.raises(UserError, match="tokens, and the encoder embeddings of 100"):
        checkpoint.from_path(tmp_path / "published", tmp_path / "base")


def test_frozen_layers_stay_as_they_are(model, publish) -> None:
    bert, albert = publish("bert")[0], publish("albert")[0]
    frozen = PARAMS.train.model_copy(update={"frozen_layers": 1})
    built = model.build(bert, ["0", "1"], frozen)
    trained = {variable.name.split("/", 2)[2] for variable in built.trainable_variables}
    assert not [name for name in trained if "embeddings" in name or "layer_._0" in name]
    assert [name for name in trained if "layer_._1" in name]
    with pytest.raises(UserError, match="frozen_layers is 3, and the encoder has 2 layers"):
        model.build(bert, ["0", "1"], frozen.model_copy(update={"frozen_layers": 3}))
    with pytest.raises(UserError, match="share their weights"):
        model.build(albert, ["0", "1"], frozen)


@pytest.mark.skipif("REAL_CHECKPOINT" not in os.environ, reason="REAL_CHECKPOINT names no folder of a real encoder")
def test_a_real_encoder_loads_whole(model, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Path(os.environ["REAL_CHECKPOINT"])
    checkpoint.from_path(source, tmp_path / "base")
    built = model.build(tmp_path / "base", ["0", "1", "2"], PARAMS.train)
    new = capsys.readouterr().err.partition("new and to be trained: ")[2]
    assert new
    assert not [name for name in new.split("; ")[0].split(", ") if "classifier" not in name and "pooler" not in name]
    weights = {name: value for file in source.glob("*.safetensors") for name, value in load_file(file).items()}
    mine = model.to_pytorch(built)
    shared = {
        name: value for name, value in weights.items() if f"{built.base_model_prefix}.{name}" in mine or name in mine
    }
    assert len(shared) > 10
    for name, value in shared.items():
        np.testing.assert_array_equal(mine.get(name, mine.get(f"{built.base_model_prefix}.{name}")), value)
