"""What moved a score, on a model in which one word is good and another bad; the command, and neighbours."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save_file

from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.essays import arrow
from redacoes.evaluation.decision import Decision, expected_score, softmax
from redacoes.explain.attribution import integrated_gradients, occlusion
from redacoes.explain.neighbours import Neighbours
from redacoes.explain.sentences import sentences
from redacoes.files import write_json
from redacoes.inference.metadata import portable_config
from redacoes.inference.scorer import Scorer
from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS
from tests.support.checkpoints import FAMILIES
from tests.support.command import refused
from tests.support.project import Clone

pytestmark = pytest.mark.usefixtures("tensorflow")

TEXTS = [f"A escola bela ensina {n} alunos. Um livro feio cansa a turma, e o dia passa. Fim!" for n in range(40)]
ESSAY = "O dia passa. A escola bela ensina alunos.\nUm livro feio cansa. A turma passa o dia."
TOKENIZE = {"max_length": 48, "truncation": "head_tail"}
Change = Callable[[dict[str, np.ndarray], Any], None]


def altered(folder: Path, change: Change, tokenize: dict[str, Any] = TOKENIZE) -> Path:
    """Have `change` alter the weights of a classifier, by their PyTorch names, and say what it sees of an essay."""
    weights = load_file(folder / "model.safetensors")
    change(weights, checkpoint.load_tokenizer(folder))
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
def planted(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plantado")
    small = {"vocabulary_size": 300, "hidden_size": 16, "num_heads": 2, "num_layers": 1, "intermediate_size": 32}
    wordpiece.from_scratch([TEXTS], PARAMS.checkpoint.model_copy(update=small), folder / "base")
    built = model.build(folder / "base", [str(k) for k in range(11)], PARAMS.train)
    model.save(built, checkpoint.load_tokenizer(folder / "base"), folder / "scorer")
    return altered(folder / "scorer", plant)


@pytest.fixture(scope="module")
def scorer(planted: Path) -> Scorer:
    return Scorer.load(planted)


def test_the_planted_sentences_come_first_and_are_exact(scorer: Scorer) -> None:
    effects = occlusion(scorer, ESSAY)
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
    words = integrated_gradients(scorer, ESSAY)
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
    rough = integrated_gradients(scorer, ESSAY, tolerance=1e-9, steps=(1, 2))
    assert rough.steps == 2
    assert not rough.is_complete
    assert rough.tolerance == 1e-9
    fine = integrated_gradients(scorer, ESSAY, tolerance=1e-3, steps=(1, 512))
    assert 2 < fine.steps <= 512
    assert fine.gap <= 1e-3 < rough.gap


def test_what_is_cut_off_has_no_effect(scorer: Scorer) -> None:
    text = f"A bela. {'O dia passa. ' * 8}O feio é belo. {'O dia passa. ' * 12}Fim."
    assert scorer.score([text])["truncated"][0]
    words = integrated_gradients(scorer, text)
    place = text.split().index("feio")
    assert not words.seen[place]
    assert words.effects[place].effect == 0
    assert words.seen[1]
    assert words.effects[1].effect > 0.2
    assert words.is_complete
    effects = occlusion(scorer, text)
    [hidden] = [effect for effect in effects if "feio" in effect.text]
    assert hidden.effect == 0
    without = text[: hidden.begin] + text[hidden.end :]
    assert scorer.score([text])["expected"][0] == pytest.approx(scorer.score([without])["expected"][0], abs=2e-6)


def test_odd_essays(scorer: Scorer) -> None:
    [only] = occlusion(scorer, "A escola bela ensina")  # which is compared with an empty essay
    assert only.effect == pytest.approx(scorer.score(["A escola bela ensina"])["expected"][0] - 5, abs=1e-3)
    for text in ("x", "...", "😀 العربية", "Foo. ['']", "a" * 5000, "a. " * 300, "[SEP] [PAD] bela"):
        words = integrated_gradients(scorer, text)
        assert words.is_complete
        assert len(words.effects) == len(text.split())
        assert len(occlusion(scorer, text)) == len(sentences(text))
    for nothing in ("", " \n\u200b"):
        with pytest.raises(ValueError, match="nothing that can be read"):
            occlusion(scorer, nothing)
        with pytest.raises(ValueError, match="nothing that can be read"):
            integrated_gradients(scorer, nothing)


def test_several_threads_explain_at_once(scorer: Scorer) -> None:
    texts = [f"{ESSAY} {'A bela. ' * n}" for n in range(6)]
    alone = [(occlusion(scorer, text), integrated_gradients(scorer, text)) for text in texts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda text: (occlusion(scorer, text), integrated_gradients(scorer, text)), texts))
    for mine, other in zip(alone, together, strict=True):
        np.testing.assert_allclose([e.effect for e in mine[0]], [e.effect for e in other[0]], atol=1e-5)
        np.testing.assert_allclose([e.effect for e in mine[1].effects], [e.effect for e in other[1].effects], atol=1e-5)


def test_without_gradients_only_sentences_are_told_apart(scorer: Scorer) -> None:
    plain = replace(scorer, classifier=None)  # as one of ONNX Runtime is
    assert occlusion(plain, ESSAY) == occlusion(scorer, ESSAY)
    with pytest.raises(UserError, match="ONNX Runtime gives no gradients"):
        integrated_gradients(plain, ESSAY)
    with pytest.raises(UserError, match="ONNX Runtime gives no vectors"):
        Neighbours.load(plain)


def test_sentences_have_the_same_effects_in_onnx_runtime(planted: Path, scorer: Scorer, tmp_path: Path) -> None:
    from redacoes.release.export import export

    tokenize = PARAMS.tokenize.model_copy(update=TOKENIZE)
    export(planted, "onnx", False, tmp_path / "onnx", {"tokenize": TOKENIZE}, TEXTS, tokenize)
    in_onnx = occlusion(Scorer.load(tmp_path / "onnx", "onnx"), ESSAY)
    for mine, other in zip(occlusion(scorer, ESSAY), in_onnx, strict=True):
        assert mine.effect == pytest.approx(other.effect, abs=1e-4)


def louder(weights: dict[str, np.ndarray], _: Any) -> None:
    """Have a new model tell essays apart: it gives all of them the same score, nearly."""
    random = np.random.default_rng(1)
    for name in sorted(weights):
        if weights[name].ndim > 1:
            weights[name][:] = random.normal(0, 0.2, weights[name].shape)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("family", [*FAMILIES])
def test_words_of_each_family_add_up(make_scorer: Callable[[str], Path], tmp_path: Path, family: str) -> None:
    shutil.copytree(make_scorer(family), tmp_path / "scorer")
    scorer = Scorer.load(altered(tmp_path / "scorer", louder, {"max_length": 32, "truncation": "head_tail"}))
    text = "A educação número 7 é um direito de todos.\nOs cidadãos, e não poucos! Ação " + "é de todos " * 12
    words = integrated_gradients(scorer, text, tolerance=1e-3)
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
    from redacoes.learning.encoder import pooled

    return pooled(scorer.classifier)


def test_a_vector_is_the_mean_of_the_last_hidden_states_whatever_is_padded(scorer: Scorer) -> None:
    ids, _ = scorer.encode([ESSAY, "A bela.", "Fim"])
    together = scorer.run(pooled_of(scorer), ids)
    for row, vector in zip(ids, together, strict=True):
        states = scorer.classifier.distilbert(np.array([row])).last_hidden_state[0].numpy()
        mean = states.mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


# ---- the commands ----


@pytest.fixture
def here(own_clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(own_clone.path)
    return own_clone.path


def training_essay(place: int) -> dict[str, Any]:
    return dict(arrow.load("data/splits")["train"][place])


@pytest.mark.usefixtures("here")
def test_a_program_gets_json_and_a_teacher_a_page(
    trained: Scorer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    scored = trained.score([essay["essay"]])
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
    text = (tmp_path / "aluna.txt").read_text(encoding="utf-8")
    assert "is the file of the essay" in refused(
        "explain", str(tmp_path / "aluna.txt"), "--html", str(tmp_path / "aluna.txt")
    )
    assert (tmp_path / "aluna.txt").read_text(encoding="utf-8") == text
    refused("explain", str(tmp_path / "nada.txt"), "--html", str(html))
    assert html.read_text(encoding="utf-8") == whole


# ---- neighbours ----


@pytest.mark.usefixtures("here")
def test_a_near_copy_finds_its_original(trained: Scorer) -> None:
    neighbours = Neighbours.load(trained)
    kept = {path.name: path.stat().st_mtime_ns for path in Path(".work/neighbours").iterdir()}
    essays = [training_essay(place) for place in range(0, 36, 5)]
    for essay in essays:
        [same] = neighbours.nearest(essay["essay"], 1)
        assert (same.line, same.score, same.essay) == (essay["row"], essay["score"], essay["essay"])
        assert same.similarity == pytest.approx(1, abs=1e-3)
        assert not neighbours.is_out_of_distribution(essay["essay"])
    long = max(essays, key=lambda essay: len(essay["essay"]))
    near = long["essay"].replace(" os ", " as ", 1)
    assert near != long["essay"]
    assert neighbours.nearest(near, 1)[0].line == long["row"]
    everything = neighbours.nearest(near, 10_000)
    assert len(everything) == json.loads(Path("metrics/data.json").read_text())["splits"]["train"]
    assert [one.similarity for one in everything] == sorted((one.similarity for one in everything), reverse=True)
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda essay: neighbours.nearest(essay["essay"], 1)[0].line, essays * 3))
    assert rows == [essay["row"] for essay in essays] * 3

    unseen = list(arrow.load("data/splits")["test"]["essay"])
    assert sum(map(neighbours.is_out_of_distribution, unseen)) <= len(unseen) / 4  # essays of the same kind are not far
    for strange in (
        "😀 " * 60,
        "asdf qwer zxcv fdsa qwerty " * 20,
        "The school is important because students learn many things there, and they live in the city. " * 5,
        "مرحبا بالعالم " * 20,
    ):
        assert neighbours.is_out_of_distribution(strange)

    # vectors are computed once, and again when they are damaged
    again = Neighbours.load(trained)
    assert {path.name: path.stat().st_mtime_ns for path in Path(".work/neighbours").iterdir()} == kept
    assert again.threshold == neighbours.threshold
    vectors = Path(".work/neighbours/vectors.npy")
    whole = vectors.read_bytes()
    for damaged in (whole[:-100], whole[:20], b"", whole[:-2000] + b"\xff" * 2000):
        vectors.write_bytes(damaged)
        assert Neighbours.load(trained).nearest(near, 1)[0].line == long["row"]
        assert vectors.read_bytes() == whole


def test_neighbours_are_those_of_this_model_or_nobodys(
    make_pulled: Callable[[str], Clone],
    planted: Path,
    trained: Scorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(make_pulled("outra").path)
    (tmp_path / "essay.txt").write_text("Uma redação.")
    said = refused("explain", str(tmp_path / "essay.txt"), "--neighbours", "2", "--model", str(planted))
    assert "this model is not the models/scorer of this project" in said
    assert Neighbours.load(trained).nearest("Uma redação.", 1)

    # other splits than those of the training, as after dvc repro prepare
    parts = arrow.load("data/splits")
    arrow.save({**parts, "train": parts["test"]}, Path("data/others"))
    Path("data/splits").rename("data/those")
    with pytest.raises(UserError, match="dvc pull data/splits fetches it"):
        Neighbours.load(trained)
    Path("data/others").rename("data/splits")
    with pytest.raises(UserError, match="data/splits is not what models/scorer learnt from"):
        Neighbours.load(trained)
    Path("data/splits").rename("data/others")
    Path("data/those").rename("data/splits")
    assert Neighbours.load(trained).nearest("Uma redação.", 1)

    # a training that has not followed upon tokenize, which is recorded anew
    lock = Path("dvc.lock").read_text()
    yaml = YAML()
    content = yaml.load(lock)
    content["stages"]["tokenize"]["outs"][0]["md5"] = f"{'0' * 32}.dir"
    yaml.dump(content, Path("dvc.lock"))
    with pytest.raises(UserError, match="data/splits is not what models/scorer learnt from"):
        Neighbours.load(trained)
    Path("dvc.lock").write_text(lock)

    config = Path("models/scorer/config.json")
    config.chmod(0o644)
    config.write_text(config.read_text() + "\n")
    with pytest.raises(UserError, match="this model is not the models/scorer of this project"):
        Neighbours.load(trained)
    with pytest.raises(UserError, match=r"not the one that dvc\.lock records the training of"):
        Neighbours.load(Scorer.load())
    Path("dvc.lock").unlink()
    with pytest.raises(UserError, match=r"whose training dvc\.lock records"):
        Neighbours.load(trained)
