"""What `pre-commit install` checks before each commit."""

import re
import shutil

import pytest
from ruamel.yaml import YAML

from tests.support import BIN, ROOT, project
from tests.support.guide import GUIDE
from tests.support.project import Clone, Folder

CONFIGURED = YAML(typ="safe", pure=True).load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
HOOKS = {hook["id"]: hook["name"] for hook in CONFIGURED["repos"][0]["hooks"]}
BAD = {  # what is added to a file, and what its hook says
    "ruff": ("redacoes/nova.py", '"""New."""\n\nimport os\n', "F401"),
    "format": ("redacoes/outra.py", '"""New."""\n\nX = [1,2]\n', "would be reformatted"),
    "dag": (
        "stages/sample.py",
        "\nimport redacoes.learning.tokens\n",
        "test_dependencies_are_the_modules_imported[sample]",
    ),
    "lock": ("redacoes/errors.py", "\n", "error: dvc.lock does not match prepare: redacoes/errors.py was changed"),
    "staged": ("notas.csv", "texto;nota\n", "error: notas.csv: column 'texto' holds essays"),
}


@pytest.fixture(scope="module")
def hooked(origin: Folder, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone, with the tests of today, in which `pre-commit install` was run."""
    clone = Clone(tmp_path_factory.mktemp("ganchos") / "clone", origin.path)
    shutil.rmtree(clone.path / "tests")  # the origin may be of before they were changed
    for name in project.working_tree():
        if name.startswith("tests/"):
            (clone.path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone.path / name)
    clone.git("add", "-A")
    clone.git("commit", "-qm", "The tests of today", "--allow-empty")
    (clone.path / ".venv").symlink_to(BIN.parent)
    (clone.path / ".git/info/exclude").write_text(".venv\n")
    clone.environment |= {"PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit"))}
    assert ".venv/bin/pre-commit install\n" in GUIDE
    clone.run(".venv/bin/pre-commit", "install")
    return clone


def said(output: str) -> dict[str, str]:
    """What each hook printed, from its line with `Passed` or `Failed` on."""
    parts = re.split(rf"^({'|'.join(map(re.escape, HOOKS.values()))})\.*", output, flags=re.MULTILINE)
    by_name = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {hook: by_name[name] for hook, name in HOOKS.items()}


def test_a_bad_commit_is_stopped_by_each_hook(hooked: Clone) -> None:
    head = hooked.git("rev-parse", "HEAD")
    for name, content, _ in BAD.values():
        with (hooked.path / name).open("a", encoding="utf-8") as file:
            file.write(content)
    hooked.git("add", "-A")
    done = hooked.run("git", "commit", "-m", "Break everything", check=False)
    hooked.git("reset", "-q", "--hard", head.strip())
    assert done.returncode == 1
    assert hooked.git("rev-parse", "HEAD") == head
    found = said(done.stdout + done.stderr)
    assert found.keys() == BAD.keys()
    for hook, (_, _, complaint) in BAD.items():
        assert found[hook].startswith("Failed\n")
        assert complaint in found[hook]


def test_a_good_commit_passes_all_hooks(hooked: Clone) -> None:
    (hooked.path / "redacoes/nova.py").write_text('"""New."""\n', encoding="utf-8")
    hooked.git("add", "-A")
    done = hooked.run("git", "commit", "-m", "Add a module")
    assert all(text.startswith("Passed\n") for text in said(done.stdout + done.stderr).values())
