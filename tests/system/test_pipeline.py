"""The real `dvc` command in clones: what a newcomer, a colleague and a user with their own essays do."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load, load_file

from redacoes import recipes
from redacoes.essays import synthetic
from redacoes.tracking.staleness import stale
from tests.support import ROOT
from tests.support.guide import block
from tests.support.hub import Hub
from tests.support.project import STATUS, TOLD, UP_TO_DATE, Clone, Folder, lay_out, ran, remote

CloneOf = Callable[[str], Clone]


def test_a_run_writes_what_is_declared_and_leaves_git_clean(origin: Folder, pulled: Clone) -> None:
    evaluation = json.loads(origin.text("metrics/evaluation.json"))
    assert set(evaluation) == {"validation", "test", "best_baseline"}
    with (origin.path / "metrics/predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", "score", "predicted", "expected", *(f"p_{k}" for k in range(11))]
    lines = origin.text("data/sample.csv").splitlines(keepends=True)
    for row in rows:  # the row id leads back to the essay's line in the CSV
        essay = next(csv.reader(lines[int(row["row"]) - 1 :]))
        assert essay[1] == row["score"]
    for line in (origin.path.parent / STATUS).read_text().splitlines():  # git sees what records the run, no more
        assert re.fullmatch(r"\?\? (dvc\.lock|metrics/\w+\.json)", line)
    told = (origin.path.parent / TOLD).read_text(encoding="utf-8").splitlines()
    assert [line for line in told if not line.startswith(("warning: ", "train: "))] == []
    assert pulled.git("status", "--porcelain") == ""
    assert UP_TO_DATE in pulled.dvc("repro")


def test_stages_run_in_the_environment_of_the_folder_though_it_is_not_activated(
    origin: Folder, make_clone: CloneOf
) -> None:
    clone = make_clone("sem ativar")
    (clone.path / ".venv").symlink_to(sys.prefix)
    clone.environment["PATH"] = os.defpath
    clone.run(".venv/bin/dvc", "repro", "prepare")
    recorded, made = (YAML(typ="safe", pure=True).load(folder.text("dvc.lock")) for folder in (origin, clone))
    assert made["stages"]["prepare"] == recorded["stages"]["prepare"]


def test_nothing_but_the_declared_outputs_is_written(origin: Folder) -> None:
    stages = YAML(typ="safe", pure=True).load(origin.text("dvc.yaml"))["stages"].values()
    declared = {name for stage in stages for out in stage["outs"] for name in ([out] if isinstance(out, str) else out)}
    untracked = origin.git("ls-files", "-z", "--others").split("\0")
    written = {name for name in untracked if name and "__pycache__" not in name and not name.startswith(".dvc/")}
    stray = {name for name in written if not any(f"{name}/".startswith(f"{out}/") for out in declared)}
    assert len(written) > 20
    assert stray == set()
    assert list((origin.path / ".work").iterdir()) == []
    for name, there_before in {"HOME": ["keras.json"], "TMPDIR": []}.items():
        assert [path.name for path in (origin.path.parent / name).rglob("*") if path.is_file()] == there_before


@pytest.mark.slow
def test_stages_that_fork_as_most_tests_run_them_give_the_bytes_of_processes(make_pulled: CloneOf) -> None:
    clone = make_pulled("garfos")
    assert len(ran(clone.dvc("repro", "--force"))) > 8
    assert clone.git("status", "--porcelain") == ""


def test_a_colleague_pulls_and_has_nothing_to_run(
    origin: Folder, make_clone: CloneOf, make_pulled: CloneOf, tmp_path: Path
) -> None:
    author, clone = make_pulled("autora"), make_clone("colega")
    for one in (author, clone):
        one.configure(remote(tmp_path / "remoto"))
    author.dvc("push")
    clone.dvc("pull")
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


def test_branches_are_compared_and_only_what_changed_reruns(
    origin: Folder, make_pulled: CloneOf, tmp_path: Path
) -> None:
    clone = make_pulled("ramos")
    params = clone.path / "params.yaml"
    params.write_text("# a remark\n" + params.read_text(encoding="utf-8"), encoding="utf-8")
    assert UP_TO_DATE in clone.dvc("repro")

    packages = json.loads(clone.text("packages.json"))
    packages["baseline"]["scipy"] = "9"
    (clone.path / "packages.json").write_text(json.dumps(packages, indent=2))
    assert list(json.loads(clone.dvc("status", "--json"))) == ["baseline"]
    clone.git("checkout", "packages.json")

    clone.set(**{"evaluate.bootstrap.samples": "30"})
    assert set(json.loads(clone.dvc("status", "--json"))) == {"check", "evaluate", "crossval"}
    clone.set(**{"evaluate.bootstrap.samples": "20", "decision.rule": "argmax"})
    assert set(json.loads(clone.dvc("status", "--json"))) == {"check", "evaluate", "baseline", "zero_shot", "crossval"}
    clone.set(**{"decision.rule": "ordinal", "tokenize.batch_size": "7"})
    # the result of tokenize is the same, so nothing is trained again
    assert set(ran(clone.dvc("repro"))) == {"check", "tokenize", "crossval"}
    clone.git("commit", "-qam", "Tokenize a few at once")

    clone.set(**{"train.learning_rate": "2e-05", "evaluate.bootstrap.samples": "30"})
    clone.git("checkout", "-qb", "devagar")
    assert set(ran(clone.dvc("repro"))) == {"check", "train", "evaluate", "crossval"}
    clone.git("commit", "-qam", "Learn slowly")
    fresh = Clone(tmp_path / "revisor", clone.path)  # has pulled nothing
    fresh.git("fetch", "-q", str(origin.path), "main:main")
    assert len(fresh.dvc("metrics", "diff", "main", "--all").splitlines()) == 13  # which fit on a screen
    changed = json.loads(fresh.dvc("metrics", "diff", "main", "--json"))
    assert "diff" in changed["metrics/headline.json"]["test.qwk_low"]
    changed = json.loads(fresh.dvc("metrics", "diff", "main", "--json", "--targets", "metrics/intervals.json"))
    assert "diff" in changed["metrics/intervals.json"]["test.loss.low"]
    changed = json.loads(fresh.dvc("params", "diff", "main", "--json"))
    assert changed["params.yaml"]["train.learning_rate"]["new"] == 2e-5
    compared = json.loads(clone.dvc("plots", "diff", "main", "--json"))
    assert {len(plots[0]["revisions"]) for plots in compared["data"].values()} == {2}


def test_a_parameter_that_is_not_legal_costs_no_output(make_pulled: CloneOf) -> None:
    clone = make_pulled("engano")
    outputs = {
        path: path.read_bytes() for name in ("data", "metrics", "models") for path in (clone.path / name).rglob("*.*")
        if path.is_file() and path.name != "checked.txt"
    }  # fmt: skip
    assert len(outputs) > 20
    tried = clone.run("dvc", "exp", "run", "-S", "train.epochs=-1", "-S", "split.test_size=0.3", check=False)
    assert tried.returncode != 0
    assert "train.epochs is -1" in tried.stderr
    assert "nothing was run or removed, and params.yaml keeps the value" in tried.stderr
    assert {path: path.read_bytes() for path in outputs if path.exists()} == outputs
    clone.git("checkout", "-q", "params.yaml")
    assert set(ran(clone.dvc("repro"))) <= {"check"}
    assert clone.git("status", "--porcelain") == ""


def test_what_is_declared_can_be_shown(pulled: Clone) -> None:
    assert "train" in pulled.dvc("dag")
    assert "metrics/headline.json" in pulled.dvc("metrics", "show", "--json")
    plots = json.loads(pulled.dvc("plots", "show", "--json"))
    assert not plots.get("errors")
    assert len(plots["data"]) == 5
    for shown in plots["data"].values():
        content = shown[0]["content"]
        content = json.loads(content) if isinstance(content, str) else content
        assert content["data"]["values"]


def test_a_users_essays_with_a_fault_leave_nothing_behind(make_clone: CloneOf) -> None:
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
def test_the_users_own_essays_are_run_as_an_experiment_and_never_in_git(make_clone: CloneOf) -> None:
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


def test_the_committed_run_is_that_of_the_committed_code(own_run: None, tmp_path: Path) -> None:
    clone = Clone(tmp_path / "revisão")
    lay_out(clone.path)
    assert stale(clone.path) == {}
    evaluation, baseline = (json.loads(clone.text(f"metrics/{name}.json")) for name in ("evaluation", "baseline"))
    assert evaluation["test"]["qwk"] >= 0.60
    assert baseline["prior"]["test"]["qwk"] == 0
    assert baseline["tfidf"]["test"]["qwk"] < 0.90


def test_the_readme_gives_the_figures_of_the_recorded_run(own_run: None) -> None:
    """Of HEAD: after `make repro` on another kind of processor, `metrics/` has figures of that one."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    metrics = {
        name: json.loads(Folder(ROOT).git("show", f"HEAD:metrics/{name}.json"))
        for name in ("evaluation", "intervals", "baseline")
    }
    test, interval = metrics["evaluation"]["test"], metrics["intervals"]["test"]["qwk"]
    assert f"| on {test['essays']} synthetic test essays | QWK | 95 % interval | loss |" in page
    low, high = (f"{interval[side]:.3f}" for side in ("low", "high"))
    assert f" | {test['qwk']:.3f} | {low} to {high} | {test['loss']:.2f} |" in page
    titles = {
        "hybrid": "surface and TF-IDF (`hybrid`)",
        "tfidf": "TF-IDF with logistic regression",
        "surface": "the text's surface",
        "prior": "class prior",
    }
    for name, title in titles.items():
        found = metrics["baseline"][name]["test"]
        assert f"| {title} | {found['qwk']:.3f} | | {found['loss']:.2f} |" in page


@pytest.mark.slow
def test_portable_stages_give_the_recorded_bytes_on_any_machine(own_run: None, tmp_path: Path) -> None:
    """At the default size. Weights may differ on another processor; what does not go through TensorFlow must not."""
    clone = Clone(tmp_path / "à parte")
    lay_out(clone.path)
    recorded = outputs(clone)
    (clone.path / "dvc.lock").unlink()
    clone.dvc("repro", "tokenize")
    made = outputs(clone)
    assert {"data/sample.csv", "data/splits", "models/base", "data/tokenized"} <= set(made)
    assert made == {path: recorded[path] for path in made}


def outputs(clone: Clone) -> dict[str, str]:
    """The hash of each output in dvc.lock."""
    stages = YAML(typ="safe", pure=True).load(clone.text("dvc.lock"))["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which this system lacks")
def test_memory_does_not_grow_with_the_number_of_essays(make_clone: CloneOf) -> None:
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
    clone.set(**{"sample.rows": "30000"})
    many = {stage: peak(stage) for stage in stages}
    assert json.loads(clone.text("metrics/data.json"))["rows"]["kept"] == 30_000
    for stage in ("prepare", "checkpoint", "tokenize"):
        assert many[stage] < 1.25 * few[stage], (few, many)
    assert many["sample"] < 2 * few["sample"]  # which begins with 20 MB


@contextmanager
def hub_with(clone: Clone, origin: Folder, recipe: str) -> Iterator[dict[str, bytes]]:
    """A Hub that has, in the place of a recipe's model, the small one of `origin`; yields its files."""
    wanted = recipes.load(recipe, ROOT / "recipes").values
    repository, revision = wanted["checkpoint.repository"], wanted["checkpoint.revision"]
    with Hub() as hub:
        hub.create(repository)
        files = {path.name: path.read_bytes() for path in (origin.path / "models/scorer").iterdir()}
        hub.repositories[repository].commits[revision] = files
        home = str(clone.path.with_name("hf"))
        clone.environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": home, "HF_HUB_OFFLINE": "0"}
        yield files


def test_the_notebooks_recipe_to_the_letter(make_clone: CloneOf, origin: Folder) -> None:
    clone = make_clone("caderno")
    flags = clone.run("redacoes", "recipe", "notebook", "--flags").stdout
    command = block("notebook").replace("$(redacoes recipe notebook --flags)", flags)
    with hub_with(clone, origin, "notebook") as files:
        done = clone.try_dvc(*shlex.split(command.removeprefix("dvc ")))
    assert done.returncode == 0, done.stderr
    assert (clone.path / "models/base/model.safetensors").read_bytes() == files["model.safetensors"]
    assert done.stderr.count("warning: split.") == 2
    data = json.loads(clone.text("metrics/data.json"))
    assert data["splits"] == {"train": 48, "validation": 12, "test": 12}
    evaluation = json.loads(clone.text("metrics/evaluation.json"))
    assert evaluation["validation"] == evaluation["test"]
    assert json.loads(clone.text("models/decision.json")) == {"rule": "argmax", "slope": 1.0, "intercept": 0.0}
    assert len(clone.text("metrics/train/plots/metrics/eval/loss.tsv").splitlines()) == 1 + 2


def test_a_pretrained_encoder_is_probed_on_data_of_the_enem(make_clone: CloneOf, origin: Folder) -> None:
    """The recipes of a model and of data together, on essays with a theme and scores of hundreds."""
    clone = make_clone("enem")
    with (clone.path / "data/redacoes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["essay", "score", "prompt"])
        writer.writerows((row["essay"], int(row["score"]) * 100 + 40, row["theme"]) for row in short(60))
    clone.run("redacoes", "recipe", "enem", "probe")
    clone.set(**{"data.csv": "data/redacoes.csv"})
    with hub_with(clone, origin, "probe") as files:
        done = clone.try_dvc("repro", "evaluate")
    assert done.returncode == 0, done.stderr
    assert "the probe's penalty is " in done.stderr
    trained = load_file(clone.path / "models/scorer/model.safetensors")
    for name, value in load(files["model.safetensors"]).items():  # the encoder is the Hub's to the last bit
        if name.startswith("distilbert."):
            np.testing.assert_array_equal(trained[name], value)
    assert not np.array_equal(trained["classifier.weight"], load(files["model.safetensors"])["classifier.weight"])
    essays = json.loads(clone.text("metrics/data.json"))["splits"]["train"]
    for known in ("metrics/train/left_out.csv", "models/surface/left_out.csv"):  # on which the rule is fitted as well
        assert len(clone.text(known).splitlines()) == 1 + essays
    assert len(clone.text("metrics/train/plots/metrics/eval/loss.tsv").splitlines()) == 1 + 1  # the probe's own
    baseline = json.loads(clone.text("metrics/baseline.json"))
    assert {"prior", "tfidf", "surface", "hybrid", "text"} == set(baseline)
    assert json.loads(clone.text("metrics/data.json"))["rows"]["kept"] == 60


def short(rows: int) -> list[dict[str, str]]:
    """Synthetic essays whose scores leave room above."""
    return [row for row in synthetic.essays(3 * rows, 5) if int(row["score"]) < 10][:rows]
