"""Recipes: legal, told in one line each, and written into a parameter file of which all else stays as it is."""

import shlex
import shutil
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes import parameters_file, params, recipes
from redacoes.cli.main import main
from redacoes.errors import UserError
from tests.support import PARAMS_FILE, ROOT

FOLDER = ROOT / "recipes"
NAMES = recipes.names(FOLDER)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FOLDER, "recipes")
    text = PARAMS_FILE.read_text(encoding="utf-8").replace("  epochs: 2\n", "  # how long\n  epochs:   2  # passes\n")
    Path("params.yaml").write_text(text.replace("c: [1.0]", "c: [1.0,  3.0]  # two"), encoding="utf-8")
    return tmp_path


def read(path: str = "params.yaml") -> dict[str, object]:
    def leaves(prefix: str, value: object) -> dict[str, object]:
        if not isinstance(value, dict):
            return {prefix.rstrip("."): value}
        return {name: of for key, below in value.items() for name, of in leaves(f"{prefix}{key}.", below).items()}

    return leaves("", YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8")))


def test_those_that_are_promised_are_there() -> None:
    assert {"scratch", "pretrained", "probe", "notebook", "enem"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_legal_explained_and_changes_its_keys_alone(
    here: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, lines = read(), Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert main(["recipe", name]) == 0
    params.load("params.yaml")
    wanted = read(f"recipes/{name}.yaml")
    assert read() == before | wanted
    changed = {key for key, value in wanted.items() if before[key] != value}
    assert {line.split(":")[0] for line in capsys.readouterr().out.splitlines()} >= changed
    after = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    different = [(old, new) for old, new in zip(lines, after, strict=True) if old != new]
    for old, new in different:  # the key, its indentation and what is remarked behind it stay
        assert old.partition(":")[0] == new.partition(":")[0]
        assert old.partition("#")[2] == new.partition("#")[2]
    assert len(different) <= len(wanted)
    assert main(["recipe", name]) == 0  # again, nothing is left to change
    assert Path("params.yaml").read_text(encoding="utf-8").splitlines() == after
    assert "is so already" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_key_that_is_null_stays_empty() -> None:
    assert main(["recipe", "scratch"]) == 0
    assert "null" not in Path("params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_flags_say_the_same_to_dvc(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("params.yaml").read_bytes()
    assert main(["recipe", name, "--flags"]) == 0
    said = capsys.readouterr().out
    assert said.split() == shlex.split(said)  # so $(redacoes recipe NAME --flags) is divided as it should be
    options = list(pairwise(said.split()))[::2]
    assert {option for option, _ in options} == {"-S"}
    given = dict(value.split("=", 1) for _, value in options)
    assert {key: YAML(typ="safe", pure=True).load(value) for key, value in given.items()} == read(
        f"recipes/{name}.yaml"
    )
    assert Path("params.yaml").read_bytes() == before


def test_one_of_data_goes_with_one_of_a_model(here: Path) -> None:
    for name in ("scratch", "pretrained", "probe"):
        assert main(["recipe", "enem", name]) == 0
        found = params.load("params.yaml")
        assert found.data.score_scale == 1000
        assert found.tokenize.max_length == (256 if name == "scratch" else 512)


def test_recipes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UserError, match=r"notebook wants split.strategy to be sequential, not grouped"):
        recipes.together([recipes.load("enem", FOLDER), recipes.load("notebook", FOLDER)])
    for one, other in combinations(NAMES, 2):
        both = set(recipes.load(one, FOLDER).values) & set(recipes.load(other, FOLDER).values)
        assert both or "enem" in (one, other)  # two models set the same keys, so that one replaces the other


def test_the_list_has_a_line_for_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe"]) == 0
    shown = capsys.readouterr().out
    for name in NAMES:
        [line] = [line for line in shown.splitlines() if line.split()[:1] == [name]]
        assert len(line.split()) > 5


def test_what_would_not_be_legal_is_refused_and_nothing_is_written(here: Path) -> None:
    Path("recipes/wrong.yaml").write_text("# Wrong.\ntrain:\n  batch_size: 0\n", encoding="utf-8")
    Path("recipes/other.yaml").write_text("# Misspelt.\ntrain:\n  batchsize: 1\n", encoding="utf-8")
    before = Path("params.yaml").read_bytes()
    for name, said in {
        "wrong": "params.yaml: train.batch_size is 0",
        "other": "params.yaml has no key train.batchsize; did you mean 'train.batch_size'",
        "pretraind": "there is no recipe 'pretraind'; did you mean 'pretrained'?",
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(["recipe", name])
        assert said in str(ended.value)
        assert Path("params.yaml").read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == ["params.yaml", "recipes"]


def test_a_value_on_several_lines_is_replaced_whole(here: Path) -> None:
    text = Path("params.yaml").read_text(encoding="utf-8")
    listed = "c:\n    - 1.0\n    - 3.0\n  # after"
    Path("params.yaml").write_text(text.replace("c: [1.0,  3.0]  # two", listed), encoding="utf-8")
    parameters_file.edit(Path("params.yaml"), {"baseline.c": "[2.0]"})
    assert params.load("params.yaml").baseline.c == [2.0]
    assert "# after\n" in Path("params.yaml").read_text(encoding="utf-8")
