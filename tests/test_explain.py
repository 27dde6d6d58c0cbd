"""What moved a score, on a model in which one word is good and another bad; and the commands, in one process."""

import json
import os
import pty
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from redacoes import checkpoint, params
from redacoes.cli import main
from redacoes.errors import UserError
from redacoes.explain import by_sentence, by_word, sentences
from redacoes.explanation import Explanation, points
from redacoes.explanation_page import minus, page
from redacoes.files import write_json
from redacoes.neighbours import Neighbours
from redacoes.portable import portable_config
from redacoes.scorer import Scorer
from redacoes.scoring import Decision, expected_score, softmax
from tests.conftest import Clone
from tests.test_families import FAMILIES, published

pytestmark = pytest.mark.usefixtures("tensorflow")

PARAMS = params.load("params.yaml")
TEXTS = [f"A escola bela ensina {n} alunos. Um livro feio cansa a turma, e o dia passa. Fim!" for n in range(40)]
ESSAY = "O dia passa. A escola bela ensina alunos.\nUm livro feio cansa. A turma passa o dia."
TOKENIZE = {"max_length": 48, "truncation": "head_tail"}
WITHOUT_TENSORFLOW = """
import sys
from redacoes.cli import main
status = main(sys.argv[1:])
assert not {"tensorflow", "tf_keras"} & set(sys.modules)
sys.exit(status)
"""


def make_scorer(folder: Path, base: Path, labels: int, change: Any, tokenize: dict[str, Any] = TOKENIZE) -> Path:
    """Build a classifier on the encoder in `base`, and have `change` alter its weights, by their PyTorch names."""
    from redacoes import model

    tokenizer = checkpoint.load_tokenizer(base)
    classifier = model.build(base, [str(k) for k in range(labels)], PARAMS.train)
    model.save(classifier, tokenizer, folder)
    weights = load_file(folder / "model.safetensors")
    change(weights, tokenizer)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", portable_config(config, Decision("expected"), {"tokenize": tokenize}))
    return folder


def plant(weights: dict[str, np.ndarray], tokenizer: Any) -> None:
    """Let every token be equal but "bela" and "feio", and the score be counted from their mean over the essay."""
    layer, zero = "distilbert.transformer.layer.0.", np.zeros((16, 16), np.float32)
    one = np.eye(16, dtype=np.float32)
    words = weights["distilbert.embeddings.word_embeddings.weight"]
    words[:] = one[8] - one[9]  # with a mean of 0, which layer norms then leave alone
    words[tokenizer.convert_tokens_to_ids("bela")] += 3 * (one[0] - one[10])
    words[tokenizer.convert_tokens_to_ids("feio")] -= 2 * (one[0] - one[10])
    weights["distilbert.embeddings.position_embeddings.weight"][:] = 0
    for name, value in {"q_lin": zero, "k_lin": zero, "v_lin": one, "out_lin": 4 * one}.items():
        weights[f"{layer}attention.{name}.weight"][:] = value
    weights[f"{layer}ffn.lin2.weight"][:] = 0
    weights["pre_classifier.weight"][:] = one
    weights["pre_classifier.weight"][1] = -one[0]
    weights["classifier.weight"][:] = 0
    weights["classifier.weight"][:, 0] = np.arange(11) - 5  # the head has a ReLU, so each sign has a unit of its own
    weights["classifier.weight"][:, 1] = 5 - np.arange(11)
    for name in weights:
        if name.endswith(".bias") and "LayerNorm" not in name and "layer_norm" not in name:
            weights[name][:] = 0


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plantado")
    small = {"vocabulary_size": 300, "width": 16, "heads": 2, "layers": 1, "inner_width": 32}
    checkpoint.from_scratch([TEXTS], PARAMS.checkpoint.model_copy(update=small), folder / "base")
    return make_scorer(folder / "scorer", folder / "base", 11, plant)


@pytest.fixture(scope="module")
def scorer(planted: Path) -> Scorer:
    return Scorer.load(planted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O Dr. Silva leu o art. 5º da lei, na p. 12. Gostou.", ["O Dr. Silva leu o art. 5º da lei, na p. 12.", "Gostou."]),
        ("Custa R$ 3.500,00 ou 3.5 mil. Caro!", ["Custa R$ 3.500,00 ou 3.5 mil.", "Caro!"]),
        ("Eu acho que... não sei. Sei… talvez.", ["Eu acho que... não sei.", "Sei… talvez."]),
        ("Foi embora... Ninguém viu.", ["Foi embora...", "Ninguém viu."]),
        ("Ele vive nos E.U.A. desde 1988. A Profa. Ana, o Sr. J. Souza etc. vieram.", ["Ele vive nos E.U.A. desde 1988.", "A Profa. Ana, o Sr. J. Souza etc. vieram."]),
        ("Livros, filmes etc. A lista é longa.", ["Livros, filmes etc.", "A lista é longa."]),
        ("Por quê? Porque sim! «Vá embora!» disse ele. (Fim.) Agora", ["Por quê?", "Porque sim!", "«Vá embora!» disse ele.", "(Fim.)", "Agora"]),
        ("isso é ruim. as pessoas não ligam", ["isso é ruim.", "as pessoas não ligam"]),
        ("1. Introdução. 2. Fim", ["1. Introdução.", "2. Fim"]),
        ("Título\nUma linha\nOutra.", ["Título", "Uma linha", "Outra."]),
        ("Acabou ! ! !\n***", ["Acabou ! ! !", "***"]),
        ("O que é. Depois", ["O que é.", "Depois"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[begin:end] for begin, end in sentences(text)] == expected


@given(st.text(st.one_of(st.sampled_from('aB 1.!?…\n"»)-é\u2028\x85\r\t\xa0'), st.characters()), max_size=60))
def test_every_character_is_in_one_sentence(text: str) -> None:
    spans = sentences(text)
    inside = [place for begin, end in spans for place in range(begin, end)]
    assert inside == sorted(set(inside))
    assert {place for place, character in enumerate(text) if not character.isspace()} <= set(inside)
    for begin, end in spans:
        assert begin < end
        assert text[begin:end] == text[begin:end].strip()
        assert len(text[begin:end].splitlines()) == 1


WORDS = st.lists(st.sampled_from(["casa", "escola", "o", "é", "lei", "vive"]), min_size=2, max_size=5)
PLAIN = st.tuples(WORDS, st.sampled_from([".", "!", "?", "..."])).map(lambda of: " ".join(of[0]).capitalize() + of[1])


@given(st.lists(PLAIN, max_size=6), st.sampled_from([" ", "\n", "  "]))
def test_plain_sentences_are_told_apart(written: list[str], between: str) -> None:
    text = between.join(written)
    assert [text[begin:end] for begin, end in sentences(text)] == written


def test_the_planted_sentences_come_first_and_are_exact(scorer: Scorer) -> None:
    effects = by_sentence(scorer, ESSAY)
    assert [effect.text for effect in effects] == ["O dia passa.", "A escola bela ensina alunos.", "Um livro feio cansa.", "A turma passa o dia."]  # fmt: skip
    assert max(effects, key=lambda effect: effect.effect).text == "A escola bela ensina alunos."
    assert min(effects, key=lambda effect: effect.effect).text == "Um livro feio cansa."
    assert effects[1].effect > 1
    assert effects[2].effect < -1
    for effect in effects:
        without = ESSAY[: effect.begin] + ESSAY[effect.end :]
        whole, rest = scorer.score([ESSAY, without])["expected"]
        assert effect.effect == pytest.approx(whole - rest, abs=2e-6)


def test_the_planted_words_come_first_and_add_up(scorer: Scorer) -> None:
    words = by_word(scorer, ESSAY)
    ranked = [effect.text for effect in sorted(words.effects, key=lambda effect: -abs(effect.effect))]
    assert set(ranked[:2]) == {"bela", "feio"}
    by_text = {effect.text: effect.effect for effect in words.effects}
    assert by_text["bela"] > 0.5
    assert by_text["feio"] < -0.5
    assert all(abs(effect) < 0.2 for word, effect in by_text.items() if word not in ("bela", "feio"))
    assert [ESSAY[effect.begin : effect.end] for effect in words.effects] == ESSAY.split()
    assert all(words.seen)
    assert words.expected == pytest.approx(scorer.score([ESSAY])["expected"][0], abs=1e-4)
    assert words.baseline == pytest.approx(5, abs=1e-3)  # of padding, which is neither good nor bad
    total = sum(effect.effect for effect in words.effects)
    assert words.gap == pytest.approx(abs(total - (words.expected - words.baseline)), abs=1e-6)
    assert words.is_complete
    assert words.gap <= 0.01


def test_a_gap_is_reported_and_more_steps_close_it(scorer: Scorer) -> None:
    rough = by_word(scorer, ESSAY, tolerance=1e-9, steps=(1, 2))
    assert rough.steps == 2
    assert not rough.is_complete
    fine = by_word(scorer, ESSAY, tolerance=1e-3, steps=(1, 512))
    assert 2 < fine.steps <= 512
    assert fine.gap <= 1e-3 < rough.gap
    shown = explained(scorer, ESSAY, words=rough)
    assert "which is more than 1e-09: take them with caution" in shown.to_terminal(colour=False)
    assert "take them with caution" in page(shown)
    assert shown.to_dict()["words"]["complete"] is False


def test_what_is_cut_off_has_no_effect_and_is_marked(scorer: Scorer) -> None:
    text = f"A bela. {'O dia passa. ' * 8}O feio é belo. {'O dia passa. ' * 12}Fim."
    assert scorer.score([text])["truncated"][0]
    words = by_word(scorer, text)
    place = text.split().index("feio")
    assert not words.seen[place]
    assert words.effects[place].effect == 0
    assert words.seen[1]
    assert words.effects[1].effect > 0.2
    assert words.is_complete
    assert "[not seen: " in explained(scorer, text, words=words).to_terminal(colour=False)
    effects = by_sentence(scorer, text)
    [hidden] = [effect for effect in effects if "feio" in effect.text]
    assert hidden.effect == 0
    without = text[: hidden.begin] + text[hidden.end :]
    assert scorer.score([text])["expected"][0] == pytest.approx(scorer.score([without])["expected"][0], abs=2e-6)


def test_odd_essays(scorer: Scorer) -> None:
    [only] = by_sentence(scorer, "A escola bela ensina")  # which is compared with an empty essay
    assert only.effect == pytest.approx(scorer.score(["A escola bela ensina"])["expected"][0] - 5, abs=1e-3)
    for text in ("x", "...", "😀 العربية", "Foo. ['']", "a" * 5000, "a. " * 300, "[SEP] [PAD] bela"):
        words = by_word(scorer, text)
        assert words.is_complete
        assert len(words.effects) == len(text.split())
        assert len(by_sentence(scorer, text)) == len(sentences(text))
    for nothing in ("", " \n\u200b"):
        with pytest.raises(ValueError, match="nothing that can be read"):
            by_sentence(scorer, nothing)
        with pytest.raises(ValueError, match="nothing that can be read"):
            by_word(scorer, nothing)


def test_several_threads_explain_at_once(scorer: Scorer) -> None:
    texts = [f"{ESSAY} {'A bela. ' * n}" for n in range(6)]
    alone = [(by_sentence(scorer, text), by_word(scorer, text)) for text in texts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda text: (by_sentence(scorer, text), by_word(scorer, text)), texts))
    for mine, other in zip(alone, together, strict=True):
        np.testing.assert_allclose([e.effect for e in mine[0]], [e.effect for e in other[0]], atol=1e-5)
        np.testing.assert_allclose([e.effect for e in mine[1].effects], [e.effect for e in other[1].effects], atol=1e-5)


def test_without_gradients_only_sentences_are_told_apart(scorer: Scorer) -> None:
    plain = replace(scorer, classifier=None)  # as one of ONNX Runtime is
    assert by_sentence(plain, ESSAY) == by_sentence(scorer, ESSAY)
    with pytest.raises(UserError, match="ONNX Runtime gives no gradients"):
        by_word(plain, ESSAY)
    with pytest.raises(UserError, match="ONNX Runtime gives no vectors"):
        Neighbours.load(plain)


def test_sentences_have_the_same_effects_in_onnx_runtime(planted: Path, scorer: Scorer, tmp_path: Path) -> None:
    from redacoes.export import export

    tokenize = PARAMS.tokenize.model_copy(update=TOKENIZE)
    export(planted, "onnx", False, tmp_path / "onnx", {"tokenize": TOKENIZE}, TEXTS, tokenize)
    in_onnx = by_sentence(Scorer.load(tmp_path / "onnx", "onnx"), ESSAY)
    for mine, other in zip(by_sentence(scorer, ESSAY), in_onnx, strict=True):
        assert mine.effect == pytest.approx(other.effect, abs=1e-4)


def louder(weights: dict[str, np.ndarray], _: Any) -> None:
    """Have a new model tell essays apart: it gives all of them the same score, nearly."""
    random = np.random.default_rng(1)
    for name in sorted(weights):
        if weights[name].ndim > 1:
            weights[name][:] = random.normal(0, 0.2, weights[name].shape)


@pytest.mark.parametrize("family", [*FAMILIES])
def test_words_of_each_family_add_up(tmp_path: Path, family: str) -> None:
    from redacoes import model

    published(tmp_path / "published", family, model)
    checkpoint.from_path(tmp_path / "published", tmp_path / "base")
    folder = make_scorer(
        tmp_path / "scorer", tmp_path / "base", 11, louder, {"max_length": 32, "truncation": "head_tail"}
    )
    scorer = Scorer.load(folder)
    text = "A educação número 7 é um direito de todos.\nOs cidadãos, e não poucos! Ação " + "é de todos " * 12
    words = by_word(scorer, text, tolerance=1e-3)
    assert words.is_complete
    assert max(abs(effect.effect) for effect in words.effects) > 1e-3  # else there would be nothing to add up
    assert words.expected == pytest.approx(scorer.score([text])["expected"][0], abs=1e-3)
    assert sum(effect.effect for effect in words.effects) == pytest.approx(words.expected - words.baseline, abs=1e-3)
    [ids], _ = scorer.encode([text])
    inside, pad = set(scorer.tokenizer.all_special_ids), scorer.tokenizer.pad_token_id
    blank = [token if token in inside else pad for token in ids]
    if family not in ("roberta", "xlm-roberta", "camembert"):  # whose positions do not count padding among ids
        probabilities = softmax(scorer.logits([blank]))
        assert words.baseline == pytest.approx(expected_score(probabilities)[0], abs=1e-3)
    assert not all(words.seen)
    assert words.seen[0]
    assert words.seen[-1]
    [vector] = scorer.run(pooled_of(scorer), scorer.encode([text])[0])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def pooled_of(scorer: Scorer) -> Any:
    from redacoes.encoder import pooled

    return pooled(scorer.classifier)


def test_a_vector_is_the_mean_of_the_last_hidden_states_whatever_is_padded(scorer: Scorer) -> None:
    ids, _ = scorer.encode([ESSAY, "A bela.", "Fim"])
    together = scorer.run(pooled_of(scorer), ids)
    for row, vector in zip(ids, together, strict=True):
        states = scorer.classifier.distilbert(np.array([row])).last_hidden_state[0].numpy()
        mean = states.mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


# ---- what is shown ----

NASTY = "<script>alert(1)</script> bela & \"feio\" 'é' </div><img src=x onerror=alert(2)>.\n&lt;b&gt; {{7*7}} <!-- fim"


def explained(scorer: Scorer, text: str, **parts: Any) -> Explanation:
    score = scorer.score([text]).to_dict("records")[0]
    nothing: dict[str, Any] = {"sentences": None, "words": None, "neighbours": None, "far": None}
    return Explanation("redação.txt", "<models>", text, score, 48, **{**nothing, **parts})


class Reader(HTMLParser):
    """Collects tags, attributes, and the text of the essays on a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.essays: list[str] = []
        self.inside = self.skipped = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if ("class", "essay") in attrs:
            self.inside = True
            self.essays.append("")
        self.skipped = tag == "sup"

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "div"
        self.skipped = False

    def handle_data(self, data: str) -> None:
        if self.inside and not self.skipped:
            self.essays[-1] += data


def test_a_page_shows_the_essay_and_runs_nothing_of_it(scorer: Scorer) -> None:
    found = explained(scorer, NASTY, sentences=by_sentence(scorer, NASTY), words=by_word(scorer, NASTY))
    shown = page(found)
    reader = Reader()
    reader.feed(shown)
    assert [essay.replace("\u2060", "") for essay in reader.essays] == [NASTY, NASTY]
    assert reader.tags <= {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "span", "sup", "br", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    assert reader.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class", "style", "title", "role", "aria-label"}  # fmt: skip
    assert "default-src 'none'" in shown
    assert "http://" not in shown
    assert "https://" not in shown
    assert "<td>bela</td>" in shown  # the numbers stand in a table, too
    for effect in found.sentences or []:
        assert f"<sup>{minus(points(effect.effect))}</sup>" in shown


def test_the_page_keeps_the_rules_for_accessibility(scorer: Scorer, browser: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    shown = page(explained(scorer, ESSAY, sentences=by_sentence(scorer, ESSAY), words=by_word(scorer, ESSAY)))
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # which lets no script in, nor axe
        opened = context.new_page()
        opened.set_content(shown)
        for summary in opened.locator("summary").all():
            summary.click()
        found = Axe().run(opened)
        assert found.violations_count == 0, found.generate_report()
        assert len(found.response["passes"]) > 10
        context.close()


def test_colour_is_never_all_that_tells(scorer: Scorer) -> None:
    found = explained(scorer, ESSAY, sentences=by_sentence(scorer, ESSAY), words=by_word(scorer, ESSAY))
    plain, coloured = found.to_terminal(colour=False), found.to_terminal(colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    without = coloured
    for code in ("\x1b[38;5;33m", "\x1b[38;5;208m", "\x1b[1m", "\x1b[0m"):
        without = without.replace(code, "")
    assert without == plain
    effects = {effect.text: effect.effect for effect in found.sentences or []}
    assert f"{effects['A escola bela ensina alunos.']:+.2f}  A escola bela ensina alunos." in plain
    assert "feio(-" in plain


# ---- the commands ----


@pytest.fixture(scope="module")
def clone(origin: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("explica") / "clone", origin.path)
    clone.take(origin)
    return clone


@pytest.fixture
def here(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(clone.path)
    return clone.path


def training_essay(place: int) -> dict[str, Any]:
    from redacoes import arrow

    return dict(arrow.load("data/splits")["train"][place])


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    message = str(ended.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


def test_a_program_gets_json_and_a_teacher_a_page(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    essay = training_essay(3)
    (tmp_path / "aluna.txt").write_text(f"\ufeff{essay['essay']}\r\n", encoding="utf-8")
    html = tmp_path / "aluna.html"
    asked = ["explain", str(tmp_path / "aluna.txt"), "--json", "--html", str(html), "--neighbours", "3"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["text"] == essay["essay"]
    assert [part["text"] for part in found["words"]["effects"]] == essay["essay"].split()
    assert found["words"]["complete"]
    assert len(found["probabilities"]) == 11
    assert found["neighbours"][0]["row"] == essay["row"]
    assert found["neighbours"][0]["score"] == essay["score"]
    assert len(found["neighbours"]) == 3
    assert found["far"] is False
    scored = Scorer.load().score([essay["essay"]])
    assert found["expected"] == scored["expected"][0]
    assert found["predicted"] == scored["predicted"][0]
    whole = html.read_text(encoding="utf-8")
    assert whole.endswith("</html>\n")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["aluna.html", "aluna.txt"]

    # what stands in the way is said before anything is computed, and a page that is there stays
    (tmp_path / "pasta").mkdir()
    for place in (tmp_path / "pasta", tmp_path / "nada/x.html", Path("/dev/null")):
        refused("explain", str(tmp_path / "aluna.txt"), "--html", str(place))
    assert Path("/dev/null").is_char_device()
    refused("explain", str(tmp_path / "nada.txt"), "--html", str(html))
    assert html.read_text(encoding="utf-8") == whole


def test_standard_input_and_colours(
    planted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", "-", "--by", "sentence", "--model", str(planted)]

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
def test_what_is_no_essay_is_said_in_one_sentence(here: Path, tmp_path: Path, command: str) -> None:
    files = {
        "vazio.txt": b"",
        "branco.txt": " \n\u200b\xa0".encode(),
        "latin1.txt": "linha\nreda\xe7\xe3o".encode("latin-1"),
        "utf16.txt": "redação".encode("utf-16"),
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
    assert "line 2: not UTF-8 text; if it is Latin-1, iconv" in said["latin1.txt"]
    assert "binary or UTF-16" in said["utf16.txt"]
    assert "binary or UTF-16" in said["binario.txt"]
    assert "ZIP" in said["ensaio.docx"]
    assert "a PDF" in said["ensaio.pdf"]
    assert "more than 1,000,000 characters" in said["longo.txt"]
    assert "did you mean 'vazio.txt'?" in refused(command, str(tmp_path / "vazios.txt"))
    assert "is a folder" in refused(command, str(tmp_path))
    (tmp_path / "bom.txt").write_text("Uma redação.")
    assert "no folder here, no branch" in refused(command, str(tmp_path / "bom.txt"), "--model", "models/scorr")


def test_tokens_are_those_that_the_model_sees_without_tensorflow(clone: Clone, tmp_path: Path) -> None:
    text = "Uma escola [SEP] bela, 😀!\n" + "o dia passa " * 40
    (tmp_path / "essay.txt").write_text(text, encoding="utf-8")

    def tokens(*more: str) -> str:
        return clone.run(sys.executable, "-c", WITHOUT_TENSORFLOW, "tokens", str(tmp_path / "essay.txt"), *more).stdout

    found = json.loads(tokens("--json"))
    assert (found["max_length"], found["truncation"], found["truncated"]) == (64, "head_tail", True)
    tokenizer = checkpoint.load_tokenizer(clone.path / "models/scorer")
    seen = [token for token in found["tokens"] if token["seen"]]
    assert len(seen) == 64
    assert len(found["decoded"]) == 2  # on either side of what was cut
    assert [seen[0]["token"], seen[-1]["token"]] == ["[CLS]", "[SEP]"]
    assert sum(token["special"] for token in found["tokens"]) == 2  # what the essay writes itself is text
    assert found["unknown"] == sum(token["id"] == tokenizer.unk_token_id for token in found["tokens"]) > 0
    for token in found["tokens"]:
        if not token["special"] and token["token"] != "[UNK]":
            assert found["text"][token["begin"] : token["end"]] == token["token"].removeprefix("##")
    shown = tokens()
    assert f"{len(found['tokens'])} tokens, special ones included" in shown
    assert "and sees 64 of them (head_tail)" in shown
    assert shown.count("not seen") == len(found["tokens"]) - 64 + 1
    closed = subprocess.run(
        f"{sys.executable} -m redacoes.cli tokens {tmp_path}/essay.txt --json | head -1",
        shell=True, cwd=clone.path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (closed.stdout, closed.stderr) == ("{\n", "")


# ---- neighbours ----


def test_a_near_copy_finds_its_original(here: Path) -> None:
    scorer = Scorer.load()
    neighbours = Neighbours.load(scorer)
    kept = {path.name: path.stat().st_mtime_ns for path in Path(".work/neighbours").iterdir()}
    essays = [training_essay(place) for place in range(0, 36, 5)]
    for essay in essays:
        [same] = neighbours.nearest(essay["essay"], 1)
        assert (same.row, same.score, same.essay) == (essay["row"], essay["score"], essay["essay"])
        assert same.similarity == pytest.approx(1, abs=1e-3)
        assert not neighbours.is_far(essay["essay"])
    long = max(essays, key=lambda essay: len(essay["essay"]))
    near = long["essay"].replace(" os ", " as ", 1)
    assert near != long["essay"]
    assert neighbours.nearest(near, 1)[0].row == long["row"]
    everything = neighbours.nearest(near, 10_000)
    assert len(everything) == json.loads(Path("metrics/data.json").read_text())["splits"]["train"]
    assert [one.similarity for one in everything] == sorted((one.similarity for one in everything), reverse=True)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda essay: neighbours.nearest(essay["essay"], 1)[0].row, essays * 3))
    assert rows == [essay["row"] for essay in essays] * 3

    from redacoes import arrow

    unseen = list(arrow.load("data/splits")["test"]["essay"])
    assert sum(map(neighbours.is_far, unseen)) <= len(unseen) / 4  # essays of the same kind are not far
    for strange in (
        "😀 " * 60,
        "asdf qwer zxcv fdsa qwerty " * 20,
        "The school is important because students learn many things there, and they live in the city. " * 5,
        "مرحبا بالعالم " * 20,
    ):
        assert neighbours.is_far(strange)

    # vectors are computed once, and again when they are damaged
    again = Neighbours.load(scorer)
    assert {path.name: path.stat().st_mtime_ns for path in Path(".work/neighbours").iterdir()} == kept
    assert again.threshold == neighbours.threshold
    vectors = Path(".work/neighbours/vectors.npy")
    whole = vectors.read_bytes()
    for damaged in (whole[:-100], whole[:20], b"", whole[:-2000] + b"\xff" * 2000):
        vectors.write_bytes(damaged)
        assert Neighbours.load(scorer).nearest(near, 1)[0].row == long["row"]
        assert vectors.read_bytes() == whole


def test_neighbours_are_those_of_this_model_or_nobodys(
    clone: Clone, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Clone
) -> None:
    other = Clone(tmp_path / "outra", origin.path)
    other.take(origin)
    monkeypatch.chdir(other.path)
    (tmp_path / "essay.txt").write_text("Uma redação.")
    essay = str(tmp_path / "essay.txt")
    said = refused("explain", essay, "--neighbours", "2", "--model", str(planted))
    assert "this model is not the models/scorer of this project" in said
    scorer = Scorer.load()
    assert Neighbours.load(scorer).nearest("Uma redação.", 1)

    lock = Path("dvc.lock").read_text()
    other.set(**{"sample.seed": "8"})
    other.dvc("repro", "prepare")
    with pytest.raises(UserError, match="data/splits is not what models/scorer learnt from"):
        Neighbours.load(scorer)
    other.git("checkout", "-q", "params.yaml", "dvc.lock", "metrics")
    other.dvc("checkout", "--force")
    assert Neighbours.load(scorer).nearest("Uma redação.", 1)

    other.dvc("unprotect", "models/scorer")
    config = Path("models/scorer/config.json")
    config.write_text(config.read_text() + "\n")
    with pytest.raises(UserError, match="this model is not the models/scorer of this project"):
        Neighbours.load(scorer)
    scorer = Scorer.load()
    with pytest.raises(UserError, match=r"not the one that dvc\.lock records the training of"):
        Neighbours.load(scorer)
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"whose training dvc\.lock records"):
        Neighbours.load(scorer)
    Path("dvc.lock").write_text(lock)
    other.run("mv", "data/splits", "data/longe")
    with pytest.raises(UserError, match="dvc pull data/splits fetches it"):
        Neighbours.load(scorer)
