"""dvc.yaml tells the truth: modules imported, parameters read and packages used are those that it declares."""

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from redacoes.params import Params, Section
from tests.conftest import ROOT
from tools.pin_packages import pinned

DAG = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = DAG["stages"]
FIRST_PARTY = {"redacoes", "stages"}
PACKAGE = {"huggingface_hub": "huggingface-hub", "sklearn": "scikit-learn", "tf_keras": "tf-keras"}
# they check, show and fetch by hash; no output's bytes come from them
WITHOUT_EFFECT = {"huggingface-hub", "psutil", "pydantic", "requests", "ruamel", "tqdm"}


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, `from a import b` as both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def closure(stage: str) -> tuple[set[str], set[str]]:
    """First-party files and third-party packages that a stage's script imports, directly or not."""
    files, packages, todo = {"redacoes/__init__.py"}, set(), [f"stages/{stage}.py"]
    while todo:
        file = todo.pop()
        files.add(file)
        for name in imports(ROOT / file):
            top = name.split(".")[0]
            if top in FIRST_PARTY:
                module = name.replace(".", "/") + ".py"
                if (ROOT / module).is_file() and module not in files:
                    todo.append(module)
            elif top not in sys.stdlib_module_names:
                packages.add(PACKAGE.get(top, top))
    return files, packages


def parameters_read(stage: str) -> set[str]:
    """The longest `params.section.key` chains in a stage's script; names bound to a section are followed."""
    tree = ast.parse((ROOT / f"stages/{stage}.py").read_text(encoding="utf-8"))
    bound = {"params": ""}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and (chain := _chain(node.value, bound))
        ):
            bound[node.targets[0].id] = chain
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in bound:
            return
        if isinstance(node, ast.Attribute) and (chain := _chain(node, bound)):
            found.add(chain)
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def _chain(node: ast.AST, bound: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not (parts and isinstance(node, ast.Name) and node.id in bound):
        return ""
    return ".".join(filter(None, [bound[node.id], *reversed(parts)]))


def declared(stage: str) -> set[str]:
    return {entry for entry in STAGES[stage].get("params", []) if isinstance(entry, str)}


@pytest.mark.parametrize("stage", STAGES)
def test_dependencies_are_the_modules_imported(stage: str) -> None:
    listed = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    assert listed == closure(stage)[0]


def leaves(model: type = Params, prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        nested = isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        found |= leaves(field.annotation, f"{prefix}{name}.") if nested else {f"{prefix}{name}"}
    return found


def expand(entries: set[str]) -> set[str]:
    """All keys of the sections among `entries`."""
    return {leaf for leaf in leaves() if any(f"{leaf}.".startswith(f"{entry}.") for entry in entries)}


@pytest.mark.parametrize("stage", STAGES)
def test_parameters_declared_are_those_read(stage: str) -> None:
    assert expand(declared(stage)) == expand(parameters_read(stage))


def test_every_parameter_is_read_by_a_stage_and_used() -> None:
    assert leaves() == expand(set().union(*(declared(stage) for stage in STAGES)))
    sources = [path for folder in FIRST_PARTY for path in (ROOT / folder).glob("*.py") if path.name != "params.py"]
    library = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unused = {leaf for leaf in leaves() if leaf.split(".")[-1] not in library}
    assert not unused


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_packages_that_its_result_depends_on(stage: str) -> None:
    packages = json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))
    assert closure(stage)[1] - WITHOUT_EFFECT <= set(packages.get(stage, {}))
    pins = [entry["packages.json"] for entry in STAGES[stage]["params"] if isinstance(entry, dict)]
    assert pins == ([[stage]] if stage in packages else [])


def test_packages_are_those_of_the_lock() -> None:
    packages = json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))
    assert packages == pinned(packages, (ROOT / "uv.lock").read_text(encoding="utf-8")), "run make packages"


def test_torch_is_not_in_the_lock_and_datasets_is_at_least_5() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    versions = {package["name"]: package.get("version") for package in lock["package"]}
    assert "torch" not in versions
    assert int(versions["datasets"].split(".")[0]) >= 5


@pytest.mark.parametrize("stage", ["sample", "prepare", "checkpoint", "tokenize", "baseline", "zero_shot"])
def test_no_needless_tensorflow(stage: str) -> None:
    code = f"import sys, stages.{stage}; sys.exit('tensorflow' in sys.modules or 'tf_keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_described_and_has_its_script(stage: str) -> None:
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
