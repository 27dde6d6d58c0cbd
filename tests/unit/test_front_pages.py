"""What a stranger reads first: the README in two languages, and the pages beside it. `make docs` checks their links."""

import re
import tomllib
from collections import Counter

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.guide import blocks

YAML_1_2 = YAML(typ="safe", pure=True)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


ENGLISH, PORTUGUESE = read("README.md"), read("README.pt-BR.md")


def commands(page: str) -> list[str]:
    """The lines of all shell blocks, without comments."""
    return [line.partition(" #")[0].rstrip() for block in blocks(page, "sh") for line in block.splitlines()]


def targets(page: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", page)


def figures(page: str, decimal: str) -> list[Counter[str]]:
    """The numbers that each section says in prose and tables, written with a decimal point and no mark of thousands."""
    thousands = {",": ".", ".": ","}[decimal]
    page = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", "", page, flags=re.DOTALL)
    page = re.sub(r"Python 3\.11 (?:to|a) 3\.13|Apache-2\.0", "", page)  # versions have a point in every language
    found = []
    for section in page.split("\n## "):
        numbers = re.findall(r"\d+(?:[.,]\d+)*", section)
        found.append(Counter(number.replace(thousands, "").replace(decimal, ".") for number in numbers))
    return found


def code(page: str) -> list[Counter[str]]:
    """What each section has in code spans."""
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [Counter(re.findall(r"`([^`\n]+)`", section)) for section in page.split("\n## ")]


def tree(page: str) -> list[str]:
    """The names in the tree of the project, line by line, without what is said of them."""
    return [re.split(" {3,}", line.strip())[0] for line in blocks(page, "text")[0].splitlines()]


def test_both_languages_give_the_same_commands_links_and_figures() -> None:
    assert commands(PORTUGUESE) == commands(ENGLISH)
    assert targets(PORTUGUESE)[0] == "README.md"
    assert targets(ENGLISH)[0] == "README.pt-BR.md"
    assert targets(PORTUGUESE)[1:] == targets(ENGLISH)[1:]
    assert len(figures(PORTUGUESE, ",")) == len(figures(ENGLISH, "."))
    for portuguese, english in zip(figures(PORTUGUESE, ","), figures(ENGLISH, "."), strict=True):
        assert portuguese == english
    assert code(PORTUGUESE) == code(ENGLISH)
    assert tree(PORTUGUESE) == tree(ENGLISH)


@pytest.mark.parametrize("page", [ENGLISH, PORTUGUESE], ids=["en", "pt-BR"])
def test_the_first_page_fits(page: str) -> None:
    assert len(page.splitlines()) <= 150
    assert "README" in "".join(page.splitlines()[:4])  # the other language is found at the top


@pytest.mark.parametrize("page", ["README.md", "README.pt-BR.md", "CONTRIBUTING.md"])
def test_the_tree_names_every_package(page: str) -> None:
    packages = {
        path.parent.name for pattern in ("*/__init__.py", "redacoes/*/__init__.py") for path in ROOT.glob(pattern)
    }
    assert packages - set(re.findall(r"(\w+)/", read(page))) == set()


def test_results_on_real_essays_are_those_of_the_guide() -> None:
    guide = read("docs/real-essays.md")
    rows = re.findall(r"^\| `([\w, ]+)`: .* \| ([\d.]+ \(.*?\)) \| ([\d.]+ \(.*?\)) \|$", ENGLISH, re.MULTILINE)
    assert len(rows) == 6
    for name, random, by_theme in rows:
        assert f"| {name} | random | {random} |" in guide
        assert f"| {name} | prompt | {by_theme} |" in guide


def test_the_stage_that_serves_as_an_example_is_as_it_is_shown() -> None:
    page = read("CONTRIBUTING.md")
    script, entry = (blocks(page, kind)[0] for kind in ("python", "yaml"))
    assert script in read("stages/check.py")
    assert YAML_1_2.load(entry)["check"] == YAML_1_2.load(read("dvc.yaml"))["stages"]["check"]


def test_the_version_is_the_same_wherever_it_is_said() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    citation = YAML_1_2.load(read("CITATION.cff"))
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert "## [Unreleased]" in read("CHANGELOG.md") or f"## [{project['version']}]" in read("CHANGELOG.md")
