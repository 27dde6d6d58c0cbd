"""The packages of the library stand on each other in one order, and no module in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import imports

LIBRARY = ROOT / "redacoes"
LAYERS = (  # a package imports from those before its line, and from itself
    {"redacoes"},
    {"essays", "evaluation", "tracking"},
    {"learning"},
    {"inference"},
    {"explain", "release"},
    {"web"},
    {"cli"},
)
LINES, OF_FUNCTION = 400, 60  # at most, of a module and of a function
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for path in LIBRARY.rglob("*.py")
    if path.name != "__init__.py"
}


def package(module: str) -> str:
    """Return the package of a module, or `redacoes` for one of the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 else parts[0]


def of_library(path: Path) -> set[str]:
    """Return the modules of the library that a module imports."""
    return imports(path) & MODULES.keys()


def floor(module: str) -> int:
    """Return the number of a module's layer, counted from the root."""
    return next(number for number, layer in enumerate(LAYERS) if package(module) in layer)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_the_layers_below_and_its_own_package_alone(module: str) -> None:
    upwards = {
        other
        for other in of_library(MODULES[module])
        if package(other) != package(module) and floor(other) >= floor(module)
    }
    assert upwards == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({module: of_library(path) for module, path in MODULES.items()}).prepare()


def test_a_package_holds_its_docstring_alone() -> None:
    """So that no stage depends on it, and dvc.yaml need not list it."""
    for path in LIBRARY.glob("**/__init__.py"):
        if path.parent != LIBRARY:
            [statement] = ast.parse(path.read_text(encoding="utf-8")).body
            assert isinstance(statement, ast.Expr)


def test_no_module_or_function_is_longer_than_can_be_read_at_once() -> None:
    sources = {module: path.read_text(encoding="utf-8") for module, path in MODULES.items()}
    assert {module for module, source in sources.items() if len(source.splitlines()) > LINES} == set()
    functions = (
        (module, node)
        for module, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert {(module, node.name) for module, node in functions if node.end_lineno - node.lineno >= OF_FUNCTION} == set()
