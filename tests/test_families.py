"""Checkpoints of every family that is known: as their authors publish them, tiny, in PyTorch's layout."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from safetensors.numpy import load_file, save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoConfig, AutoTokenizer

from redacoes import checkpoint, params
from redacoes.errors import UserError

PARAMS = params.load("params.yaml")
TEXTS = [f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. Ação {n % 7}!" for n in range(60)]
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}


def wordpiece(folder: Path) -> dict[str, Any]:
    """Write `vocab.txt`, the one file of a slow BERT tokenizer."""
    words = checkpoint.train_wordpiece([TEXTS], PARAMS.checkpoint.model_copy(update={"vocabulary_size": 150}))
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    return {"do_lower_case": False}


def byte_level(*special: str) -> Callable[[Path], dict[str, Any]]:
    """Return what writes `vocab.json` and `merges.txt`, those of a slow RoBERTa tokenizer."""

    def write(folder: Path) -> dict[str, Any]:
        tokenizer = ByteLevelBPETokenizer()
        tokenizer.train_from_iterator(TEXTS, vocab_size=320, special_tokens=list(special), show_progress=False)
        tokenizer.save_model(str(folder))
        return {}

    return write


def pieces(name: str, *special: str) -> Callable[[Path], dict[str, Any]]:
    """Return what writes a sentencepiece model, the one file of a slow tokenizer of this kind."""

    def write(folder: Path) -> dict[str, Any]:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXTS),
            model_prefix=str(folder / "pieces"),
            vocab_size=70,
            hard_vocab_limit=False,
            user_defined_symbols=list(special),
            pad_id=0 if special else -1,
            unk_id=1 if special else 0,
            bos_id=-1 if special else 1,
            eos_id=-1 if special else 2,
            minloglevel=9,
        )
        (folder / "pieces.model").rename(folder / name)
        (folder / "pieces.vocab").unlink()
        return {}

    return write


FAMILIES: dict[str, tuple[Callable[[Path], dict[str, Any]], str, dict[str, Any]]] = {
    "distilbert": (wordpiece, "DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
    "bert": (wordpiece, "Bert", {}),
    "electra": (wordpiece, "Electra", {"embedding_size": 8}),
    "roberta": (byte_level("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "Roberta", {"pad_token_id": 1}),
    "xlm-roberta": (pieces("sentencepiece.bpe.model"), "XLMRoberta", {"pad_token_id": 1}),
    "camembert": (pieces("sentencepiece.bpe.model"), "Camembert", {"pad_token_id": 1}),
    "albert": (pieces("spiece.model", "[CLS]", "[SEP]", "[MASK]"), "Albert", {"embedding_size": 8}),
    "deberta": (
        byte_level("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"),
        "Deberta",
        {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    ),
    "deberta-v2": (
        pieces("spm.model", "[CLS]", "[SEP]", "[MASK]"),
        "DebertaV2",
        {  # those of DeBERTa-v3
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
}


@pytest.fixture(scope="module")
def model():
    from redacoes import model

    model.configure(threads=2, seed=1)
    return model


def published(folder: Path, family: str, model: Any) -> dict[str, np.ndarray]:
    """Write a checkpoint with a masked-language-model head, and more ids than its tokenizer has."""
    import transformers

    folder.mkdir()
    tokenizer_files, name, values = FAMILIES[family]
    settings = tokenizer_files(folder)
    kind = f"{name}Tokenizer"
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, **settings}))
    sizes = {} if family == "distilbert" else SIZES
    config = AutoConfig.for_model(family, vocab_size=400, **{**sizes, **values})
    (folder / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": [f"{name}ForMaskedLM"]}))
    classifier = getattr(transformers, f"TF{name}ForMaskedLM")(config)
    classifier.build_in_name_scope()
    weights = model.to_pytorch(classifier)
    write(folder, weights)
    return weights


def write(folder: Path, weights: dict[str, np.ndarray], shards: int = 1) -> None:
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names, edges = sorted(weights), np.linspace(0, len(weights), shards + 1).astype(int)
    places = {}
    for number, (start, end) in enumerate(pairwise(edges), 1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        save_file({name: weights[name] for name in names[start:end]}, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names[start:end], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def test_every_family_is_here() -> None:
    assert sorted(FAMILIES) == sorted(checkpoint.FAMILIES)


@pytest.mark.parametrize("family", [*FAMILIES])
def test_a_checkpoint_of_each_family(model, tmp_path: Path, capsys: pytest.CaptureFixture[str], family: str) -> None:
    source = tmp_path / "published"
    weights = published(source, family, model)
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


def test_a_tokenizer_of_another_checkpoint_is_refused(model, tmp_path: Path) -> None:
    published(tmp_path / "published", "bert", model)
    config = json.loads((tmp_path / "published/config.json").read_text())
    (tmp_path / "published/config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    with pytest.raises(UserError, match="tokens, and the encoder embeddings of 100"):
        checkpoint.from_path(tmp_path / "published", tmp_path / "base")


def test_frozen_layers_stay_as_they_are(model, tmp_path: Path) -> None:
    published(tmp_path / "published", "bert", model)
    frozen = PARAMS.train.model_copy(update={"frozen_layers": 1})
    built = model.build(tmp_path / "published", ["0", "1"], frozen)
    trained = {variable.name.split("/", 2)[2] for variable in built.trainable_variables}
    assert not [name for name in trained if "embeddings" in name or "layer_._0" in name]
    assert [name for name in trained if "layer_._1" in name]
    with pytest.raises(UserError, match="frozen_layers is 3, and the encoder has 2 layers"):
        model.build(tmp_path / "published", ["0", "1"], frozen.model_copy(update={"frozen_layers": 3}))
    published(tmp_path / "shared", "albert", model)
    with pytest.raises(UserError, match="share their weights"):
        model.build(tmp_path / "shared", ["0", "1"], frozen)


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
