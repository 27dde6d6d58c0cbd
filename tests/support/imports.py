"""What a module imports, read from its syntax tree."""

import ast
from pathlib import Path


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, within its functions too; `from a import b` as `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert node.module
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names
