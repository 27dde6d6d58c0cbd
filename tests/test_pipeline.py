"""The real `dvc` command in clones: what a newcomer, a colleague and a user with their own essays do."""

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from redacoes import synthetic
from tests.conftest import ROOT, Clone
from tools.same_lock import outputs

UP_TO_DATE = "Data and pipelines are up to date."


def ran(output: str) -> list[str]:
    """The stages that `dvc repro` ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def test_a_run_writes_what_is_declared_and_leaves_git_clean(origin: Clone) -> None:
    evaluation = json.loads(origin.text("metrics/evaluation.json"))
    assert set(evaluation) == {"validation", "test"}
    with (origin.path / "metrics/predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "score", "predicted", "expected", *(f"p_{k}" for k in range(11))]
    lines = origin.text("data/sample.csv").splitlines(keepends=True)
    for row in rows:  # the row id leads back to the essay's line in the CSV
        essay = next(csv.reader(lines[int(row["row"]) - 1 :]))
        assert essay[1] == row["score"]
    assert origin.git("status", "--porcelain") == ""
    assert UP_TO_DATE in origin.dvc("repro")
    left = {path.name for path in origin.path.iterdir()}
    known = set(origin.git("ls-tree", "--name-only", "HEAD").split()) | {".git", ".work", "data", "models", "metrics"}
    assert left <= known
    assert list((origin.path / ".work").iterdir()) == []


def test_the_same_commit_gives_the_same_bytes_elsewhere(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("outra máquina")
    clone.dvc("repro")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")
    assert clone.git("status", "--porcelain") == ""


def test_a_colleague_pulls_and_has_nothing_to_run(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    origin.dvc("push", "-r", _remote(origin, tmp_path))
    clone = make_clone("colega")
    clone.dvc("pull", "-r", _remote(clone, tmp_path))
    assert UP_TO_DATE in clone.dvc("repro")
    for name in ("models/scorer/model.safetensors", "metrics/predictions.csv", "data/tokenized/train/state.json"):
        assert (clone.path / name).read_bytes() == (origin.path / name).read_bytes()


def _remote(clone: Clone, tmp_path: Path) -> str:
    clone.dvc("remote", "add", "--local", "--force", "time", str(tmp_path / "remote"))
    return "time"


def test_branches_are_compared_and_only_what_changed_reruns(origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path) -> None:  # fmt: skip
    origin.dvc("push", "-r", _remote(origin, tmp_path))
    clone = make_clone("ramos")
    clone.dvc("pull", "-r", _remote(clone, tmp_path))
    params = clone.path / "params.yaml"
    params.write_text("# a remark\n" + params.read_text(encoding="utf-8"), encoding="utf-8")
    assert UP_TO_DATE in clone.dvc("repro")

    packages = json.loads(clone.text("packages.json"))
    packages["baseline"]["scipy"] = "9"
    (clone.path / "packages.json").write_text(json.dumps(packages, indent=2))
    assert list(json.loads(clone.dvc("status", "--json"))) == ["baseline"]
    clone.git("checkout", "packages.json")

    clone.set(**{"evaluate.bootstrap.samples": "30"})
    assert set(json.loads(clone.dvc("status", "--json"))) == {"evaluate"}
    clone.set(**{"evaluate.bootstrap.samples": "20", "decision.rule": "argmax"})
    assert set(json.loads(clone.dvc("status", "--json"))) == {"evaluate", "baseline"}
    clone.set(**{"decision.rule": "matched", "train.learning_rate": "2e-05"})

    clone.git("checkout", "-qb", "devagar")
    assert ran(clone.dvc("repro")) == ["train", "evaluate"]
    clone.git("commit", "-qam", "Learn slowly")
    fresh = Clone(tmp_path / "revisor", clone.path)  # has pulled nothing
    fresh.git("fetch", "-q", str(origin.path), "main:main")
    changed = json.loads(fresh.dvc("metrics", "diff", "main", "--json"))
    assert "diff" in changed["metrics/evaluation.json"]["test.loss"]
    changed = json.loads(fresh.dvc("params", "diff", "main", "--json"))
    assert changed["params.yaml"]["train.learning_rate"]["new"] == 2e-5


def test_what_is_declared_can_be_shown(origin: Clone) -> None:
    assert "train" in origin.dvc("dag")
    assert "metrics/evaluation.json" in origin.dvc("metrics", "show", "--json")
    plots = json.loads(origin.dvc("plots", "show", "--json"))
    assert not plots.get("errors")
    assert len(plots["data"]) == 5
    for shown in plots["data"].values():
        content = shown[0]["content"]
        content = json.loads(content) if isinstance(content, str) else content
        assert content["data"]["values"]


def test_a_bad_parameter_stops_every_stage_with_one_sentence(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("engano")
    clone.set(**{"train.epochs": "0"})
    for stage in ("sample", "prepare", "checkpoint", "tokenize", "baseline"):
        done = clone.run("python", "-m", f"stages.{stage}", check=False)
        assert done.returncode == 1
        assert done.stderr == "error: params.yaml: train.epochs is 0: input should be greater than or equal to 1\n"
    assert not (clone.path / "data/sample.csv").exists()


def test_a_users_essays_with_a_fault_leave_nothing_behind(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("professora")
    source = clone.path / "data/redacoes.csv"
    source.write_text("texto;nota\nUma redação.;5,5\n" * 3, encoding="utf-8")
    clone.set(**{"data.csv": "data/redacoes.csv", "data.essay_column": "texto", "data.score_column": "nota", "data.delimiter": ";"})  # fmt: skip
    done = clone.run("python", "-m", "stages.prepare", check=False)
    assert done.returncode == 1
    assert "data/redacoes.csv, line 2, column 'nota': '5,5' is not a whole score" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone.path / "data/splits").exists()
    assert list((clone.path / ".work").iterdir()) == []


@pytest.mark.slow
def test_experiments_and_the_users_own_essays_never_in_git(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("experimentos")
    # DVC 3.67 copies .git/config into a queue's clones as ASCII, and hangs on an accent in a remote's URL
    clone.git("remote", "remove", "origin")
    with (clone.path / "data/redacoes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["essay", "score", "prompt"])
        writer.writerows((row["essay"], int(row["score"]) * 100, row["theme"]) for row in synthetic.essays(60, 99))
    (clone.path / "data/outras.csv").write_text("essay,score\nSegredo de uma aluna,5\n", encoding="utf-8")
    clone.dvc("add", "data/redacoes.csv")
    clone.git("add", "data/redacoes.csv.dvc")
    clone.git("commit", "-qm", "Our essays")
    own = ("data.csv=data/redacoes.csv", "data.score_scale=1000", "data.group_column=prompt", "split.strategy=grouped")
    clone.dvc("exp", "run", "-n", "nossas", *(argument for value in own for argument in ("-S", value)))
    committed = ""
    experiments = clone.git("for-each-ref", "--format=%(refname)", "refs/exps").split()
    for reference in experiments:
        committed += clone.git("ls-tree", "-r", "--name-only", reference)
    assert "nossas" in " ".join(experiments)
    assert "outras.csv" not in committed
    assert "data/redacoes.csv\n" not in committed

    clone.git("checkout", "-q", "--", "params.yaml", "dvc.lock", "metrics")
    clone.dvc("exp", "run", "--queue", "-S", "train.learning_rate=1e-4,1e-3")
    clone.dvc("exp", "run", "--run-all")
    shown = list(csv.DictReader(clone.dvc("exp", "show", "--csv").splitlines()))
    rates = {float(row["train.learning_rate"]) for row in shown if row["train.learning_rate"]}
    assert rates >= {1e-4, 1e-3}
    assert sum(bool(row["Experiment"]) for row in shown) == 3


@pytest.mark.slow
def test_forcing_a_run_changes_nothing(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("força")
    clone.dvc("repro")
    clone.dvc("repro", "--force")
    assert clone.text("dvc.lock") == origin.text("dvc.lock")


def test_the_committed_run_is_that_of_the_committed_parameters() -> None:
    lock = ROOT / "dvc.lock"
    assert set(outputs(lock.read_text(encoding="utf-8"), ["sample", "prepare", "checkpoint", "tokenize"]))
    evaluation = json.loads((ROOT / "metrics/evaluation.json").read_text(encoding="utf-8"))
    baseline = json.loads((ROOT / "metrics/baseline.json").read_text(encoding="utf-8"))
    assert evaluation["test"]["qwk"] >= 0.60
    assert baseline["prior"]["test"]["qwk"] == 0
    assert baseline["tfidf"]["test"]["qwk"] < 0.90


def test_the_notebooks_recipe_by_parameters_alone(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("caderno")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = readme.split("<!-- notebook -->")[1].split("```")[1].removeprefix("sh\n")
    settings = dict(part.split("=", 1) for part in shlex.split(command) if "=" in part)
    assert settings["train.learning_rate"] == "2e-5"
    clone.set(
        **{
            **settings,
            "train.epochs": "1",
            "tokenize.max_length": "64",
        }
    )
    clone.dvc("repro", "prepare")
    data = json.loads(clone.text("metrics/data.json"))
    assert data["splits"] == {"train": 48, "validation": 12, "test": 12}
    done = clone.run("python", "-m", "stages.prepare")
    assert done.stderr.count("warning:") == 2
