"""The command `redacoes` in clones: compare and inspect branches, experiments and the workspace."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from redacoes.cli.main import main
from redacoes.errors import UserError
from redacoes.tracking import revisions
from redacoes.tracking.provenance import describe
from tests.support import BIN, ROOT
from tests.support.command import redacoes, refused, serve_status
from tests.support.project import Clone, Folder, remote

WITHOUT_TENSORFLOW = """
import json, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tf_keras", "transformers"):
            raise AssertionError(name + " is imported")
sys.meta_path.insert(0, Refuse())
from redacoes.cli.main import main
sys.exit(any([main(arguments) for arguments in json.loads(sys.argv[1])]))
"""


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_status(monkeypatch)


@pytest.fixture(scope="module")
def branches(pulled: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with a branch `lento` on which training is slower, and a remote with both branches' outputs."""
    clone = pulled.copy(tmp_path_factory.mktemp("ramos") / "clone")
    clone.git("checkout", "-qb", "lento")
    clone.set(**{"train.learning_rate": "1e-4"})
    clone.dvc("repro", "train", "evaluate")
    clone.git("commit", "-qam", "Learn slowly")
    remote = tmp_path_factory.mktemp("remoto")
    for branch in ("main", "lento"):  # each commit names its own remote
        clone.git("checkout", "-q", branch)
        clone.dvc("remote", "add", "--default", "time", str(remote))
        clone.git("commit", "-qam", "Name the remote")
    shutil.copytree(clone.path / ".dvc/cache/files", remote / "files")  # as `dvc push --all-branches` would
    return clone


def test_nothing_that_reads_results_imports_tensorflow(branches: Clone) -> None:
    commands = [["compare", "main", "lento", "--json"], ["inspect", "lento"], ["inspect", "main", "--json"], ["verify"]]
    branches.run(sys.executable, "-c", WITHOUT_TENSORFLOW, json.dumps(commands))


def test_help_names_the_commands_and_is_quick_to_start() -> None:
    code = "import sys, redacoes.cli; print(sorted(set(sys.modules) & {'dvc', 'pandas', 'numpy', 'tensorflow'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    shown = subprocess.run([sys.executable, "-m", "redacoes.cli", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert all(name in shown.stdout for name in ("compare", "inspect", "verify", "export"))


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    command = [str(BIN / "redacoes"), "recipe"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_the_version_is_told_and_a_slip_of_the_pen_understood(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status in (
        (["--version"], 0),
        (["scoer"], 2),
        (["score", "a", "--out", "b", "--backend", "onx"], 2),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == status
    out, err = capsys.readouterr()
    assert out == f"redacoes {version('redacoes')}\n"
    assert "did you mean 'score'?" in err
    assert "did you mean 'onnx'?" in err


def test_no_command_is_answered_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "    score " in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["inspect"], ["recipe"], ["compare", "main", "HEAD"], ["experiments"]])
def test_a_folder_that_is_no_project_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(*arguments).startswith(
        "error: this folder is not a project; run it in the folder that holds params.yaml"
    )


@pytest.mark.parametrize(
    "arguments", [["inspect"], ["recipe"], ["compare", "main", "HEAD"], ["experiments"], ["tokens", "../README.md"]]
)
def test_a_subfolder_of_the_project_is_told_apart(
    pulled: Clone, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(pulled.path / "docs")
    assert refused(*arguments).endswith(f"the project's folder is another: cd {shlex.quote(str(pulled.path))}")


def test_what_is_no_yaml_is_one_sentence(make_pulled: Callable[[str], Clone], monkeypatch: pytest.MonkeyPatch) -> None:
    clone = make_pulled("tabulação")
    params = clone.path / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8") + "\tx: 1\n", encoding="utf-8")
    monkeypatch.chdir(clone.path)
    assert refused("inspect").startswith("error: params.yaml of workspace is not valid YAML: ")


def test_branches_are_compared_from_a_clone_that_has_pulled_nothing(branches: Clone, tmp_path: Path) -> None:
    clone = Clone(tmp_path / "revisora", branches.path)
    clone.git("fetch", "-q", "origin", "main:main")
    shown = json.loads(redacoes(clone, "compare", "main", "lento", "--json").stdout)
    assert (shown["a"]["revision"], shown["b"]["commit"]) == ("main", clone.git("rev-parse", "lento").strip())
    by_name = {result["metric"]: result for result in shown["metrics"]}
    for side, revision in (("a", "main"), ("b", "lento")):
        committed = json.loads(clone.git("show", f"{revision}:metrics/evaluation.json"))["test"]
        assert by_name["loss"][side] == pytest.approx(committed["loss"], abs=1e-6)
        assert by_name["mae"][side] == pytest.approx(committed["mae"], abs=1e-6)
    markdown = redacoes(clone, "compare", "main", "lento", "--metric", "mae", "--markdown").stdout.splitlines()
    assert markdown[0] == "| metric | main | lento | difference | 95% interval | lento is |"
    assert len(markdown) == 3
    assert markdown[2].startswith("| mae | ")
    # the workspace is what its dvc.lock says, pulled or not
    assert redacoes(clone, "compare", "lento", "--metric", "mae").stdout.endswith("not distinguishable on 12 essays\n")


def test_what_cannot_be_compared_is_said(branches: Clone, make_pulled: Callable[[str], Clone]) -> None:
    done = redacoes(branches, "compare", "main", "nada", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: 'nada' is not a branch, tag, commit or experiment here; see git branch -a and dvc exp list -A\n"
    )
    for slip, meant in (("mian", "main"), ("lentoo", "lento"), ("workspce", "workspace")):
        done = redacoes(branches, "compare", "main", slip, check=False)
        assert done.stderr.endswith(f"; did you mean '{meant}'?\n")
        done = redacoes(branches, "tokens", "README.md", "--model", slip, check=False)
        assert done.stderr.endswith(f"; did you mean '{meant}'?\n")
    for model, told in (
        ("models/scorre", "; did you mean 'models/scorer'?\n"),
        ("docs", "; name its folder, such as models/scorer\n"),
    ):
        assert redacoes(branches, "tokens", "README.md", "--model", model, check=False).stderr.endswith(told)
    done = redacoes(branches, "compare", "main", "lento", "--metric", "qwkk", check=False)
    assert "did you mean 'qwk'?" in done.stderr

    other = make_pulled("outros dados")
    other.set(**{"sample.seed": "8"})
    other.dvc("repro", "prepare")
    done = redacoes(other, "compare", "main", "workspace", check=False)
    assert done.returncode == 1
    assert "so their metrics cannot be paired; run both on the same file" in done.stderr


def test_a_run_that_nobody_pushed_is_said_to_be_that(
    make_clone: Callable[[str], Clone], pulled: Clone, tmp_path: Path
) -> None:
    clone = make_clone("de outra pessoa")
    file = "metrics/predictions.csv"
    asked = "compare", "main", "HEAD"
    start = f"error: {file} of main is not in this clone's cache, "
    alone = "and there is no remote to dvc pull it from: name one that has it, or check main out and run dvc repro"
    assert redacoes(clone, *asked, check=False).stderr == f"{start}{alone}\n"
    shutil.copy(pulled.path / file, clone.path / file)
    own = "; what was run here and is not committed is called workspace"
    assert redacoes(clone, *asked, check=False).stderr == f"{start}{alone}{own}\n"
    clone.configure(remote(tmp_path / "vazio"))
    pushed = "nor on the remote time: whoever ran it must dvc push, or check main out and run dvc repro"
    assert redacoes(clone, *asked, check=False).stderr == f"{start}{pushed}{own}\n"
    clone.git("rm", "-q", "dvc.lock")
    clone.git("commit", "-qm", "Forget the run")
    said = redacoes(clone, "inspect", "HEAD", check=False).stderr
    assert said == "error: HEAD holds no dvc.lock, since no run that makes it is committed there\n"


def test_an_experiment_is_compared_by_its_name_and_equals_the_same_run_in_the_workspace(branches: Clone) -> None:
    branches.git("checkout", "-q", "main")
    branches.dvc("checkout")
    branches.dvc("exp", "run", "-n", "lenta", "-S", "train.learning_rate=1e-4")
    branches.git("reset", "-q", "--hard")
    listed = redacoes(branches, "experiments").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == ["workspace", "main", "lenta"]
    assert listed[3].endswith("  train.learning_rate=0.0001")
    assert max(map(len, listed)) <= 120
    [_, base, lenta] = json.loads(redacoes(branches, "experiments", "main", "--json").stdout)
    for row, revision in ((base, "main"), (lenta, "lento")):
        assert row["headline"] == json.loads(branches.git("show", f"{revision}:metrics/headline.json"))
    everywhere = redacoes(branches, "experiments", "lento", "--all").stdout.splitlines()
    assert [line.split()[0] for line in everywhere[1:]] == ["workspace", "lento", "main", "lenta"]
    assert "'nada'" in redacoes(branches, "experiments", "nada", check=False).stderr
    note = "note: no experiment began from lento; --all shows those that began from other commits\n"
    assert redacoes(branches, "experiments", "lento").stderr == note

    assert "did you mean 'lenta'?" in redacoes(branches, "compare", "main", "lennta", check=False).stderr

    shown = json.loads(redacoes(branches, "compare", "lento", "lenta", "--json").stdout)
    assert [result["a"] for result in shown["metrics"]] == [result["b"] for result in shown["metrics"]]
    assert {result["verdict"] for result in shown["metrics"] if result["a"] is not None} == {
        f"not distinguishable on {shown['metrics'][0]['essays']} essays"
    }


def test_inspect_says_what_made_a_model(branches: Clone, origin: Folder) -> None:
    found = json.loads(redacoes(branches, "inspect", "lento", "--json").stdout)
    assert found["commit"]["hash"] == branches.git("rev-parse", "lento").strip()
    assert found["commit"]["subject"] == "Name the remote"
    assert found["parameters"]["train"]["learning_rate"] == 1e-4
    assert found["data"]["from"] == "stage sample"
    assert found["data"]["rows"]["kept"] == 60
    assert found["environment"]["tensorflow"] == json.loads(origin.text("packages.json"))["train"]["tensorflow"]
    loss = found["metrics"]["loss"]
    assert loss["low"] < loss["value"] < loss["high"]
    page = redacoes(branches, "inspect", "lento").stdout
    assert "train.learning_rate = 0.0001" in page


def test_inspect_says_whether_the_workspace_is_stale(make_pulled: Callable[[str], Clone]) -> None:
    clone = make_pulled("mudou")
    assert "is that of this code, these parameters and this data" in redacoes(clone, "inspect").stdout
    clone.set(**{"train.learning_rate": "5e-4"})
    done = redacoes(clone, "inspect", check=False)
    assert done.returncode == 1
    assert "stale        train: train.learning_rate in params.yaml was 0.001 and is 0.0005" in done.stdout
    clone.git("checkout", "-q", "params.yaml")

    # what a killed DVC can leave, which DVC itself has no remedy for
    rwlock = clone.path / ".dvc/tmp/rwlock"
    rwlock.parent.mkdir(exist_ok=True)
    rwlock.write_text('{"data/spl')
    refused = clone.try_dvc("repro")
    assert "JSON" in refused.stderr
    done = redacoes(clone, "inspect", check=False)
    assert done.returncode == 1
    assert "rm .dvc/tmp/rwlock" in done.stdout
    clone.run("rm", ".dvc/tmp/rwlock")
    assert "up to date" in clone.dvc("repro")


def test_inspect_says_where_data_comes_from(make_pulled: Callable[[str], Clone], tmp_path: Path) -> None:
    clone = make_pulled("origem dos dados")
    shutil.copy(clone.path / "data/sample.csv", tmp_path / "publico.csv")
    clone.dvc("import-url", str(tmp_path / "publico.csv"), "data/redacoes.csv")
    clone.set(**{"data.csv": "data/redacoes.csv"})
    clone.dvc("repro", "prepare")
    found = json.loads(redacoes(clone, "inspect", "--json", check=False).stdout)
    assert found["data"]["from"] == str(tmp_path / "publico.csv")
    assert f"md5: {found['data']['md5']}" in clone.text("data/redacoes.csv.dvc")


def test_what_made_a_model_is_told_without_git_too(pulled: Clone, tmp_path: Path) -> None:
    """As in a container, to which these files alone are copied."""
    for name in ("params.yaml", "packages.json", "dvc.lock"):
        shutil.copy(pulled.path / name, tmp_path)
    shutil.copytree(pulled.path / "metrics", tmp_path / "metrics")
    there = describe(revisions.Folder(tmp_path))
    here = json.loads(redacoes(pulled, "inspect", "--json").stdout)
    assert there.pop("commit") is None
    assert there == {name: here[name] for name in there}
    with pytest.raises(UserError, match=r"dvc\.yaml cannot be read"):
        revisions.Folder(tmp_path).text("dvc.yaml")
