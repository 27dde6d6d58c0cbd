"""The real `dvc` command in clones: what a newcomer, a colleague and a user with their own essays do."""

import csv
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes import synthetic
from redacoes.lock import stale
from redacoes.params import Params
from tests.conftest import ROOT, Clone, working_tree
from tests.hub import Hub

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


def test_nothing_but_the_declared_outputs_is_written(origin: Clone) -> None:
    stages = YAML(typ="safe", pure=True).load(origin.text("dvc.yaml"))["stages"].values()
    declared = {name for stage in stages for out in stage["outs"] for name in ([out] if isinstance(out, str) else out)}
    untracked = origin.git("ls-files", "-z", "--others").split("\0")
    written = {name for name in untracked if name and "__pycache__" not in name and not name.startswith(".dvc/")}
    stray = {name for name in written if not any(f"{name}/".startswith(f"{out}/") for out in declared)}
    assert len(written) > 20
    assert stray == set()
    assert list((origin.path / ".work").iterdir()) == []
    for name, there_before in {"HOME": ["keras.json"], "TMPDIR": []}.items():
        assert [path.name for path in Path(origin.environment[name]).rglob("*") if path.is_file()] == there_before


def test_the_same_commit_gives_the_same_bytes_elsewhere(origin: Clone, make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("outra máquina")
    clone.environment |= {"LC_ALL": "C", "TZ": "America/Sao_Paulo", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"}
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

    clone.git("tag", "-a", "scorer@v1.0.0", "-m", "The first scorer")
    clone.dvc("artifacts", "get", ".", "scorer", "--out", str(tmp_path / "tagged"))
    clone.dvc("get", ".", "models/scorer", "--rev", "main", "--out", str(tmp_path / "branch"))
    for folder in ("tagged", "branch"):
        assert (tmp_path / folder / "model.safetensors").read_bytes() == (
            origin.path / "models/scorer/model.safetensors"
        ).read_bytes()


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
    assert set(json.loads(clone.dvc("status", "--json"))) == {"evaluate", "baseline", "zero_shot"}
    clone.set(**{"decision.rule": "matched", "tokenize.batch_size": "7"})
    assert ran(clone.dvc("repro")) == ["tokenize"]  # whose result is the same, so nothing is trained again
    clone.git("commit", "-qam", "Tokenize a few at once")

    clone.set(**{"train.learning_rate": "2e-05"})
    clone.git("checkout", "-qb", "devagar")
    assert ran(clone.dvc("repro")) == ["train", "evaluate"]
    clone.git("commit", "-qam", "Learn slowly")
    fresh = Clone(tmp_path / "revisor", clone.path)  # has pulled nothing
    fresh.git("fetch", "-q", str(origin.path), "main:main")
    changed = json.loads(fresh.dvc("metrics", "diff", "main", "--json"))
    assert "diff" in changed["metrics/evaluation.json"]["test.loss"]
    changed = json.loads(fresh.dvc("params", "diff", "main", "--json"))
    assert changed["params.yaml"]["train.learning_rate"]["new"] == 2e-5
    compared = json.loads(clone.dvc("plots", "diff", "main", "--json"))
    assert {len(plots[0]["revisions"]) for plots in compared["data"].values()} == {2}


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
    for stage in ("sample", "prepare", "checkpoint", "tokenize", "baseline", "zero_shot"):
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


def test_the_committed_run_is_that_of_the_committed_code(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "revisão")
    working_tree(clone.path)
    assert stale(clone.path) == {}
    evaluation, baseline = (json.loads(clone.text(f"metrics/{name}.json")) for name in ("evaluation", "baseline"))
    assert evaluation["test"]["qwk"] >= 0.60
    assert baseline["prior"]["test"]["qwk"] == 0
    assert baseline["tfidf"]["test"]["qwk"] < 0.90


def hashes(lock: str, stages: list[str]) -> dict[str, str]:
    """The hash of each output of the stages."""
    content = YAML(typ="safe", pure=True).load(lock)["stages"]
    return {out["path"]: out["md5"] for stage in stages for out in content[stage]["outs"]}


@pytest.mark.slow
def test_the_default_run_gives_the_same_bytes_again_and_elsewhere(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "à parte")
    working_tree(clone.path)
    clone.dvc("repro")
    first = clone.text("dvc.lock")
    clone.dvc("repro", "--force")
    assert clone.text("dvc.lock") == first
    # weights may differ on another processor than that of the commit; what does not go through TensorFlow must not
    portable = ["sample", "prepare", "checkpoint", "tokenize"]
    assert hashes(first, portable) == hashes((ROOT / "dvc.lock").read_text(encoding="utf-8"), portable)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which this system lacks")
def test_memory_does_not_grow_with_the_number_of_essays(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("muitas")

    def peak(stage: str) -> int:
        """Kibibytes that the stage holds at most, without the pages of mapped files, which the system takes back."""
        process = subprocess.Popen([sys.executable, "-m", f"stages.{stage}"], cwd=clone.path)
        status, highest = Path(f"/proc/{process.pid}/status"), 0
        while process.poll() is None:
            with suppress(OSError):
                found = re.search(r"RssAnon:\s+(\d+)", status.read_text())
                highest = max(highest, int(found[1]) if found else 0)
            time.sleep(0.02)
        assert process.returncode == 0
        return highest

    stages = ("sample", "prepare", "checkpoint", "tokenize")
    clone.set(**{"sample.rows": "1000"})
    few = {stage: peak(stage) for stage in stages}
    clone.set(**{"sample.rows": "100000"})
    many = {stage: peak(stage) for stage in stages}
    assert json.loads(clone.text("metrics/data.json"))["rows"]["kept"] == 100_000
    for stage in ("prepare", "checkpoint", "tokenize"):
        assert many[stage] < 1.25 * few[stage], (few, many)
    assert many["sample"] < 2 * few["sample"]  # which begins with 20 MB


def test_the_notebooks_recipe_by_parameters_alone(
    make_clone: Callable[[str], Clone], origin: Clone, defaults: Params, tmp_path: Path
) -> None:
    clone = make_clone("caderno")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = shlex.split(readme.split("<!-- notebook -->\n```sh\n")[1].split("```")[0].replace("\\\n", ""))
    assert "train.learning_rate=2e-5" in command
    with Hub() as hub:  # in the place of the notebook's model is a small one of its family, with another head
        hub.create(defaults.checkpoint.repository)
        files = {path.name: path.read_bytes() for path in (origin.path / "models/scorer").iterdir()}
        hub.repositories[defaults.checkpoint.repository].commits[defaults.checkpoint.revision] = files
        clone.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        done = clone.run(*command)
    assert (clone.path / "models/base/model.safetensors").read_bytes() == files["model.safetensors"]
    assert done.stderr.count("warning: split.") == 2
    data = json.loads(clone.text("metrics/data.json"))
    assert data["splits"] == {"train": 48, "validation": 12, "test": 12}
    evaluation = json.loads(clone.text("metrics/evaluation.json"))
    assert evaluation["validation"] == evaluation["test"]
    assert json.loads(clone.text("models/decision.json")) == {"rule": "argmax", "slope": 1.0, "intercept": 0.0}
    assert len(clone.text("metrics/train/plots/metrics/eval/loss.tsv").splitlines()) == 1 + 2
