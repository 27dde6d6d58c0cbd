"""`redacoes explain` and `redacoes tokens` of one essay, by a model that needs no TensorFlow."""

import json
import os
import pty
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from redacoes.cli.main import main
from redacoes.learning import checkpoint
from tests.support.command import refused
from tests.support.tiny import LENGTH, tiny_model

ESSAY = "O dia passa. A escola bela ensina alunos.\nUm livro feio cansa. A turma passa o dia."


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("modelo") / "onnx")


def test_standard_input_and_colours(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", "-", "--backend", "onnx", "--model", str(model)]

    def give() -> None:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(ESSAY.encode())))

    give()
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown  # no terminal, no colour
    assert shown.startswith("standard input: score ")
    assert "What each word adds" not in shown

    terminal, slave = pty.openpty()
    for no_color, coloured in (("", True), ("1", False)):
        give()
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setenv("TERM", "xterm-256color")
        with monkeypatch.context() as patch, os.fdopen(os.dup(slave), "w", encoding="utf-8") as out:
            patch.setattr(sys, "stdout", out)
            with ThreadPoolExecutor(1) as reading:
                read = reading.submit(lambda: read_until(terminal, "\x04"))
                assert main(asked) == 0
                out.write("\x04")
                out.flush()
                assert ("\x1b[" in read.result()) is coloured
    os.close(slave)
    os.close(terminal)


def read_until(descriptor: int, mark: str) -> str:
    found = b""
    while mark.encode() not in found:
        found += os.read(descriptor, 4096)
    return found.decode()


@pytest.mark.parametrize("command", ["explain", "tokens"])
def test_what_is_no_essay_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "vazio.txt": b"",
        "branco.txt": " \n\u200b\xa0".encode(),
        "partido.txt": "redação".encode("utf-16")[:-1],
        "binario.txt": bytes(range(256)),
        "ensaio.docx": b"PK\x03\x04rest",
        "ensaio.pdf": b"%PDF-1.7",
        "longo.txt": b"a " * 600_000,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    said = {name: refused(command, str(tmp_path / name)) for name in files}
    assert "holds nothing that can be read" in said["vazio.txt"]
    assert "holds nothing that can be read" in said["branco.txt"]
    assert "not text, or is damaged" in said["partido.txt"]
    assert "not text, or is damaged" in said["binario.txt"]
    assert "a damaged document" in said["ensaio.docx"]
    assert "a PDF" in said["ensaio.pdf"]
    assert "more than 1,000,000 characters" in said["longo.txt"]
    assert "did you mean 'vazio.txt'?" in refused(command, str(tmp_path / "vazios.txt"))
    assert "is a folder" in refused(command, str(tmp_path))
    (tmp_path / "bom.txt").write_text("Uma redação.")
    assert "not a folder here, nor a branch" in refused(command, str(tmp_path / "bom.txt"), "--model", "models/scorr")


def test_tokens_are_those_that_the_model_sees(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "Uma escola [SEP] bela, 😀!\n" + "o dia passa " * 40
    (tmp_path / "essay.txt").write_text(text, encoding="utf-8")

    def tokens(*more: str) -> str:
        assert main(["tokens", str(tmp_path / "essay.txt"), "--model", str(model), *more]) == 0
        return capsys.readouterr().out

    found = json.loads(tokens("--json"))
    assert (found["max_length"], found["truncation"], found["truncated"]) == (LENGTH, "head_tail", True)
    tokenizer = checkpoint.load_tokenizer(model)
    seen = [token for token in found["tokens"] if token["seen"]]
    assert len(seen) == LENGTH
    assert len(found["decoded"]) == 2  # on either side of what was cut
    assert [seen[0]["token"], seen[-1]["token"]] == ["[CLS]", "[SEP]"]
    assert sum(token["special"] for token in found["tokens"]) == 2  # what the essay writes itself is text
    assert found["unknown"] == sum(token["id"] == tokenizer.unk_token_id for token in found["tokens"]) > 0
    for token in found["tokens"]:
        if not token["special"] and token["token"] != "[UNK]":
            assert found["text"][token["begin"] : token["end"]] == token["token"].removeprefix("##")
    shown = tokens()
    assert f"{len(found['tokens'])} tokens, special ones included" in shown
    assert f"and sees {LENGTH} of them (head_tail)" in shown
    assert shown.count("not seen") == len(found["tokens"]) - LENGTH + 1
