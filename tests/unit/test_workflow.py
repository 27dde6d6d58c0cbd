"""The workflow that reviews a pull request: what it runs, and what it may."""

import re

from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.guide import GUIDE

WORKFLOW = ROOT / ".github/workflows/review.yml"


def jobs() -> dict[str, dict]:
    return YAML(typ="safe", pure=True).load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def steps() -> list[dict]:
    return [step for job in jobs().values() for step in job["steps"]]


def test_actions_are_pinned_and_only_the_comment_may_write() -> None:
    for used in [step["uses"] for step in steps() if "uses" in step]:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used)
    lines = [line for line in WORKFLOW.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert all(re.search(r"# v\d+\.\d+\.\d+$", line) for line in lines)
    workflow = YAML(typ="safe", pure=True).load(WORKFLOW.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert {name: job.get("permissions") for name, job in jobs().items() if "permissions" in job} == {
        "comment": {"pull-requests": "write"}
    }
    assert not any("checkout" in step.get("uses", "") for step in jobs()["comment"]["steps"])


def test_every_step_is_a_target_of_the_makefile_or_a_documented_command() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    commands = [step["run"] for step in steps() if "run" in step]
    assert {command.split()[1] for command in commands if command.startswith("make ")} >= {
        *("install", "lint", "test", "audit", "pull", "verify", "review", "report")
    }
    for command in commands:
        assert "\n" not in command
        assert "${{" not in command  # what others write reaches a shell through the environment alone
        assert command.split()[1] in targets if command.startswith("make ") else command in GUIDE


def test_the_guide_lists_every_variable_and_secret() -> None:
    used = set(re.findall(r"(?:vars|secrets)\.(\w+)", WORKFLOW.read_text(encoding="utf-8")))
    assert used
    assert {name for name in used if f"| `{name}` |" not in GUIDE} == set()
