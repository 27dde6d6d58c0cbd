"""Every command in the guide's shell blocks parses, and every message in its troubleshooting is one that is said.

What the commands do is run in `tests/system`, where a block has a name.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from dvc.cli.parser import get_main_parser
from ruamel.yaml import YAML

from redacoes import recipes
from redacoes.cli.main import COMMANDS, new_parser
from redacoes.params import Params
from tests.support import PARAMS, ROOT
from tests.support.guide import GUIDE, PAGES, blocks

TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
DOCS = [name for name in TEXT if name.startswith("docs/")]
ENDS = {"&&", "||", ";", "|", ">", ">&", ">>", "&"}
MADE = r"\$\(redacoes recipe ([\w ]+) --flags\)"
MODULES = ("benchmarks", "tools", "stages")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in the shell blocks of a page, with what stands in `$(…)` as a word."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            quoted = re.sub(r'(?<!")(\$\([^)]*\))(?!")', r"'\1'", line)
            lexer = shlex.shlex(quoted, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            command: list[str] = []
            for word in [*lexer, ";"]:
                if word not in ENDS:
                    command.append(word)
                elif command:
                    yield command
                    command = []


def named(program: str) -> list[list[str]]:
    """Return the arguments of each command of `program` in the guide, also where the environment is named or it is nested."""
    found = [command for text in TEXT.values() for command in commands(text)]
    found += [
        shlex.split(inner) for command in found for word in command for inner in re.findall(r"^\$\((.*)\)$", word)
    ]
    return [command[1:] for command in found if command[0].removeprefix(".venv/bin/") == program]


def parsed(parser: Any, arguments: list[str]) -> Any:
    try:
        return parser.parse_args(arguments)
    except SystemExit:
        pytest.fail(f"the guide has a command that does not parse: {shlex.join(arguments)}")


def test_commands_of_this_project_parse() -> None:
    found = named("redacoes")
    assert {arguments[0] for arguments in found} == set(COMMANDS)
    for arguments in found:
        parsed(new_parser(), arguments)
    mentioned = set(re.findall(r"`redacoes ([a-z][a-z-]*)", GUIDE))
    assert mentioned <= set(COMMANDS)


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    words = [word for arguments in named("make") for word in arguments if "=" not in word]
    words += re.findall(r"`make ([a-z-]+)", GUIDE)
    assert "repro" in words
    assert set(words) <= targets


def test_files_and_modules_that_python_runs_exist() -> None:
    scripts = re.findall(r"\b(?:python|--script|uv run) ((?:examples|tools)/\w+\.py)", GUIDE)
    modules = [found for found in re.findall(r"\bpython -m ([\w.]+)", GUIDE) if found.startswith(MODULES)]
    assert scripts
    assert modules
    paths = [*scripts, *(f"{name.replace('.', '/')}.py" for name in modules)]
    assert {path for path in paths if not (ROOT / path).is_file()} == set()


def test_what_python_blocks_import_of_this_project_exists() -> None:
    code = [block for page in DOCS for block in blocks(TEXT[page], "python")]
    nodes = [node for block in code for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    wanted = {(node.module, name.name) for node in nodes for name in node.names if node.module.startswith("redacoes.")}
    assert wanted
    for module, name in wanted:
        source = Path(find_spec(module).origin).read_text(encoding="utf-8")
        assert name in {getattr(node, "name", None) for node in ast.parse(source).body}, f"{module} has no {name}"


def test_commands_of_dvc_parse_and_set_legal_parameters() -> None:
    found = named("dvc")
    assert len(found) > 50
    for arguments in found:
        of_recipes = [name for word in arguments for names in re.findall(MADE, word) for name in names.split()]
        options = parsed(get_main_parser(), [word for word in arguments if not word.startswith("$(")])
        settings = getattr(options, "set_param", None) or []
        if settings or of_recipes:
            legal(of_recipes, [setting.split("=", 1) for setting in settings])


def legal(of_recipes: list[str], settings: list[list[str]]) -> None:
    """Fail unless the parameters that the tests run on, with those of recipes and settings, are legal."""
    values = PARAMS.model_dump()
    values["data"]["group_column"] = "prompt"  # it may be needed, and a reader has set it
    values["train"]["probe"] = None  # as it is by default
    wanted = {key: value for name in of_recipes for key, value in recipes.load(name, ROOT / "recipes").values.items()}
    for key, value in [*wanted.items(), *settings]:
        section, _, name = key.partition(".")
        assert name in values.get(section, {}), f"params.yaml has no key {key}"
        for one in value.split(",") if re.fullmatch(r"[\d.e,-]+", value) else [value]:
            values[section][name] = YAML(typ="safe", pure=True).load(one)
    Params.model_validate(values)


@cache
def said() -> list[str]:
    """Return each text in the project's Python and its Makefile, with `…` in the place of each value."""
    found = []
    for path in (path for folder in ("redacoes", "stages", "tools") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found.append(re.sub(r'" \+ .*? \+ "|\$\(PYTHON\)', "…", makefile.replace("\\\n\t", "")))
    return found


@cache
def said_by_dvc() -> str:
    """Return the sources of DVC and of what it consists of, with `…` in the place of each value."""
    text = ""
    for package in ("dvc", "dvc_objects"):
        for path in Path(find_spec(package).origin).parent.rglob("*.py"):
            text += path.read_text(encoding="utf-8")
    return re.sub(r"\{[^{}\n]*\}|'dvc-\w+'", "…", text)


OF_OTHERS = {  # messages that are neither ours nor a text in DVC's source
    "redacoes: command not found",  # the shell's
    "git status",
    "expected 'url' for dictionary value",  # voluptuous's
    "failed to reproduce …: [Errno 2] No such file or directory: …",  # partly the system's
    "Could not override",  # hydra's
    "'./dvc.lock' is invalid (possible merge conflicts)",  # put together by DVC
    "… is supported, but requires …",  # DVC names the remote and the package in each
}


def test_messages_of_the_troubleshooting_are_said() -> None:
    page = TEXT["docs/troubleshooting.md"]
    messages = re.findall(r"^### `(.*?)`", page, re.MULTILINE)
    assert len(messages) >= 20
    assert set(messages) >= OF_OTHERS
    unknown = [
        message
        for message in set(messages) - OF_OTHERS
        if not any(message.removeprefix("error: ") in text for text in said()) and message not in said_by_dvc()
    ]
    assert unknown == []


@pytest.mark.parametrize("name", DOCS)
def test_a_page_begins_with_what_it_is_for_and_the_shortest_command(name: str) -> None:
    title, _, rest = TEXT[name].partition("\n\n")
    assert re.fullmatch(r"# .+", title)
    start = rest.split("\n## ")[0]
    assert re.match(r"[A-Z*].{30}", start, re.DOTALL)
    assert "\n```" in start
    assert name == "docs/index.md" or f"]({Path(name).name})" in TEXT["docs/index.md"]


def test_a_broken_command_is_seen() -> None:
    page = "```sh\ncd x && redacoes score a --nope $(redacoes recipe probe --flags) | grep x  # why\n```\n"
    assert [*commands(page)] == [
        ["cd", "x"],
        ["redacoes", "score", "a", "--nope", "$(redacoes recipe probe --flags)"],
        ["grep", "x"],
    ]
    with pytest.raises(pytest.fail.Exception, match="does not parse: score a --nope"):
        parsed(new_parser(), ["score", "a", "--nope"])
    with pytest.raises(AssertionError, match="no key train\\.rate"):
        legal([], [["train.rate", "1"]])
