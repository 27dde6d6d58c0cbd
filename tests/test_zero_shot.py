"""Grading by entailment: transformers' own figures, killed runs, refusals; and the conversion of pickled weights."""

import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from redacoes import arrow, checkpoint, params, zero_shot
from redacoes.errors import UserError
from redacoes.prepared import Prepared
from redacoes.scoring import softmax
from tests.conftest import BIN, ROOT, Clone
from tests.hub import Hub
from tests.test_crashes import no_orphan, running, wait
from tools import convert_checkpoint

PARAMS = params.load("params.yaml")
ESSAYS = [
    f"A educação número {n} é um direito de todos os cidadãos, e não de poucos. " * (1 + n % 5) for n in range(12)
]
SCORES = [str(k) for k in range(11)]
TEMPLATE = PARAMS.zero_shot.hypothesis_template
LABELS = ("CONTRADICTION", "neutral", "Entailment")
LENGTH = 48  # tokens, which some essays exceed
POSITIONS = (
    64  # at the last of few, DeBERTa's buckets depend on how TensorFlow rounds, which eager and traced do unlike
)


@pytest.fixture(scope="module")
def model():
    from redacoes import model

    model.configure(PARAMS.train.threads, PARAMS.train.seed)
    return model


@pytest.fixture(scope="module")
def make(model, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a tiny checkpoint with three labels, in PyTorch's layout, whose answers differ from score to score."""

    def make(family: str, **config: Any) -> Path:
        from transformers import AutoConfig, TFAutoModelForSequenceClassification

        folder = tmp_path_factory.mktemp(family)
        small = {"architecture": "bert", "vocabulary_size": 200, "max_positions": LENGTH}
        checkpoint.from_scratch([ESSAYS], PARAMS.checkpoint.model_copy(update=small), folder / "words")
        tokenizer = checkpoint.load_tokenizer(folder / "words")
        as_v3 = {
            "type_vocab_size": 0,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
        }
        settings = {
            "vocab_size": len(tokenizer) + 5,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": POSITIONS,
            "initializer_range": 0.6,
            "id2label": dict(enumerate(LABELS)),
            "label2id": {name: number for number, name in enumerate(LABELS)},
            **(as_v3 if family == "deberta-v2" else {}),
            **config,
        }
        classifier = TFAutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **settings))
        classifier.build_in_name_scope()
        model.save(classifier, tokenizer, folder / "nli")
        return folder / "nli"

    return make


@pytest.fixture(scope="module")
def bert(make) -> Path:
    return make("bert")


@pytest.fixture(scope="module")
def deberta(make) -> Path:
    return make("deberta-v2")


def graded(model, folder: Path, progress: Path, wrap: Callable = lambda forward: forward, batch_size: int = 5):
    """Logits of the essays, computed as the stage does; `wrap` may stand between it and the model."""
    classifier, tokenizer = model.load(folder, foreign=True), checkpoint.load_tokenizer(folder)
    forward = wrap(model.forward(classifier, tokenizer.model_input_names))
    column = zero_shot.entailment_column(classifier.config.id2label)
    pairs = zero_shot.Pairs(tokenizer, ESSAYS, zero_shot.hypotheses(TEMPLATE, SCORES), LENGTH)
    return zero_shot.entailment(pairs, forward, column, batch_size, progress)


@pytest.mark.parametrize("family", ["bert", "deberta"])
def test_probabilities_are_those_of_the_pipeline_of_transformers(model, request, tmp_path: Path, family: str) -> None:
    from transformers import ZeroShotClassificationPipeline

    folder = request.getfixturevalue(family)
    probabilities = softmax(graded(model, folder, tmp_path / "progress"))
    assert probabilities.shape == (12, 11)
    assert (probabilities.max(axis=1) > 1.5 / 11).any()  # else this test would tell nothing
    tokenizer = checkpoint.load_tokenizer(folder)
    assert tokenizer.model_max_length == LENGTH
    assert len(tokenizer(ESSAYS[4])["input_ids"]) > LENGTH
    pipeline = ZeroShotClassificationPipeline(model=model.load(folder), tokenizer=tokenizer, framework="tf")
    for essay, row in zip(ESSAYS[:6], probabilities, strict=False):
        answer = pipeline(essay, candidate_labels=SCORES, hypothesis_template=TEMPLATE)
        expected = dict(zip(answer["labels"], answer["scores"], strict=True))
        np.testing.assert_allclose(row, [expected[score] for score in SCORES], atol=1e-5)


def test_what_a_stopped_run_has_done_is_not_done_again_and_changes_no_bit(model, bert: Path, tmp_path: Path) -> None:
    calls = itertools.count(1)

    def stopping(forward):
        def ask(inputs):
            if next(calls) > 10:
                raise KeyboardInterrupt
            return forward(inputs)

        return ask

    def counting(forward):
        return lambda inputs: (next(calls), forward(inputs))[1]

    whole = graded(model, bert, tmp_path / "whole", counting)
    batches = next(calls) - 1
    assert batches == -(-12 * 11 // 5)

    calls = itertools.count(1)
    with pytest.raises(KeyboardInterrupt):
        graded(model, bert, tmp_path / "stopped", stopping)
    calls = itertools.count(1)
    resumed = graded(model, bert, tmp_path / "stopped", counting)
    assert next(calls) - 1 == batches - 8  # two parts of four batches were whole
    assert resumed.tobytes() == whole.tobytes()

    # what a power cut leaves of a part, or a part that is none, is computed again
    first, second, third, *_ = sorted((tmp_path / "stopped").iterdir())
    first.write_bytes(b"")
    second.write_bytes(third.read_bytes()[:-3])
    third.write_bytes(pickle.dumps(np.zeros(20, np.float32)))
    calls = itertools.count(1)
    assert graded(model, bert, tmp_path / "stopped", counting).tobytes() == whole.tobytes()
    assert next(calls) - 1 == 12


def test_a_checkpoint_as_others_publish_it_is_read_and_nothing_else_of_its_folder(
    model, bert: Path, tmp_path: Path
) -> None:
    expected = graded(model, bert, tmp_path / "whole")
    folder, marker = tmp_path / "publicado", tmp_path / "executado"
    shutil.copytree(bert, folder)
    weights = load_file(folder / "model.safetensors")
    half = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): value.astype(np.float16) for name, value in weights.items()}  # fmt: skip
    half["bert.embeddings.position_ids"] = np.arange(POSITIONS)[None]
    save_file(half, folder / "model.safetensors", metadata={"format": "pt"})

    class Evil:
        def __reduce__(self) -> tuple:
            return open, (str(marker), "w")

    for name in ("pytorch_model.bin", "tf_model.h5"):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    np.testing.assert_allclose(graded(model, folder, tmp_path / "half"), expected, atol=0.05)
    assert not marker.exists()
    with pytest.raises(UserError, match="which is no type of weights"):  # of what this project has written itself
        model.load(folder)


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


# ---- the stage -------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with splits of its own, in which stages run."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    features = Prepared(10).features
    rows = [{"row": n + 2, "essay": essay, "score": n % 11} for n, essay in enumerate(ESSAYS)]
    whole = arrow.write(rows, features, Path("all.arrow"))
    parts = {name: arrow.select(whole, np.array(rows)) for name, rows in {"train": [0], "validation": [1, 2, 3, 4], "test": [5, 6, 7]}.items()}  # fmt: skip
    arrow.save(parts, Path("data/splits"))
    return tmp_path


def on(folder: Path, **changes: Any) -> params.Params:
    settings = {"source": "path", "path": str(folder), "max_length": LENGTH, "batch_size": 16, **changes}
    return PARAMS.model_copy(update={"zero_shot": PARAMS.zero_shot.model_copy(update=settings)})


def test_the_stage_measures_as_the_other_baselines_are_measured(project: Path, bert: Path, model, capsys) -> None:
    from stages import zero_shot as stage

    stage.main(on(bert))
    written = Path("metrics/zero_shot.json").read_bytes()
    found = json.loads(written)["zero_shot"]
    committed = json.loads((ROOT / "metrics/baseline.json").read_text(encoding="utf-8"))["tfidf"]
    assert {name: list(found[name]) for name in found} == {name: list(committed[name]) for name in ("validation", "test")}  # fmt: skip
    assert (found["validation"]["essays"], found["test"]["essays"]) == (4, 3)
    assert list(Path(".work").iterdir()) == []
    stage.main(on(bert))
    assert Path("metrics/zero_shot.json").read_bytes() == written

    # matched is fitted on validation; with the notebook's split, whose two parts are one, argmax needs no fit
    parts = arrow.load("data/splits")
    arrow.save({**parts, "validation": parts["test"]}, project / "splits")
    shutil.rmtree("data/splits")
    (project / "splits").rename("data/splits")
    argmax = on(bert).model_copy(update={"decision": params.Decision(rule="argmax")})
    capsys.readouterr()
    stage.main(argmax)
    assert "going on" not in capsys.readouterr().err
    same = json.loads(Path("metrics/zero_shot.json").read_text())["zero_shot"]
    assert same["validation"] == same["test"]
    assert same["test"]["loss"] == found["test"]["loss"]


def test_what_cannot_grade_is_refused_and_writes_nothing(project: Path, bert: Path, model, make) -> None:
    from stages import zero_shot as stage

    def says(message: str, settings: params.Params) -> None:
        with pytest.raises(UserError, match=message):
            stage.main(settings)
        assert not Path("metrics/zero_shot.json").exists()

    says("is not a folder; zero_shot.path must name a checkpoint", on(project / "nada"))
    says(r"zero_shot.max_length is 512, and the model in .* has positions for 64 tokens: lower it", on(bert, max_length=512))  # fmt: skip
    says("zero_shot.hypothesis_template alone takes .* shorten the one", on(bert, max_length=8))
    generic = {"id2label": {0: "LABEL_0", 1: "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    says("are not entailment and contradiction", on(make("bert", **generic)))
    says("are they of one checkpoint?", on(make("bert", vocab_size=100)))

    broken = project / "quebrado"
    shutil.copytree(bert, broken)
    weights = load_file(broken / "model.safetensors")
    nan = weights | {"classifier.bias": np.full(3, np.nan, np.float32)}
    save_file(nan, broken / "model.safetensors", metadata={"format": "pt"})
    says("answers with what is not a number", on(broken))
    headless = {name: value for name, value in weights.items() if name != "classifier.weight"}
    save_file(headless, broken / "model.safetensors", metadata={"format": "pt"})
    says("the weights lack classifier.weight", on(broken))
    tokenizer = json.loads((broken / "tokenizer_config.json").read_text())
    unpadded = tokenizer | {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": None}
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    (broken / "tokenizer_config.json").write_text(json.dumps(unpadded))
    (broken / "special_tokens_map.json").unlink()
    says("the tokenizer has no padding token", on(broken))
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    says(r"pickled weights \(.bin\) are never loaded", on(broken))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.py"}}))
    says("asks for code of its own", on(broken))


def test_off_it_says_so_and_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    code = (
        "import runpy, sys; runpy.run_module('stages.zero_shot', run_name='__main__'); "
        "print(sorted(set(sys.modules) & {'tensorflow', 'tf_keras', 'transformers', 'datasets', 'numpy'}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert json.loads((tmp_path / "metrics/zero_shot.json").read_text()) == {"zero_shot": "off"}


@pytest.mark.slow
def test_a_killed_run_from_the_hub_goes_on_and_is_compared_with_the_other_baselines(
    make_clone: Callable[[str], Clone], origin: Clone, make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stages import zero_shot as stage

    clone = make_clone("sem treino")
    clone.take(origin)
    folder = make("bert", num_hidden_layers=8)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with Hub() as hub:
        commit = hub.add("ana/nli", files)
        clone.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
        settings = {"source": "hub", "repository": "ana/nli", "revision": commit, "max_length": LENGTH, "batch_size": 1}
        clone.set(**{f"zero_shot.{name}": str(value) for name, value in settings.items()})
        with running(clone, "dvc", "repro", "zero_shot") as process:
            wait(lambda: list(clone.path.glob(".work/zero_shot/*/*/000002.npy")))
            process.kill()
            no_orphan(process.pid)
    assert list(clone.path.glob(".work/zero_shot/*"))
    assert "going on after part" in clone.run("dvc", "repro", "zero_shot").stderr  # with no network
    resumed = clone.text("metrics/zero_shot.json")
    assert not list(clone.path.glob(".work/*"))
    shown = json.loads(clone.dvc("metrics", "diff", "--all", "--json"))
    assert shown["metrics/zero_shot.json"]["zero_shot.test.qwk"]["new"] is not None
    assert shown["metrics/baseline.json"]["tfidf.test.qwk"]["new"] is not None

    clone.set(**{"zero_shot.source": "path", "zero_shot.path": str(folder)})
    monkeypatch.chdir(clone.path)
    stage.main(params.load("params.yaml"))  # undisturbed, and from a folder
    assert clone.text("metrics/zero_shot.json") == resumed


# ---- pickled weights -------------------------------------------------------------------------------------------------

SCRIPT = ROOT / "tools/convert_checkpoint.py"
PICKLE = """
import os, sys, torch
from pathlib import Path
from safetensors.torch import load_file

class Evil:
    def __reduce__(self):
        return os.system, (f"touch {sys.argv[1]}/executado",)

os.chdir(sys.argv[1])
state = load_file("state.safetensors")
state["tied"] = state["embeddings"]  # one piece of memory under two names
state["turned"] = state["kernel"].T
torch.save(state, "bom/pytorch_model.bin")
torch.save({"embeddings": Evil()}, "mau/pytorch_model.bin")
"""


def convert(*arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as its user does, in an environment of its own that uv makes."""
    environment = {**os.environ, **environment}
    if "PIP_FIND_LINKS" in environment:  # a place with a smaller torch
        environment["UV_FIND_LINKS"] = environment["PIP_FIND_LINKS"]
    done = subprocess.run([BIN / "uv", "run", *arguments], env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_pickled_weights_are_converted_elsewhere_and_a_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    state = {
        "embeddings": random.normal(size=(5, 4)).astype(np.float32),
        "kernel": random.normal(size=(3, 2)).astype(np.float16),
        "position_ids": np.arange(6)[None],
    }
    save_file(state, tmp_path / "state.safetensors")
    for name in ("bom", "mau"):
        checkpoint.from_scratch([ESSAYS], PARAMS.checkpoint, tmp_path / name)
        (tmp_path / name / "modeling_evil.py").write_text("raise SystemExit('executado')")
    (tmp_path / "pickle_it.py").write_text(SCRIPT.read_text().split('"""')[0] + PICKLE)
    convert(str(tmp_path / "pickle_it.py"), str(tmp_path))

    out = tmp_path / "convertido"
    files = {path.name: path.read_bytes() for path in (tmp_path / "bom").iterdir()}
    with Hub() as hub:
        source = f"ana/nli@{hub.add('ana/nli', files)}"
        at = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
        assert "written: " in convert(str(SCRIPT), source, str(out), **at).stdout
        assert not [request.path for request in hub.requests if "modeling_evil" in request.path]
    written = load_file(out / "model.safetensors")
    for name, value in {**state, "tied": state["embeddings"], "turned": state["kernel"].T}.items():
        assert written[name].dtype == value.dtype
        np.testing.assert_array_equal(written[name], value)
    assert not (out / "modeling_evil.py").exists()
    checkpoint.from_path(out, tmp_path / "base")  # this project takes it

    done = convert(str(SCRIPT), str(tmp_path / "mau"), str(tmp_path / "nada"), check=False)
    assert done.returncode == 1
    assert "asks for more than tensors, which is never run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nada").exists()
    assert not (tmp_path / "executado").exists()
    assert not list(tmp_path.glob(".*"))


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
