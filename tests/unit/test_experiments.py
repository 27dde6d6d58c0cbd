"""The table of `redacoes experiments`, of what DVC itself would tell."""

from typing import Any

import pytest
from dvc.repo.experiments.serialize import ExpExecutor, ExpRange, ExpState, SerializableExp

from redacoes.cli.commands.experiments import WIDTH, page
from redacoes.evaluation import comparison
from redacoes.tracking.experiments import listed

COMMIT = "4b9971d" + "0" * 33
PARAMS = {"train": {"epochs": None, "learning_rate": 1e-3, "keep": "best"}, "baseline": {"c": [0.3, 1.0]}}


def headline(qwk: float | None = 0.9, name: str = "hybrid") -> dict[str, Any]:
    ends = {"low": 0.88, "high": 0.92} if qwk else None
    part = {"qwk": qwk, "loss": 1.6, "mae": 1.0, "accuracy": 0.3}
    best = (
        {"difference": -0.0026, "low": -0.0123, "high": 0.0068} if qwk else dict.fromkeys(("difference", "low", "high"))
    )
    return comparison.headline(
        {"test": part, "validation": part}, {"test": {"qwk": ends}}, {"name": name, "validation": {}, "test": best}
    )


def state(rev: str, changes: dict[str, Any] | None = None, name: str | None = None, **figures: Any) -> ExpState:
    params = {section: dict(values) for section, values in PARAMS.items()}
    for key, value in (changes or {}).items():
        section, _, of_section = key.partition(".")
        params.setdefault(section, {})[of_section] = value
    files = {"params.yaml": {"data": params}, "packages.json": {"data": {"train": {"numpy": "2.4.6"}}}}
    metrics = {"metrics/headline.json": {"data": headline(**figures)}}
    return ExpState(rev, name, SerializableExp(rev, params=files, metrics=metrics))


def experiment(name: str, found: ExpState, how: str | None = None) -> ExpRange:
    return ExpRange([found], ExpExecutor(how) if how else None, name)


def test_each_experiment_is_told_by_what_differs_from_its_commit() -> None:
    base = state(COMMIT, name="main")
    changed = {"train.epochs": 8, "train.keep": None, "baseline.c": [1.0], "zero_shot.template": "A nota é {}."}
    queued = state("3" * 40, {"train.epochs": 4})
    queued.data = SerializableExp("3" * 40, params=queued.data.params)
    base.experiments = [
        experiment("gooey-cuss", state("1" * 40, changed, qwk=0.91)),
        experiment("one-class", state("2" * 40, qwk=None)),
        experiment("later", queued, "queued"),
        experiment("done", state("4" * 40), "success"),
        experiment("odd", ExpState("5" * 40), "failed"),
    ]
    found = listed([state("workspace", {"train.epochs": 1}), base])
    assert [(row.name, row.base, row.commit) for row in found[:3]] == [
        ("workspace", "main", None),
        ("main", None, COMMIT),
        ("gooey-cuss", "main", "1" * 40),
    ]
    assert found[2].changed == changed
    assert page(found).splitlines() == [
        "experiment    test QWK                more than the best baseline       parameters that differ",
        "workspace     0.900 (0.880 to 0.920)  -0.003 (-0.012 to +0.007) hybrid  train.epochs=1",
        "main          0.900 (0.880 to 0.920)  -0.003 (-0.012 to +0.007) hybrid",
        "  gooey-cuss  0.910 (0.880 to 0.920)  -0.003 (-0.012 to +0.007) hybrid  train.epochs=8, train.keep=null,",
        "                                                                        baseline.c=[1.0], zero_shot.template=A nota é",
        "                                                                        {}.",
        "  one-class   -                       - hybrid",
        "  later       queued                  -                                 train.epochs=4",
        "  done        0.900 (0.880 to 0.920)  -0.003 (-0.012 to +0.007) hybrid",
        "  odd         failed                  -",
    ]


def test_no_value_makes_the_table_wider() -> None:
    base = state(COMMIT)
    long = {
        "data.csv": "data/" + "redacoes-" * 40 + ".csv",
        "zero_shot.template": "A nota {} " * 30,
        "train.x": "\x1b\n",
    }
    base.experiments = [experiment("-".join(["experimento"] * 9), state("1" * 40, long, name="surface"))]
    shown = page(listed([state("workspace"), base]))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) > 10
    assert "4b9971d" in shown  # a commit that no branch is at
    assert "".join(line[:28].strip() for line in lines[3:]) == "-".join(["experimento"] * 9)
    assert long["data.csv"] in "".join(line[60:].strip() for line in lines).replace(" ", "")
    assert "\x1b" not in shown


@pytest.mark.parametrize("read", [{}, {"error": ValueError("tab")}])
def test_parameters_that_cannot_be_read_are_said_to_be_so(read: dict[str, Any]) -> None:
    broken = state("workspace")
    broken.data.params["params.yaml"] = read
    [workspace, main] = listed([broken, state(COMMIT, name="main")])
    assert (workspace.state, workspace.changed, main.state) == ("unreadable", {}, "success")
