"""The lock check: each stage that was changed without a run is named, with what was changed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes.errors import UserError
from redacoes.tracking.staleness import stale
from tests.support import ROOT, dvc_server
from tests.support.command import serve_status
from tests.support.project import Clone, Folder, checked
from tests.support.review import make


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_status(monkeypatch)


def load(clone: Folder, name: str) -> dict:
    return YAML(typ="safe", pure=True).load(clone.text(name))


def dump(clone: Clone, name: str, content: dict) -> None:
    with (clone.path / name).open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(content, file)


def test_each_stage_that_was_changed_without_a_run_is_named(pulled: Clone, make_clone: Callable[[str], Clone]) -> None:
    assert stale(pulled.path) == {}  # all outputs are there
    clone = make_clone("sem saídas")  # and here none
    assert stale(clone.path) == {}
    clone.set(**{"evaluate.bootstrap.samples": "21", "train.epochs": "3"})
    packages = json.loads(clone.text("packages.json"))
    packages["checkpoint"]["numpy"] = "9"
    (clone.path / "packages.json").write_text(json.dumps(packages))
    with (clone.path / "redacoes/learning/baseline.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    (clone.path / "redacoes/learning/tokens.py").unlink()
    dag = clone.text("dvc.yaml").replace("-m stages.sample", "-B -m stages.sample")
    (clone.path / "dvc.yaml").write_text(dag, encoding="utf-8")
    (clone.path / "metrics/data.json").unlink()
    done = make(clone, "review", check=False)
    assert done.returncode != 0
    expected = {
        "sample": "its command was changed",
        "prepare": "metrics/data.json is missing, and not DVC's to bring back",
        "checkpoint": f'checkpoint.numpy in packages.json was "{_pin("checkpoint", "numpy")}" and is "9"',
        "tokenize": "redacoes/learning/tokens.py is missing, and not DVC's to bring back",
        "train": "train.epochs in params.yaml was 2 and is 3",
        "baseline": "redacoes/learning/baseline.py was changed",
        "evaluate": "evaluate.bootstrap.samples in params.yaml was 20 and is 21",
    }
    remedy = "run `dvc repro`, and commit dvc.lock and metrics/ with the change"
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    [crossval] = [line for line in said if line.startswith("error: dvc.lock does not match crossval")]
    said.remove(crossval)  # it reads nearly all, so it names nearly all
    assert all(expected[stage] in crossval for stage in ("tokenize", "train", "baseline", "evaluate"))
    assert said == [f"error: dvc.lock does not match {stage}: {what}: {remedy}" for stage, what in expected.items()]


def _pin(stage: str, package: str) -> str:
    return json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))[stage][package]


def test_a_lock_that_no_run_wrote_is_found(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("remendado")
    content = load(clone, "dvc.lock")
    content["stages"]["prepare"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    del content["stages"]["evaluate"]
    dump(clone, "dvc.lock", content)
    found = stale(clone.path)
    assert found.pop("evaluate") == ["no run of it is recorded"]
    assert set(found) == {"checkpoint", "tokenize", "baseline", "zero_shot"}
    assert all(reasons == ["it ran on another data/splits than that of stage 'prepare'"] for reasons in found.values())
    (clone.path / "dvc.lock").write_text("<<<<<<< HEAD\n" + clone.text("dvc.lock"), encoding="utf-8")
    with pytest.raises(UserError, match="possible merge conflicts"):
        stale(clone.path)


def test_the_files_of_dvc_add_are_known(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("nossas redações")
    clone.set(**{"data.csv": "data/redacoes.csv"})
    content = load(clone, "dvc.lock")  # as a colleague's run on data/redacoes.csv wrote it
    for stage in ("check", "prepare", "crossval"):
        content["stages"][stage]["params"]["params.yaml"]["data"]["csv"] = "data/redacoes.csv"
    for stage in ("prepare", "crossval"):
        (essays,) = [dep for dep in content["stages"][stage]["deps"] if dep["path"] == "data/sample.csv"]
        essays["path"] = "data/redacoes.csv"
    dump(clone, "dvc.lock", content)
    missing = ["data/redacoes.csv is missing, and not DVC's to bring back"]
    assert stale(clone.path) == {"prepare": missing, "crossval": missing}
    tracked = {"outs": [{**essays, "path": "redacoes.csv"}]}  # what `dvc add` writes
    dump(clone, "data/redacoes.csv.dvc", tracked)
    clone.git("add", "data/redacoes.csv.dvc")
    assert stale(clone.path) == {}
    tracked["outs"][0]["md5"] = "0" * 32
    dump(clone, "data/redacoes.csv.dvc", tracked)
    (clone.path / "data/redacoes.csv").write_text("essay,score\n", encoding="utf-8")
    added = "data/redacoes.csv.dvc"
    changed = ["data/redacoes.csv was changed (`dvc checkout` brings the recorded one back)"]
    assert stale(clone.path) == {"prepare": changed, "crossval": changed, added: changed}
    (clone.path / "data/redacoes.csv").unlink()
    other = [f"it ran on another data/redacoes.csv than that of {added}"]
    assert stale(clone.path) == {"prepare": other, "crossval": other}


def test_dvc_files_that_record_no_bytes_are_left_out(tmp_path: Path) -> None:
    """One was deleted and is still in git's index, of another nothing was downloaded yet."""
    project = Folder(tmp_path / "projeto")
    (project.path / "data").mkdir(parents=True)
    for name in ("a", "b", "source"):
        (project.path / f"data/{name}.csv").write_text(f"{name}\n", encoding="utf-8")
    (project.path / "dvc.yaml").write_text(
        "stages: {copy: {cmd: cp data/a.csv c.csv, deps: [data/a.csv], outs: [c.csv]}}"
    )

    def dvc(*arguments: str) -> None:
        checked(dvc_server.run(arguments, project.path, os.environ))

    project.git("init", "-q")
    dvc("init", "-q")
    dvc("add", "-q", "data/a.csv", "data/b.csv")
    dvc("repro", "-q")
    dvc("import-url", "--no-download", str(project.path / "data/source.csv"), "data/later.csv")
    project.git("add", "-A")
    assert "md5" not in load(project, "data/later.csv.dvc")["outs"][0]
    assert stale(project.path) == {}
    (project.path / "data/b.csv.dvc").unlink()
    assert stale(project.path) == {}
    (project.path / "data/later.csv").write_text("by hand\n", encoding="utf-8")
    assert stale(project.path) == {}
    (project.path / "data/a.csv.dvc").unlink()
    (project.path / "data/a.csv").unlink()
    assert stale(project.path) == {"copy": ["data/a.csv is missing, and not DVC's to bring back"]}
