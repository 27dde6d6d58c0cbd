"""Publishing to the Hub: what is sent, what is refused, and what a failure leaves behind.

The Hub is a real server on loopback; what is published is what a real run of a clone made.
"""

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import HfApi, ModelCard

from redacoes.errors import UserError
from redacoes.evaluation.decision import Decision, softmax
from redacoes.inference.metadata import load_decision, load_text
from redacoes.learning.text_regression import FILES
from redacoes.release import bundle, card, publish
from redacoes.tracking.provenance import describe
from redacoes.tracking.revisions import Revision
from tests.support.command import redacoes, serve_status
from tests.support.guide import block
from tests.support.hub import Fault
from tests.support.hub_uploads import UploadHub
from tests.support.project import Clone

REPOSITORY = "ana/redacoes"
TOKEN = f"hf_{secrets.token_hex()}"
NOWHERE = "http://127.0.0.1:9"  # where nothing answers


@pytest.fixture(scope="module", autouse=True)
def served() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        serve_status(patch)
        # as if HF_ENDPOINT had been set before huggingface_hub was imported
        patch.setattr(huggingface_hub.constants, "ENDPOINT", NOWHERE)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, pulled: Clone) -> Clone:
    """A clone that has pulled all that the origin has made."""
    return pulled.copy(tmp_path_factory.mktemp("publicação") / "redações")


@pytest.fixture(scope="module")
def files(project: Clone) -> bundle.Files:
    bundle.require_publishable(project.path)
    return bundle.collect(project.path, REPOSITORY, "main")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[UploadHub]:
    with UploadHub() as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.endpoint)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # another protocol than HTTP
        server.tokens = {TOKEN: "ana", "hf_bia": "bia"}
        yield server


def send(files: bundle.Files, branch: str = "main", private: bool = False, token: str = TOKEN):
    return publish.publish(files, REPOSITORY, branch, private, HfApi(token=token))


def contents(files: bundle.Files) -> dict[str, bytes]:
    return {name: source.read_bytes() if isinstance(source, Path) else source for name, source in files.items()}


def held(hub: UploadHub, branch: str = "main") -> dict[str, bytes]:
    """What a branch holds, but for what the Hub itself puts there."""
    repository = hub.repositories[REPOSITORY]
    there = repository.commits[repository.branches[branch]]
    return {name: data for name, data in there.items() if name != ".gitattributes"}


def assert_no_secret(text: str, hub: UploadHub) -> None:
    for secret in (TOKEN, "hf_bia", *hub.signatures.values()):
        assert secret not in text


# ---- what is sent ----------------------------------------------------------------------------------------------------


def test_weights_and_tokenizer_are_sent_as_they_are_and_the_configuration_says_what_made_them(
    project: Clone, files: bundle.Files
) -> None:
    scorer = {path.name: path.read_bytes() for path in (project.path / "models/scorer").iterdir()}
    sent = contents(files)
    assert sent.keys() == scorer.keys() | {"README.md", "decision.json", *FILES}
    assert all(sent[name] == (project.path / "models/surface" / name).read_bytes() for name in FILES)
    assert {name: sent[name] for name in scorer if name != "config.json"} == {
        name: data for name, data in scorer.items() if name != "config.json"
    }
    config = json.loads(sent["config.json"])
    made_by = config.pop("redacoes")
    assert config == json.loads(scorer["config.json"])
    assert made_by["commit"] == project.git("rev-parse", "HEAD").strip()
    assert made_by["params_sha256"] == hashlib.sha256(project.text("params.yaml").encode()).hexdigest()
    assert made_by["decision"] == json.loads(sent["decision.json"]) == json.loads(project.text("models/decision.json"))


def test_the_card_holds_the_metrics_of_the_run_as_the_hub_reads_them(project: Clone, files: bundle.Files) -> None:
    metadata = ModelCard(contents(files)["README.md"].decode()).data
    evaluation, intervals = (
        json.loads(project.text(f"metrics/{name}.json"))["test"] for name in ("evaluation", "intervals")
    )
    assert (metadata.language, metadata.library_name, metadata.model_name) == ("pt", "transformers", "redacoes")
    found = {}
    for result in metadata.eval_results:
        assert result.dataset_split == "test"
        assert result.metric_args["confidence"] == 0.95
        found[result.metric_name] = result.metric_value, result.metric_args["low"], result.metric_args["high"]
    assert found == {
        card.METRICS[name][1]: (evaluation[name], interval["low"], interval["high"])
        for name, interval in intervals.items()
        if isinstance(interval, dict) and "low" in interval
    }


def test_the_card_says_in_both_languages_what_must_be_known(project: Clone, files: bundle.Files) -> None:
    text = contents(files)["README.md"].decode()
    portuguese, english = text.split("## Português")[1].split("## English")
    data, decision = (json.loads(project.text(name)) for name in ("metrics/data.json", "models/decision.json"))
    qwk = json.loads(project.text("metrics/evaluation.json"))["test"]["qwk"]
    prior = json.loads(project.text("metrics/baseline.json"))["prior"]["test"]["loss"]
    commit = project.git("rev-parse", "HEAD").strip()
    csv = hashlib.md5((project.path / "data/sample.csv").read_bytes()).hexdigest()
    for part, comma in ((portuguese, ","), (english, ".")):
        shown = [format(qwk, ".3f"), format(prior, ".3f"), format(decision["slope"], ".4f")]
        shown = [number.replace(".", comma) for number in shown]
        for wanted in (*shown, commit, csv, "make repro", f"| {data['splits']['train']} |", "TF-IDF"):
            assert wanted in part
        for code in ("TFAutoModelForSequenceClassification", "import torch", "onnxruntime.InferenceSession"):
            assert code in part
    assert "**As redações são sintéticas**" in portuguese
    assert "**Não é uma nota.**" in portuguese
    assert "**The essays are synthetic**" in english
    assert "**It is not a grade.**" in english
    assert "max_length: 64" in english  # the parameters


def test_the_card_of_another_run_says_what_differs(project: Clone) -> None:
    head = Revision("HEAD", project.path)
    found = describe(head)
    found["data"] |= {"from": "data/redacoes.csv.dvc (dvc add)", "file": "data/redacoes.csv"}
    found["parameters"]["split"] |= {"strategy": "grouped", "validation": "test"}
    found["parameters"]["checkpoint"] = {"source": "hub", "repository": "Geotrend/distilbert", "revision": "0" * 40}
    found["parameters"]["tokenize"]["truncation"] = "tail"
    found["metrics"]["qwk"] = {"value": None, "low": None, "high": None}
    baselines = {"prior": {"loss": 1}, "zero_shot": {"loss": 2.5, "qwk": 0.125}}
    run = card.Run(REPOSITORY, "v2", found, {}, baselines, Decision("argmax"), {"commit": "", "splits_md5": "", "params_sha256": ""})  # fmt: skip
    text = card.write(run)
    metadata = ModelCard(text).data
    assert metadata.base_model == "Geotrend/distilbert"
    assert "quadratic weighted kappa (QWK)" not in [result.metric_name for result in metadata.eval_results]
    assert "sint" not in text.split("## Parâmetros")[0]
    for wanted in (
        *("no group (such as the theme)", "not of unseen essays", "zero-shot |", "| 0,125 |", "likeliest class"),
        *("return ids if len(ids) <= 64 else ids[:1] + ids[-63:]", "score = logits.argmax(axis=1)"),
    ):
        assert wanted in text


def test_a_dry_run_needs_no_token_and_no_network(project: Clone, files: bundle.Files) -> None:
    project.environment["HF_ENDPOINT"] = NOWHERE
    done = project.run(sys.executable, "-m", "redacoes.cli", "publish", REPOSITORY, "--dry-run")
    folder = project.path / ".work/publish"
    expected = contents(files)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected  # in another process, too
    assert f"to {REPOSITORY}, branch main, in one commit:" in done.stdout
    for name, data in expected.items():
        assert re.search(rf" {len(data):,}  {re.escape(name)}$", done.stdout, re.MULTILINE)
    assert "nothing was sent" in done.stdout
    assert done.stderr == ""
    with pytest.raises(UserError, match="exists, and nothing in it is replaced"):
        bundle.write(files, project.path / "stages")
    assert project.git("status", "--porcelain") == ""


# ---- refusals --------------------------------------------------------------------------------------------------------


@contextmanager
def altered(project: Clone, name: str, content: str, commit: bool = False) -> Iterator[None]:
    """Give a file another content, in a commit or not, for the length of the block."""
    path = project.path / name
    before = path.read_bytes() if path.exists() else None
    path.write_text(content, encoding="utf-8")
    if commit:
        project.git("commit", "-qam", "Change a file")
    try:
        yield
    finally:
        if commit:
            project.git("reset", "-q", "--hard", "HEAD~")
        elif before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def refusal(project: Clone) -> str:
    with pytest.raises(UserError) as caught:
        bundle.require_publishable(project.path)
    return str(caught.value)


def test_a_workspace_that_is_not_that_of_the_commit_is_refused(project: Clone) -> None:
    with altered(project, "redacoes/release/card.py", project.text("redacoes/release/card.py") + "\n"):
        assert refusal(project).startswith("redacoes/release/card.py in the workspace, and not in a commit")
    with altered(project, "notas.csv", "essay,score\n"):
        assert "notas.csv" in refusal(project)
        assert "`git add --all && git commit`" in refusal(project)


def test_a_stale_lock_is_refused(project: Clone) -> None:
    params = project.text("params.yaml").replace("epochs: 2", "epochs: 3")
    with altered(project, "params.yaml", params, commit=True):
        found = refusal(project)
    assert "no run of train as code, parameters and data are now (train.epochs in params.yaml was 2 and is 3)" in found
    assert "run `dvc repro`, and commit dvc.lock and metrics/" in found


def test_metrics_of_another_model_are_refused(project: Clone) -> None:
    lock = project.text("dvc.lock")
    evaluate = lock.index("\n  evaluate:")
    digest = re.search(r"md5: ([0-9a-f]{32}[.]dir)", lock[lock.index("models/scorer", evaluate) :])[1]
    other = lock[:evaluate] + lock[evaluate:].replace(digest, f"{'0' * 32}.dir")
    with altered(project, "dvc.lock", other, commit=True):
        found = refusal(project)
    assert f"metrics/evaluation.json is of another model (md5 {'0' * 32}.dir" in found
    assert f"than models/scorer (md5 {digest})" in found
    assert "`dvc repro`" in found


def test_damaged_weights_and_edited_metrics_are_refused(project: Clone) -> None:
    weights = project.path / "models/scorer/model.safetensors"
    status, content = weights.stat(), weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    try:
        assert "models/scorer/model.safetensors" in refusal(project)
        assert "run `mv models/scorer " in refusal(project)
    finally:
        weights.write_bytes(content)
        os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    metrics = re.sub(r'"qwk": [-\d.]+', '"qwk": 0.99', project.text("metrics/evaluation.json"))
    with altered(project, "metrics/evaluation.json", metrics, commit=True):
        assert "metrics/evaluation.json" in refusal(project)


def test_what_was_not_pulled_is_refused(project: Clone) -> None:
    scorer, cache, away = project.path / "models/scorer", project.path / ".dvc/cache", project.path / ".dvc/tmp"
    scorer.rename(away / "scorer")
    try:
        assert refusal(project).endswith("is in the cache alone: run `dvc checkout models/scorer`")
        cache.rename(away / "cache")
        assert "nor, as a whole, in the cache: run `dvc repro train`" in refusal(project)
    finally:
        (away / "scorer").rename(scorer)
        if not cache.exists():
            (away / "cache").rename(cache)


def test_a_name_or_a_token_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, reason in {"redacoes": "lacks its owner", "ana/red açoes": "not the name of a repository"}.items():
        with pytest.raises(UserError, match=reason):
            publish.require_name(name)
    for token, reason in {
        "": "there is no token for the Hub: ",
        "hf_segredo ç": "a character that no token has",
    }.items():
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(UserError, match=reason) as caught:
            publish.find_token()
        assert "`hf auth login`" in str(caught.value)
        assert "segredo" not in str(caught.value)


# ---- sending ---------------------------------------------------------------------------------------------------------


DOWNLOAD = """
import sys
from huggingface_hub import snapshot_download
print(snapshot_download(sys.argv[1], revision=sys.argv[2]))
"""


def as_a_stranger(hub: UploadHub, folder: Path, *arguments: str) -> str:
    """Run a program in a folder of its own, with neither the project nor a token, and return its last line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(folder / "hf"), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-P", "-c", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_model_is_published_in_one_commit_and_a_repeat_changes_nothing(
    project: Clone, files: bundle.Files, hub: UploadHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    first = redacoes(project, "publish", REPOSITORY)
    repository = hub.repositories[REPOSITORY]
    commit = repository.branches["main"]
    again = redacoes(project, "publish", REPOSITORY)
    assert f"published {REPOSITORY}@{commit}" in first.stdout
    assert again.stdout == f"nothing to change: {REPOSITORY}@{commit} is this model already\n"
    assert held(hub) == contents(files)
    assert len(repository.commits) == 2  # the Hub's own, and one
    assert hub.messages[commit] == f"Publish the scorer of commit {project.git('rev-parse', 'HEAD')[:12]}"
    assert_no_secret(first.stdout + first.stderr + again.stdout + again.stderr, hub)
    pulled = as_a_stranger(hub, tmp_path, DOWNLOAD, REPOSITORY, commit)
    assert {path.name: path.read_bytes() for path in Path(pulled).glob("[!.]*")} == contents(files)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("/commit/", ("POST",), status=500), "the Hub answered 500: try again later"),
        (Fault("/commit/", ("POST",), status=412), "somebody else has changed ana/redacoes in the meantime"),
        (Fault("/lfs/", ("PUT",), status=403), "the Hub answered 403: the token may not write to ana/redacoes"),
        (Fault("/objects/batch", ("POST",), status=401), "the token is not valid any more: make one that may write"),
        (Fault("/preupload/", ("POST",), status=429), "the Hub answered 429: try again later"),
    ],
    ids=lambda value: value.path if isinstance(value, Fault) else None,
)
def test_a_failure_leaves_the_repository_as_it_was_and_says_so(
    files: bundle.Files, hub: UploadHub, fault: Fault, reason: str
) -> None:
    hub.create(REPOSITORY)
    before = hub.commit(REPOSITORY, {"README.md": b"an older card"})
    hub.fault = fault
    with pytest.raises(UserError) as caught:
        send(files)
    assert fault.struck
    assert reason in str(caught.value)
    assert str(caught.value).endswith("; ana/redacoes is as it was")
    assert hub.repositories[REPOSITORY].branches == {"main": before}
    assert_no_secret(str(caught.value), hub)
    hub.fault = None
    assert send(files).commit == hub.repositories[REPOSITORY].branches["main"]
    assert held(hub) == contents(files)


def test_an_upload_that_is_cut_once_is_tried_again(files: bundle.Files, hub: UploadHub) -> None:
    hub.cut_uploads = 1
    send(files)
    assert not hub.cut_uploads
    assert held(hub) == contents(files)


def test_a_new_repository_that_got_no_model_is_named(files: bundle.Files, hub: UploadHub) -> None:
    hub.fault = Fault("/commit/", ("POST",), status=500)
    with pytest.raises(UserError, match=r"ana/redacoes was created, and holds no model$"):
        send(files)
    assert held(hub) == {}


def test_a_commit_whose_answer_was_lost_counts(files: bundle.Files, hub: UploadHub) -> None:
    hub.lose_answer = True
    assert send(files).commit == hub.repositories[REPOSITORY].branches["main"]
    assert held(hub) == contents(files)


def test_nobody_else_may_publish_and_a_wrong_token_is_called_that(files: bundle.Files, hub: UploadHub) -> None:
    for token, reason in {
        "hf_bia": "the token may not write to ana/redacoes",
        "hf_wrong": "the token is not valid any more",
    }.items():
        with pytest.raises(UserError, match=reason) as caught:
            send(files, token=token)
        assert token not in str(caught.value)
    assert hub.repositories == {}
    hub.create(REPOSITORY)
    with pytest.raises(UserError, match=r"nothing was sent to ana/redacoes$"):
        send(files, token="hf_wrong")


def test_a_hub_that_does_not_answer_is_told_in_one_sentence(project: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = redacoes(project, "publish", REPOSITORY, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: the connection to {NOWHERE} failed")
    assert done.stderr.count("\n") == 1
    assert TOKEN not in done.stdout + done.stderr


def test_another_branch_is_created_by_the_publish_and_by_no_failed_one(files: bundle.Files, hub: UploadHub) -> None:
    hub.create(REPOSITORY)
    before = dict(hub.repositories[REPOSITORY].branches)
    hub.fault = Fault("/commit/", ("POST",), status=500)
    with pytest.raises(UserError, match="is as it was"):
        send(files, branch="v2")
    assert hub.repositories[REPOSITORY].branches == before
    hub.fault = None
    send(files, branch="v2")
    assert held(hub, "v2") == contents(files)
    assert hub.repositories[REPOSITORY].branches["main"] == before["main"]


def test_a_private_repository_is_created_private_and_a_public_one_is_not_taken_for_it(
    files: bundle.Files, hub: UploadHub
) -> None:
    send(files, private=True)
    assert hub.repositories[REPOSITORY].private
    hub.repositories[REPOSITORY].private = False
    with pytest.raises(UserError, match="everybody can see it"):
        send(files, private=True)


def test_an_earlier_tokenizer_goes_and_files_of_others_stay(files: bundle.Files, hub: UploadHub) -> None:
    hub.create(REPOSITORY)
    hub.commit(REPOSITORY, {"merges.txt": b"a b", "model-00001-of-00002.safetensors": b"", "onnx/model.onnx": b"o"})
    done = send(files)
    assert sorted(done.removed) == ["merges.txt", "model-00001-of-00002.safetensors"]
    assert done.others == ["onnx/model.onnx"]
    assert held(hub) == {**contents(files), "onnx/model.onnx": b"o"}


# ---- what another user gets ------------------------------------------------------------------------------------------

STRANGER = """
import json, re, sys
from huggingface_hub import hf_hub_download

repository, texts = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
page = open(hf_hub_download(repository, "README.md"), encoding="utf-8").read()
blocks = re.findall(r"```python\\n(.*?)```", page, re.DOTALL)
load = next(block for block in blocks if "TFAuto" in block)
names = {"texts": texts}
exec(re.sub("essays = .*", "essays = texts", load), names)
json.dump(names["logits"].tolist(), sys.stdout)
"""


@pytest.mark.slow
def test_the_code_of_the_card_gives_a_stranger_the_same_scores(
    project: Clone, files: bundle.Files, hub: UploadHub, tmp_path: Path
) -> None:
    """In a folder without the project, without its package, by what the card says alone."""
    import datasets
    import pandas as pd

    send(files)
    expected = pd.read_csv(project.path / "metrics/predictions.csv", index_col="row")
    essays = datasets.load_from_disk(str(project.path / "data/splits"))["test"]
    texts = tmp_path / "textos.json"
    texts.write_text(json.dumps(list(essays["essay"])), encoding="utf-8")
    found = softmax(np.array(json.loads(as_a_stranger(hub, tmp_path, STRANGER, REPOSITORY, str(texts)))))
    probabilities = expected.loc[list(essays["row"]), [f"p_{k}" for k in range(11)]].to_numpy()
    # the rule ordinal, and the regression on the text, as they were sent
    sent = tmp_path / "enviado"
    bundle.write(files, sent)
    decision = load_decision(sent)
    _, decided = decision.decide(found, load_text(sent, decision).predict(list(essays["essay"])))
    assert abs(probabilities - decided).max() < 1e-5


def test_the_guide_has_the_commands() -> None:
    assert "redacoes publish ana/redacoes --dry-run" in block("publish-hub")
