"""What a team reviews with, by the real commands: the workflow's checks, `make pull`, `make report` and the audit."""

import base64
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import BIN, ROOT
from tests.support.project import Clone, Folder
from tests.support.review import make

REVIEW = ".github/workflows/review.yml"
SCHEMA = ("check-jsonschema", "--builtin-schema")  # of check-jsonschema itself, so that no network is needed


@pytest.mark.parametrize(
    "command",
    [
        [*SCHEMA, "vendor.github-workflows", REVIEW],
        ["zizmor", "--offline", "--pedantic", "--no-progress", REVIEW],
        [*SCHEMA, "vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/question.yml"],
        [*SCHEMA, "vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"],
        [*SCHEMA, "vendor.citation-file-format", "CITATION.cff"],
    ],
    ids=lambda command: command[0] if command[0] == "zizmor" else command[2],
)
def test_what_github_reads_is_valid_and_safe(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_issue_form_is_held_to_its_schema() -> None:
    assert {path.name for path in (ROOT / ".github/ISSUE_TEMPLATE").iterdir()} == {
        "bug.yml",
        "question.yml",
        "config.yml",
    }


def test_make_check_runs_every_tier_and_the_quick_part_first() -> None:
    planned = subprocess.run(["make", "-n", "check", "WORKERS="], cwd=ROOT, capture_output=True, text=True, check=True)
    programs = r"^(?:ruff check|dvc repro|python -m pytest)\b.*$"
    assert [line.split() for line in re.findall(programs, planned.stdout, re.MULTILINE)] == [
        ["ruff", "check", "."],
        ["python", "-m", "pytest", "-q", "-n", "0", "tests/unit/test_layers.py"],
        ["python", "-m", "pytest", "tests/unit"],
        ["dvc", "repro"],
        ["python", "-m", "pytest", "tests/model", "tests/system"],
        ["python", "-m", "pytest", "-m", "slow"],
    ]
    assert {path.parent.name for path in ROOT.glob("tests/*/test_*.py")} == {"unit", "model", "system"}
    ci = [line for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines() if line.startswith("make ")]
    assert ci == ["make install", "make lint", "make repro", "make test", "make test-slow"]


def test_the_targets_are_listed() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"install", "test", "check", "review", "report"} <= {line.split()[0] for line in listed.splitlines()}


def test_the_environment_of_another_folder_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "cópia do projeto"
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    said = {}
    for place in ("/outra pasta", str(folder)):  # where it was made
        (folder / ".venv/.installed").write_text(f"{place}\n", encoding="utf-8")
        command = ["make", "--dry-run", "install"]
        said[place] = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert ".venv is that of /outra pasta, and is made anew" in said["/outra pasta"]
    assert "uv sync" in said["/outra pasta"]
    assert "Nothing to be done" in said[str(folder)]


def test_the_lock_of_packages_is_that_of_the_project() -> None:
    subprocess.run([BIN / "uv", "lock", "--check", "--offline"], cwd=ROOT, capture_output=True, check=True)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which a web server serves it to the user ana with the password segredo."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def send_head(self):
            expected = "Basic " + base64.b64encode(b"ana:segredo").decode()
            if self.headers.get("Authorization") == expected:
                return super().send_head()
            self.send_error(401)
            return None

        def log_message(self, *arguments: object) -> None:
            pass

    folder = tmp_path / "servido"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_pull_takes_the_remote_from_the_environment_and_no_secret_reaches_git(
    origin: Folder, make_clone: Callable[[str], Clone], web: tuple[Path, str]
) -> None:
    folder, url = web
    shutil.copytree(origin.path / ".dvc/cache/files", folder / "files")  # as `dvc push` would
    clone = make_clone("na nuvem")
    clone.environment |= {"DVC_REMOTE_URL": url, "DVC_REMOTE_USER": "ana", "DVC_REMOTE_SECRET": "segredo"}
    make(clone, "pull")
    name = "models/scorer/model.safetensors"
    assert (clone.path / name).read_bytes() == (origin.path / name).read_bytes()
    assert clone.git("status", "--porcelain") == ""
    assert (clone.path / ".dvc/config.local").stat().st_mode & 0o077 == 0
    clone.environment["DVC_REMOTE_SECRET"] = "segrêdo"
    done = clone.run("python", "-m", "tools.set_remote", check=False)
    assert (
        done.stderr == "error: DVC keeps its configuration in ASCII, and password of the remote has other characters\n"
    )
    assert "password = segredo\n" in clone.text(".dvc/config.local")


def test_the_report_holds_what_compare_says_and_what_metrics_differ(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("relato")
    metrics = json.loads(clone.text("metrics/headline.json"))
    metrics["test"]["qwk"] += 1
    (clone.path / "metrics/headline.json").write_text(json.dumps(metrics), encoding="utf-8")
    (clone.path / "redacoes/cli/__main__.py").write_text(
        "import sys\nprint('compared', *sys.argv[1:])\n", encoding="utf-8"
    )
    clone.git("add", "-A")
    clone.git("commit", "-qm", "Score better")
    summary = clone.path.with_name("página")
    clone.environment["GITHUB_STEP_SUMMARY"] = str(summary)
    make(clone, "report")  # against origin/main
    report = clone.text("report.md")
    base, head = (clone.git("rev-parse", "--short=10", name).strip() for name in ("origin/main", "HEAD"))
    assert f"\ncompared compare {base} {head} --markdown\n" in report
    assert re.search(r"\| metrics/headline.json \| test.qwk +\| .* \| 1.0 ", report)
    assert summary.read_text(encoding="utf-8") == report
    assert clone.git("status", "--porcelain") == ""

    (clone.path / "redacoes/cli/__main__.py").write_text("raise SystemExit('error: other essays')\n", encoding="utf-8")
    make(clone, "report", "BASE=HEAD")
    assert "\n`redacoes compare` compared nothing: error: other essays\n" in clone.text("report.md")
    assert "\nNo metric differs.\n" in clone.text("report.md")
    assert "error: 'nenhum' is not a revision" in make(clone, "report", "BASE=nenhum", check=False).stderr


def test_an_audit_without_a_network_says_what_that_means(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tools.audit"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.startswith("warning: the advisory database was not reached, no package was looked up (")
    assert "not an all-clear" in done.stderr
