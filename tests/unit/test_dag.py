"""dvc.yaml tells the truth: modules imported, parameters read and packages used are those that it declares."""

import ast
import json
import re
import sys
import tomllib

import pytest
from ruamel.yaml import YAML

from redacoes import layout
from redacoes.params import Params, Section
from tests.support import ROOT
from tests.support.imports import imports
from tools.pin_packages import pinned

DAG = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = DAG["stages"]
FIRST_PARTY = {"redacoes", "stages"}
PACKAGE = {"huggingface_hub": "huggingface-hub", "sklearn": "scikit-learn", "tf_keras": "tf-keras"}
# they check, show, start processes and fetch by hash; no output's bytes come from them
WITHOUT_EFFECT = {"huggingface-hub", "psutil", "pydantic", "ray", "requests", "ruamel", "tqdm"}


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


def sections(model: type = Params, prefix: str = "") -> dict[str, str]:
    """The key of each section, by the name of its type."""
    found = dict.fromkeys([model.__name__, *(kind.__name__ for kind in model.__subclasses__())], prefix)
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= sections(field.annotation, f"{prefix}.{name}".lstrip("."))
    return found


class Reads(ast.NodeVisitor):
    """The keys that a module reads: attributes of what is annotated as a section, and of names that are bound to it."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: set[str] = set()
        self.names: dict[str, str] = {}
        self.constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        self.visit(tree)

    def key(self, node: ast.AST | None) -> str | None:
        """The section or key that an expression is; what it is a key of is noted as read."""
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                return self.names.get(f"self.{node.attr}")
            base = self.key(node.value)
            if base is None:
                return None
            key = f"{base}.{node.attr}".lstrip(".")
            self.found.add(key)
            return key
        return self.names.get(node.id) if isinstance(node, ast.Name) else None

    def bind(self, target: ast.expr, key: str | None) -> None:
        name = f"self.{target.attr}" if isinstance(target, ast.Attribute) else getattr(target, "id", "")
        if key in SECTIONS.values():
            self.names[name] = key
        else:
            self.names.pop(name, None)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outside = dict(self.names)
        for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
            kind = argument.annotation
            kind = kind.left if isinstance(kind, ast.BinOp) else kind  # of a section or None
            self.bind(ast.Name(argument.arg), SECTIONS.get(getattr(kind, "id", "")))
        self.generic_visit(node)
        self.names = outside | {name: key for name, key in self.names.items() if name.startswith("self.")}

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.names[f"self.{getattr(node.target, 'id', '')}"] = SECTIONS.get(getattr(node.annotation, "id", ""), "-")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                self.bind(one, self.key(value))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.key(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if getattr(node.func, "id", "") == "getattr" and (section := self.key(node.args[0])) is not None:
            self.found |= {f"{section}.{name}" for name in self.constants}
        self.generic_visit(node)


SECTIONS = sections()
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for folder in FIRST_PARTY
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "params.py"
}


def read_by(source: str) -> set[str]:
    return Reads(ast.parse(source)).found


def test_every_parameter_is_declared_by_a_stage_and_used() -> None:
    assert leaves() == expand(set().union(*(declared(stage) for stage in STAGES)))
    assert leaves() - set().union(*map(read_by, SOURCES.values())) == set()


@pytest.mark.parametrize(
    "key",
    ["train.batch_size", "tokenize.batch_size", "evaluate.batch_size", "train.dropout", "split.seed", "evaluate.bootstrap.seed", "data.csv"],
)  # fmt: skip
def test_a_parameter_that_nothing_reads_is_found(key: str) -> None:
    """Keys of the same name in other sections, and the same word in other places, do not hide it."""
    name = key.rpartition(".")[2]
    readers = {file: source for file, source in SOURCES.items() if key in read_by(source)}
    assert readers
    for source in readers.values():
        without = re.sub(rf"\.{name}\b", "", source).replace(f'"{name}"', '""')
        assert key not in read_by(without)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_packages_that_its_result_depends_on(stage: str) -> None:
    packages = json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))
    assert closure(stage)[1] - WITHOUT_EFFECT <= set(packages.get(stage, {}))
    pins = [entry["packages.json"] for entry in STAGES[stage]["params"] if "packages.json" in entry]
    assert pins == ([[stage]] if stage in packages else [])


def test_packages_are_those_of_the_lock() -> None:
    packages = json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))
    assert packages == pinned(packages, (ROOT / "uv.lock").read_text(encoding="utf-8")), "run make packages"


def test_torch_is_not_in_the_lock_and_datasets_is_at_least_5() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    versions = {package["name"]: package.get("version") for package in lock["package"]}
    assert "torch" not in versions
    assert int(versions["datasets"].split(".")[0]) >= 5


def test_no_stage_runs_before_the_parameters_are_checked() -> None:
    made = {next(iter(out), "") if isinstance(out, dict) else out: name for name, how in STAGES.items() for out in how["outs"]}  # fmt: skip

    def before(stage: str) -> set[str]:
        earlier = {made[dep] for dep in STAGES[stage]["deps"] if dep in made}
        return earlier.union(*map(before, earlier))

    assert [stage for stage in STAGES if "check" not in before(stage)] == ["check"]
    assert STAGES["check"]["params"] == [{"params.yaml": None}]  # all of them


def test_the_paths_that_others_read_are_those_that_stages_write() -> None:
    written = {next(iter(out)) if isinstance(out, dict) else out for how in STAGES.values() for out in how["outs"]}
    paths = {str(value) for name, value in vars(layout).items() if name.isupper()} - {layout.PARAMS}
    assert paths <= written
    assert not any("redacoes/layout.py" in how["deps"] for how in STAGES.values())


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_described_and_has_its_script(stage: str) -> None:
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"] == f"${{python}} -m stages.{stage}"
