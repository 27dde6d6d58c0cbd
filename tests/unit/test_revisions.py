"""What is told of a revision: of its recorded run, whatever the workspace holds today."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from redacoes.errors import UserError
from redacoes.tracking import provenance
from redacoes.tracking.provenance import describe
from redacoes.tracking.revisions import WORKSPACE, Folder, Revision

SYNTHETIC, OWN = "data/sample.csv", "data/redacoes-da-turma.csv"
DAG = """
stages:
  sample: {cmd: python -m stages.sample, outs: [data/sample.csv]}
  prepare: {cmd: python -m stages.prepare, deps: ['${data.csv}'], outs: [data/splits, metrics/data.json: {cache: false}]}
  evaluate: {cmd: python -m stages.evaluate, outs: [metrics/evaluation.json: {cache: false}]}
"""


def lock(md5: str) -> dict[str, Any]:
    """A dvc.lock whose run learnt from synthetic essays with this hash."""
    data = {"csv": SYNTHETIC, "max_score": 10}
    prepare = {
        "deps": [{"path": SYNTHETIC, "hash": "md5", "md5": md5}],
        "params": {"params.yaml": {"data": data}},
        "outs": [{"path": "metrics/data.json", "hash": "md5", "md5": "2" * 32}],
    }
    sample = {"outs": [{"path": SYNTHETIC, "hash": "md5", "md5": md5}]}
    stages = {"sample": sample, "prepare": prepare}
    return {"schema": "2.0", "stages": {name: {"cmd": f"python -m stages.{name}", **stages[name]} for name in stages}}


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def write(folder: Path, **files: Any) -> None:
    """Write values as JSON, which is YAML too, and text as it is."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose one commit has a run on synthetic essays. Nothing is asked of `dvc status`."""
    monkeypatch.setattr(provenance, "stale", lambda root: {})
    test = {"qwk": 0.5}
    write(
        tmp_path,
        **{
            ".dvc/config": "[core]\n    analytics = false\n",
            "dvc.yaml": DAG,
            "dvc.lock": lock("1" * 32),
            "params.yaml": {"data": {"csv": SYNTHETIC}},
            "packages.json": {"train": {"numpy": "2"}},
            "metrics/data.json": {"rows": {"read": 1600, "kept": 1590}, "splits": {"train": 1272, "test": 318}},
            "metrics/evaluation.json": {"test": test},
            "metrics/intervals.json": {"test": {"qwk": {"low": 0.4, "high": 0.6}}},
        },
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Record a run")
    return tmp_path


@pytest.fixture
def adopted(project: Path) -> Path:
    """The same after `redacoes adopt`, and before `dvc repro`."""
    tracked = {"outs": [{"md5": "3" * 32, "hash": "md5", "path": Path(OWN).name}]}
    write(project, **{"params.yaml": {"data": {"csv": OWN}}, f"{OWN}.dvc": tracked})
    return project


def test_a_model_is_of_the_data_that_it_learnt_from_until_another_is_trained(adopted: Path) -> None:
    git(adopted, "add", ".")
    git(adopted, "commit", "-qm", "Adopt the essays of the class")
    for revision in (Revision(WORKSPACE, adopted), Revision("HEAD", adopted), Folder(adopted)):
        data = describe(revision)["data"]
        assert {name: data[name] for name in ("file", "md5", "from")} == {
            "file": SYNTHETIC,
            "md5": "1" * 32,
            "from": "stage sample",
        }


def test_runs_on_the_same_data_are_compared_though_other_data_was_adopted(adopted: Path) -> None:
    here = Revision(WORKSPACE, adopted)
    Revision("HEAD", adopted).require_same_data(here)
    write(adopted, **{"dvc.lock": lock("4" * 32)})
    with pytest.raises(
        UserError, match=rf"HEAD was tested on .* \(md5 {'1' * 32}\), and workspace .* \(md5 {'4' * 32}"
    ):
        Revision("HEAD", adopted).require_same_data(Revision(WORKSPACE, adopted))


def test_a_lock_without_a_run_of_prepare_is_said_to_be_that(project: Path) -> None:
    write(project, **{"dvc.lock": {"schema": "2.0"}})
    with pytest.raises(UserError, match=r"^dvc\.lock of workspace records no run of prepare; run dvc repro$"):
        describe(Revision(WORKSPACE, project))


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("packages.json", "git checkout HEAD -- packages.json brings the committed one back"),
        ("params.yaml", "git checkout HEAD -- params.yaml brings the committed one back"),
        ("dvc.yaml", "git checkout HEAD -- dvc.yaml brings the committed one back"),
        ("metrics/data.json", "dvc repro makes it"),
        ("data/splits/test.arrow", "dvc repro makes it"),
        ("dvc.lock", "dvc repro makes it"),
    ],
)
def test_dvc_repro_is_said_to_make_what_a_stage_makes_and_nothing_else(project: Path, path: str, remedy: str) -> None:
    (project / path).unlink(missing_ok=True)
    with pytest.raises(UserError, match=rf"^{path} is not here: {remedy}$"):
        Revision(WORKSPACE, project).text(path)


def test_a_commit_without_a_file_that_no_run_makes_is_said_to_be_that(project: Path) -> None:
    git(project, "rm", "-q", "packages.json", "metrics/evaluation.json")
    git(project, "commit", "-qm", "Remove two files")
    with pytest.raises(UserError, match=r"^HEAD holds no packages\.json; name a revision that does$"):
        Revision("HEAD", project).text("packages.json")
    with pytest.raises(UserError, match=r"^HEAD holds no metrics/evaluation\.json, since no run that makes it"):
        Revision("HEAD", project).text("metrics/evaluation.json")


@pytest.mark.parametrize(
    ("path", "content", "remedy"),
    [
        ("dvc.lock", "", "git checkout HEAD -- dvc.lock brings the committed one back"),
        ("params.yaml", "# all\n", "git checkout HEAD -- params.yaml brings the committed one back"),
        ("packages.json", "[]", "git checkout HEAD -- packages.json brings the committed one back"),
        ("metrics/evaluation.json", "null", "dvc repro makes it anew"),
    ],
)
def test_a_file_without_values_is_one_sentence(project: Path, path: str, content: str, remedy: str) -> None:
    write(project, **{path: content})
    with pytest.raises(UserError, match=rf"^{path} of workspace holds no values: {remedy}$"):
        describe(Revision(WORKSPACE, project))
    git(project, "commit", "-qam", "Lose the values")
    with pytest.raises(UserError, match=rf"^{path} of HEAD holds no values: name another revision$"):
        describe(Revision("HEAD", project))
    shutil.rmtree(project / ".git")  # as in a container
    with pytest.raises(UserError, match=rf"^{path} of workspace holds no values: copy it from the project's clone$"):
        describe(Folder(project))


def test_a_folder_without_values_in_a_clone_has_them_in_git(project: Path) -> None:
    """`explain` and `score` read `dvc.lock` as that of a folder in clones, too."""
    write(project, **{"dvc.lock": ""})
    with pytest.raises(
        UserError, match=r"holds no values: git checkout HEAD -- dvc\.lock brings the committed one back$"
    ):
        Folder(project).yaml("dvc.lock")


@pytest.mark.parametrize("subject", ["", "Um título\rem duas partes"])
def test_a_commit_has_whatever_subject_git_gives_it(project: Path, subject: str) -> None:
    git(project, "commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "-m", subject)
    for name in (WORKSPACE, "HEAD"):
        commit = describe(Revision(name, project))["commit"]
        assert commit["subject"] == subject.replace("\r", " ")
        assert len(commit["hash"]) == 40


def test_where_git_has_no_commit_it_is_said_in_one_sentence(project: Path) -> None:
    shutil.rmtree(project / ".git")
    git(project, "init", "-q")
    with pytest.raises(UserError, match=r"^git has no commit here yet; git commit makes one$"):
        describe(Revision(WORKSPACE, project))


def test_why_git_does_not_answer_is_said_in_one_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as of another user, in a container
    with pytest.raises(
        UserError, match=r"^git does not know HEAD: fatal: detected dubious ownership [^\n]+$"
    ) as refused:
        describe(Revision(WORKSPACE, project))
    assert "git config --global --add safe.directory" in str(refused.value)
