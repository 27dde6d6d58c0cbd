"""Tokenizers and truncation."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from redacoes.errors import UserError
from redacoes.essays import synthetic
from redacoes.learning import checkpoint, wordpiece
from redacoes.learning.tokens import cut, encode, truncate
from tests.support import PARAMS
from tests.support.pickles import evil


def test_a_tokenizer_reads_portuguese_and_takes_markers_for_text(tmp_path: Path) -> None:
    settings = PARAMS.checkpoint.model_copy(update={"vocabulary_size": 2000})
    wordpiece.from_scratch([[row["essay"] for row in synthetic.essays(200, 1)]], settings, tmp_path / "um")
    tokenizer = checkpoint.load_tokenizer(tmp_path / "um")
    text = "Além disso, as instituições perpetuam a coesão do tecido social."
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text.replace(" ,", ",")
    # a marker written in an essay is text, and cannot end it
    [ids], _ = encode(tokenizer, ["fim [SEP] não"], PARAMS.tokenize)
    assert ids.count(tokenizer.sep_token_id) == 1
    essays = [row["essay"] for row in synthetic.essays(50, 2)]
    long = PARAMS.tokenize.model_copy(update={"max_length": 10_000})
    assert encode(tokenizer, essays, long)[0] == tokenizer(essays)["input_ids"]


def test_truncation_keeps_the_special_tokens_and_the_asked_ends() -> None:
    ids, special = list(range(20)), [1, *[0] * 18, 1]
    cut = {name: truncate(ids, special, PARAMS.tokenize.model_copy(update={"max_length": 10, "truncation": name}))
           for name in ("head", "tail", "head_tail")}  # fmt: skip
    assert cut["head"] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 19]
    assert cut["tail"] == [0, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    assert cut["head_tail"] == [0, 1, 2, 13, 14, 15, 16, 17, 18, 19]


@given(st.integers(8, 40), st.integers(3, 80), st.sampled_from(["head", "tail", "head_tail"]))
def test_truncation_never_exceeds_the_length(max_length: int, count: int, truncation: str) -> None:
    tokenize = PARAMS.tokenize.model_copy(update={"max_length": max_length, "truncation": truncation})
    ids = list(range(count))
    cut = truncate(ids, [1, *[0] * (count - 2), 1], tokenize)
    assert len(cut) == min(count, max_length)
    assert (cut[0], cut[-1]) == (ids[0], ids[-1])


def test_a_checkpoint_is_refused_with_the_reason(tmp_path: Path) -> None:
    source = tmp_path / "base"
    with pytest.raises(UserError, match="is not a folder"):
        checkpoint.from_path(source, tmp_path / "out")
    wordpiece.from_scratch([["Olá, mundo."] * 3], PARAMS.checkpoint, source)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UserError, match=r"has no model.safetensors; pickled weights \(.bin\) are never loaded"):
        checkpoint.from_path(source, tmp_path / "out")
    (source / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(UserError, match="is not a complete safetensors file"):
        checkpoint.from_path(source, tmp_path / "out")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.py"}}))
    with pytest.raises(UserError, match="auto_map"):
        checkpoint.from_path(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lengths_are_those_before_truncation(tmp_path: Path) -> None:
    wordpiece.from_scratch([["uma frase curta", "outra"]], PARAMS.checkpoint, tmp_path / "base")
    tokenizer = checkpoint.load_tokenizer(tmp_path / "base")
    ids, lengths = encode(tokenizer, ["uma frase " * 20], PARAMS.tokenize.model_copy(update={"max_length": 12}))
    assert len(ids[0]) == 12
    assert lengths[0] > 40


def test_nothing_from_a_checkpoint_is_executed(tmp_path: Path) -> None:
    source, marker = tmp_path / "estranho", tmp_path / "executado"
    wordpiece.from_scratch([["Olá, mundo."] * 3], PARAMS.checkpoint, source)
    save_file({"a": np.zeros(1, np.float32)}, source / "model.safetensors", metadata={"format": "pt"})
    code = f"open({str(marker)!r}, 'w').close()\nclass C: pass\n"
    (source / "evil.py").write_text(code)
    extra = source / "extra"
    extra.mkdir()
    (extra / "evil.py").write_text(code)
    (extra / "config.json").write_text(json.dumps({"model_type": "x", "auto_map": {"AutoConfig": "evil.C"}}))
    for name in ("pytorch_model.bin", "tokenizer.pkl"):
        (source / name).write_bytes(evil(marker))
    checkpoint.from_path(source, tmp_path / "copied")
    assert {path.suffix for path in (tmp_path / "copied").iterdir()} <= {".json", ".txt", ".safetensors"}

    config = json.loads((source / "config.json").read_text())
    tokenizer = json.loads((source / "tokenizer_config.json").read_text())
    nested = {"model_type": "naoexiste", "_name_or_path": str(extra)}
    for file, bad in {
        "config.json": [
            config | {"auto_map": {"AutoConfig": "evil.C"}},
            config | {"encoder": {"auto_map": {"AutoConfig": "evil.C"}}},
            config | {"trust_remote_code": True},
            {"model_type": "lightglue", "keypoint_detector_config": nested},
        ],
        "tokenizer_config.json": [tokenizer | {"auto_map": {"AutoTokenizer": ["evil.C", None]}}],
    }.items():
        good = (source / file).read_text()
        for number, values in enumerate(bad):
            (source / file).write_text(json.dumps(values))
            with pytest.raises(UserError, match=r"code of its own|is of the family"):
                checkpoint.from_path(source, tmp_path / f"refused {file} {number}")
        (source / file).write_text(good)
    assert not marker.exists()

    # a template's name is that of a file, which save_pretrained would write wherever it leads
    templates = [{"name": "default", "template": "x"}, {"name": "../../../fora", "template": "y"}]
    (source / "tokenizer_config.json").write_text(json.dumps(tokenizer | {"chat_template": templates}))
    checkpoint.load_tokenizer(source).save_pretrained(tmp_path / "um" / "dois" / "tres")
    assert not list(tmp_path.rglob("*.jinja"))


def test_that_many_essays_are_cut_is_said_with_the_key() -> None:
    tokenize = PARAMS.tokenize.model_copy(update={"max_length": 256})
    lengths = [100] * 8 + [300] * 2
    assert cut(lengths, tokenize, 512) == (
        "20% of the essays have more than 256 tokens and are cut: raise tokenize.max_length, up to 512"
    )
    assert cut([*lengths[:-1], 256], tokenize, 512) == ""  # a tenth is no cause for alarm
    assert "no more than 256" in cut(lengths, tokenize, 256)
