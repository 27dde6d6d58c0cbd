"""One set of weights in every world: TensorFlow, ONNX Runtime, SavedModel, and transformers 5 with torch."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import AutoTokenizer

from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.essays import synthetic
from redacoes.evaluation.decision import Decision, softmax
from redacoes.files import write_json
from redacoes.inference import metadata
from redacoes.learning import checkpoint
from redacoes.release import export
from tests.support import PARAMS, ROOT, UV_RUN
from tests.support.checkpoints import FAMILIES
from tests.support.project import Clone, Folder

TOKENIZE = PARAMS.tokenize.model_copy(update={"max_length": 48})
ESSAYS = [row["essay"] for row in synthetic.essays(200, 99)]
LABELS = [str(score) for score in range(11)]
DECISION = Decision("linear", 1.25, -0.75)
TORCH = (*UV_RUN, "tests/support/worlds/torch_logits.py")
MADE_BY = {"commit": "0" * 40, "splits_md5": "1.dir", "params_sha256": "2"}


@pytest.fixture(scope="module")
def make_export(
    make_scorer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, export.Conversion]]:
    made: dict[str, tuple[Path, export.Conversion]] = {}

    def make(family: str) -> tuple[Path, export.Conversion]:
        if family not in made:
            out = tmp_path_factory.mktemp("exportado") / "saída"
            made[family] = out, export.export(make_scorer(family), "onnx", False, out, MADE_BY, ESSAYS, TOKENIZE)
        return made[family]

    return make


def scored(
    run: Callable[[Mapping[str, Any]], NDArray[np.float32]],
    tokenizer: Any,
    longest: int,
    texts: list[str] = ESSAYS,
    batch: int = 50,
) -> NDArray[np.float32]:
    """Logits of the essays in batches as they come, padded by the tokenizer: as any user of a model would."""
    logits = []
    for start in range(0, len(texts), batch):
        some = texts[start : start + batch]
        logits.append(run(tokenizer(some, truncation=True, max_length=longest, padding=True, return_tensors="np")))
    return np.concatenate(logits)


def tensorflow(model: Any, folder: Path) -> Callable[[Mapping[str, Any]], NDArray[np.float32]]:
    classifier = model.load(folder)
    return lambda inputs: classifier(dict(inputs), training=False).logits.numpy()


def onnx(folder: Path) -> Callable[[Mapping[str, Any]], NDArray[np.float32]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    names = [tensor.name for tensor in session.get_inputs()]
    assert names == ["input_ids", "attention_mask"]
    return lambda inputs: session.run(["logits"], {name: inputs[name] for name in names})[0]


@pytest.mark.parametrize("family", ["distilbert", "albert"])  # the others are in the slow test below
def test_onnx_gives_the_logits_of_tensorflow(model, make_scorer, make_export, family: str) -> None:
    scorer = make_scorer(family)
    out, report = make_export(family)
    assert report.checked == 32
    assert 0 < report.difference < 1e-4

    # the folder is whole: its own tokenizer, configuration and rule; other batches and lengths than those of the check
    tokenizer = AutoTokenizer.from_pretrained(out)
    expected = scored(tensorflow(model, scorer), checkpoint.load_tokenizer(scorer), 60)
    found = scored(onnx(out), tokenizer, 60, batch=7)
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 0.5  # else this test would tell nothing
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert json.loads((out / "decision.json").read_text()) == DECISION.to_dict()
    config = json.loads((out / "config.json").read_text())
    of_ours = config.pop("redacoes")
    assert config == json.loads((scorer / "config.json").read_text())
    assert of_ours == {
        **MADE_BY,
        "decision": DECISION.to_dict(),
        "export": {"format": "onnx", "difference": report.difference},
    }


def test_int8_says_how_it_differs(make_scorer, make_export, tmp_path: Path) -> None:
    folders = {"int8": tmp_path / "int8", "float": make_export("distilbert")[0]}
    report = export.export(make_scorer("distilbert"), "onnx", True, folders["int8"], {}, ESSAYS, TOKENIZE)
    tokenizer = AutoTokenizer.from_pretrained(folders["int8"])
    ids, _ = export.tokens.encode(tokenizer, ESSAYS, TOKENIZE)
    logits = {}
    for name, folder in folders.items():
        run = onnx(folder)
        rows = [run({"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), np.int64)}) for row in ids]
        logits[name] = np.concatenate(rows)
    decided = {name: DECISION.apply(softmax(values)) for name, values in logits.items()}
    assert report.quantized is not None
    assert report.quantized["essays"] == 200
    # the scale of int8 is that of a batch, padding included, so that batches of one differ a little
    assert report.quantized["agreement"] == pytest.approx((decided["int8"] == decided["float"]).mean(), abs=0.05)
    assert report.quantized["difference"] == pytest.approx(np.abs(logits["int8"] - logits["float"]).max(), rel=0.5)
    assert report.quantized["agreement"] > 0.5
    assert report.quantized["difference"] > 1e-3  # else nothing was quantised
    config = json.loads((tmp_path / "int8/config.json").read_text())
    assert config["redacoes"]["export"]["int8"] == report.quantized


def test_savedmodel_takes_ids_and_gives_probabilities_and_replaces_an_earlier_export(
    model, make_scorer, make_export, tmp_path: Path
) -> None:
    import tensorflow as tf

    scorer, out = make_scorer("deberta-v2"), tmp_path / "saved"
    shutil.copytree(make_export("distilbert")[0], out)
    (tmp_path / ".saved-4194305-morto" / "new").mkdir(parents=True)  # which a killed process has left
    export.export(scorer, "savedmodel", False, out, MADE_BY, ESSAYS[:8], TOKENIZE)
    served = tf.saved_model.load(str(out)).signatures["serving_default"]
    expected = scored(tensorflow(model, scorer), checkpoint.load_tokenizer(scorer), 60, ESSAYS[:20])
    found: list[Any] = []

    def run(inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        found.append(served(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]))
        return found[-1]["logits"].numpy()

    np.testing.assert_allclose(
        scored(run, AutoTokenizer.from_pretrained(out), 60, ESSAYS[:20], batch=7), expected, atol=1e-5
    )
    probabilities = np.concatenate([output["probabilities"].numpy() for output in found])
    np.testing.assert_allclose(probabilities, softmax(expected), atol=1e-5)
    assert json.loads((out / "config.json").read_text())["redacoes"]["export"]["format"] == "savedmodel"
    assert (out / "saved_model.pb").is_file()
    assert not (out / "model.onnx").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_what_cannot_be_exported_is_refused(publish, make_scorer, tmp_path: Path) -> None:
    for family in sorted(set(FAMILIES) - set(export.FAMILIES)):
        with pytest.raises(UserError, match=f"of the family '{family}', which cannot be converted to ONNX"):
            export.check(publish(family)[0], "onnx", tmp_path / "out")
    scorer = make_scorer("distilbert")
    (tmp_path / "notas").mkdir()
    (tmp_path / "notas/notas.txt").write_text("minhas")
    for taken in (tmp_path / "notas", scorer):
        with pytest.raises(UserError, match="holds other files than an earlier export"):
            export.check(scorer, "onnx", taken)
    with pytest.raises(UserError, match="is a file"):
        export.check(scorer, "onnx", tmp_path / "notas/notas.txt")
    with pytest.raises(UserError, match="there is no folder"):
        export.check(tmp_path / "nada", "onnx", tmp_path / "out")
    write_json(tmp_path / "decision.json", {"rule": "max", "slope": 1, "intercept": 0})
    shutil.copytree(scorer, tmp_path / "scorer")
    with pytest.raises(UserError, match="'max' is not one of argmax, expected, linear"):
        export.export(tmp_path / "scorer", "onnx", False, tmp_path / "out", {}, ESSAYS, TOKENIZE)
    assert not (tmp_path / "out").exists()


def test_logits_that_differ_are_refused_and_the_earlier_export_stays(
    model, make_scorer, make_export, tmp_path: Path
) -> None:
    scorer, out = make_scorer("distilbert"), tmp_path / "out"
    shutil.copytree(make_export("distilbert")[0], out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    classifier = model.load(scorer)
    head = classifier.classifier.kernel
    head.assign(head * 1e7)  # so that the last digits of float32 are worth more than the tolerance
    model.save(classifier, checkpoint.load_tokenizer(scorer), tmp_path / "models/scorer")
    write_json(tmp_path / "models/decision.json", DECISION.to_dict())
    with pytest.raises(UserError, match="logits differ from TensorFlow's by up to"):
        export.export(tmp_path / "models/scorer", "onnx", False, out, {}, ESSAYS, TOKENIZE)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "out"]


@pytest.fixture
def here(own_clone: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.chdir(own_clone.path)
    return own_clone


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return str(ended.value.code)


def test_the_command_says_what_made_the_model(here: Clone, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--format", "onnx", "--out", str(tmp_path / "out"), "--int8"]) == 0
    said = capsys.readouterr()
    assert "warning" not in said.err.lower()
    assert " on 12 essays\nint8 decides the same score as float for " in said.out
    config = json.loads((tmp_path / "out/config.json").read_text())["redacoes"]
    assert config["commit"] == here.git("rev-parse", "HEAD").strip()
    assert config["params_sha256"] == sha256((here.path / "params.yaml").read_bytes()).hexdigest()
    assert f"md5: {config['splits_md5']}" in here.text("dvc.lock")
    assert config["scale"] == {"score_scale": 10, "max_score": 10}
    assert config["decision"] == json.loads(here.text("models/decision.json"))
    assert config["tokenize"] == {"max_length": 64, "truncation": "head_tail"}


def test_what_stands_in_the_way_of_the_command_is_told(
    here: Clone, make_clone: Callable[[str], Clone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("export", "--format", "onnx", "--out", str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.chdir(make_clone("sem modelo").path)
        said = refused(*command)
    assert said == "error: there is no folder models/scorer; dvc repro makes models/scorer, or dvc pull fetches it"
    found = export.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "tf2onnx" else found(name))
    assert refused(*command) == (
        "error: --format onnx needs tf2onnx; install the extra onnx: .venv/bin/uv sync --frozen --inexact --extra onnx"
    )
    assert not (tmp_path / "out").exists()


def test_a_pipeline_without_torch_is_made_of_what_was_loaded(make_scorer) -> None:
    """As the guide says, whose other line ends in a NameError here."""
    import transformers

    folder, loaded = make_scorer("distilbert"), transformers.TFAutoModelForSequenceClassification
    with pytest.raises(NameError, match="torch"):
        transformers.pipeline("text-classification", model=str(folder), framework="tf")
    tokenizer, classifier = AutoTokenizer.from_pretrained(folder), loaded.from_pretrained(folder)
    classify = transformers.TextClassificationPipeline(model=classifier, tokenizer=tokenizer)
    [best] = classify(ESSAYS[0], truncation=True)
    inputs = tokenizer(ESSAYS[0], truncation=True, return_tensors="tf")
    assert best["label"] == str(int(classifier(inputs).logits.numpy().argmax()))


def test_an_export_that_is_interrupted_as_it_writes_leaves_nothing(
    here: Clone, make_scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnx

    def interrupted(_: Any, path: str) -> None:
        assert Path(path).is_relative_to(tmp_path)
        Path(path).write_bytes(b"half")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(onnx, "save", interrupted)
    of = str(make_scorer("distilbert"))
    assert refused("export", "--model", of, "--format", "onnx", "--out", str(tmp_path / "novo")) == "130"
    assert capsys.readouterr().err.endswith("interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_what_made_a_model_is_not_said_of_one_that_something_else_may_have_made(
    make_pulled: Callable[[str], Clone],
) -> None:
    clone = make_pulled("exporta")
    clone.set(**{"train.learning_rate": "5e-4"})
    made_by, doubt = metadata.of_folder(clone.path / "models/scorer", clone.path)
    assert not made_by
    assert doubt == (
        "the workspace is not what dvc.lock records (train: train.learning_rate in params.yaml was 0.001 and is "
        "0.0005); run dvc repro"
    )
    clone.git("checkout", "-q", "params.yaml")
    (clone.path / "README.md").write_text("outro")
    made_by, doubt = metadata.of_folder(clone.path / "models/scorer", clone.path)
    assert not made_by
    assert "git has changes that are not committed (README.md)" in doubt
    assert "is not models/scorer" in metadata.of_folder(clone.path / "models/base", clone.path)[1]


@pytest.mark.slow
def test_torch_and_onnx_give_the_logits_of_tensorflow(
    model, make_scorer, make_export, origin: Folder, tmp_path: Path
) -> None:
    """transformers 5 with torch runs in an environment of its own, which uv makes and keeps in its cache."""
    folders = {"of the pipeline": origin.path / "models/scorer"} | {family: make_scorer(family) for family in FAMILIES}
    few = ["A educação é um direito.", "As pessoas são todas iguais, não?", *ESSAYS[:14]]
    texts = {name: ESSAYS if name in ("of the pipeline", "distilbert") else few for name in folders}
    task, answer = tmp_path / "task.json", tmp_path / "answer.json"
    write_json(task, {str(folder): texts[name] for name, folder in folders.items()})
    done = subprocess.run([*TORCH, str(task), str(answer)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answers = json.loads(answer.read_text())
    print(f"\ntransformers {answers['transformers']}, torch {answers['torch']}")
    for name, folder in folders.items():
        found, tokenizer = answers["models"][str(folder)], checkpoint.load_tokenizer(folder)
        assert found["warned"] == []
        assert found["ids"] == tokenizer(texts[name], truncation=True)["input_ids"]
        longest = tokenizer.model_max_length
        expected = scored(tensorflow(model, folder), tokenizer, longest, texts[name])
        logits = {"torch": np.array(found["logits"])}
        if name in export.FAMILIES:
            logits["ONNX"] = scored(onnx(make_export(name)[0]), tokenizer, longest, texts[name])
        for world, values in logits.items():
            difference = np.abs(values - expected).max()
            print(f"{name:<16}{world:<6}differs from TensorFlow by {difference:.1e} on {len(expected)} essays")
            assert difference < 1e-4
            assert (values.argmax(axis=1) == expected.argmax(axis=1)).all()
        assert any(found["pipeline"])
        for label, best in zip(found["pipeline"], expected.argmax(axis=1), strict=True):
            assert label in (None, LABELS[best])
