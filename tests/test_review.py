"""What a team reviews with: the workflow, the lock check, the hooks, the audit, and merges, by the real commands."""

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

import pyarrow as pa
import pytest
from pyarrow import parquet
from ruamel.yaml import YAML

from redacoes.errors import UserError
from redacoes.lock import stale
from tests.conftest import BIN, ROOT, Clone
from tests.test_pipeline import ran
from tools import audit, check_staged, set_remote

WORKFLOW = ROOT / ".github/workflows/review.yml"
GUIDE = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))])


def make(clone: Clone, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a target of the clone's Makefile in the environment of the tests, which `make install` would prepare."""
    return clone.run("make", "--old-file=.venv/.installed", *arguments, check=check)


def fetched(clone: Clone, origin: Clone) -> Clone:
    """Give a clone all that the origin has in its cache, as `dvc fetch` would."""
    shutil.copytree(origin.path / ".dvc/cache", clone.path / ".dvc/cache")
    return clone


def load(clone: Clone, name: str) -> dict:
    return YAML(typ="safe", pure=True).load(clone.text(name))


def dump(clone: Clone, name: str, content: dict) -> None:
    with (clone.path / name).open("w", encoding="utf-8") as file:
        YAML(typ="safe", pure=True).dump(content, file)


# ---- the workflow ----------------------------------------------------------------------------------------------------


def jobs() -> dict[str, dict]:
    return YAML(typ="safe", pure=True).load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def steps() -> list[dict]:
    return [step for job in jobs().values() for step in job["steps"]]


@pytest.mark.parametrize(
    "command",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
        ["zizmor", "--offline", "--pedantic", "--no-progress"],
    ],
    ids=lambda command: command[0],
)
def test_the_workflow_is_valid_and_safe(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:], WORKFLOW], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
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


# ---- the lock check --------------------------------------------------------------------------------------------------


def test_the_lock_check_names_each_stage_that_was_changed_without_a_run(
    origin: Clone, make_clone: Callable[[str], Clone]
) -> None:
    assert stale(origin.path) == {}  # all outputs are there
    clone = make_clone("sem saídas")  # and here none
    assert "dvc.lock is that of this code" in make(clone, "review").stdout
    clone.set(**{"evaluate.bootstrap.samples": "21", "train.epochs": "3"})
    packages = json.loads(clone.text("packages.json"))
    packages["checkpoint"]["numpy"] = "9"
    (clone.path / "packages.json").write_text(json.dumps(packages))
    (clone.path / "redacoes/baseline.py").open("a", encoding="utf-8").write("\n")
    (clone.path / "redacoes/tokens.py").unlink()
    dag = clone.text("dvc.yaml").replace("cmd: python -m stages.sample", "cmd: python -B -m stages.sample")
    (clone.path / "dvc.yaml").write_text(dag, encoding="utf-8")
    (clone.path / "metrics/data.json").unlink()
    done = make(clone, "review", check=False)
    assert done.returncode != 0
    expected = {
        "sample": "its command was changed",
        "prepare": "metrics/data.json is missing, and not DVC's to bring back",
        "checkpoint": f'checkpoint.numpy in packages.json was "{_pin("checkpoint", "numpy")}" and is "9"',
        "tokenize": "redacoes/tokens.py is missing, and not DVC's to bring back",
        "train": "train.epochs in params.yaml was 2 and is 3",
        "evaluate": "evaluate.bootstrap.samples in params.yaml was 20 and is 21",
        "baseline": "redacoes/baseline.py was changed",
    }
    remedy = "run `dvc repro`, and commit dvc.lock and metrics/ with the change"
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: dvc.lock does not match {stage}: {what}: {remedy}" for stage, what in expected.items()
    ]


def _pin(stage: str, package: str) -> str:
    return json.loads((ROOT / "packages.json").read_text(encoding="utf-8"))[stage][package]


def test_the_lock_check_finds_a_lock_that_no_run_wrote(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("remendado")
    lock = load(clone, "dvc.lock")
    lock["stages"]["prepare"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    del lock["stages"]["evaluate"]
    dump(clone, "dvc.lock", lock)
    found = stale(clone.path)
    assert found.pop("evaluate") == ["no run of it is recorded"]
    assert set(found) == {"checkpoint", "tokenize", "baseline", "zero_shot"}
    assert all(reasons == ["it ran on another data/splits than that of stage 'prepare'"] for reasons in found.values())
    (clone.path / "dvc.lock").write_text("<<<<<<< HEAD\n" + clone.text("dvc.lock"), encoding="utf-8")
    with pytest.raises(UserError, match="possible merge conflicts"):
        stale(clone.path)


def test_the_lock_check_knows_the_files_of_dvc_add(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("nossas redações")
    clone.set(**{"data.csv": "data/redacoes.csv"})
    lock = load(clone, "dvc.lock")  # as a colleague's run on data/redacoes.csv wrote it
    lock["stages"]["prepare"]["params"]["params.yaml"]["data"]["csv"] = "data/redacoes.csv"
    (essays,) = [dep for dep in lock["stages"]["prepare"]["deps"] if dep["path"] == "data/sample.csv"]
    essays["path"] = "data/redacoes.csv"
    dump(clone, "dvc.lock", lock)
    assert stale(clone.path) == {"prepare": ["data/redacoes.csv is missing, and not DVC's to bring back"]}
    tracked = {"outs": [{**essays, "path": "redacoes.csv"}]}  # what `dvc add` writes
    dump(clone, "data/redacoes.csv.dvc", tracked)
    clone.git("add", "data/redacoes.csv.dvc")
    assert stale(clone.path) == {}
    tracked["outs"][0]["md5"] = "0" * 32
    dump(clone, "data/redacoes.csv.dvc", tracked)
    (clone.path / "data/redacoes.csv").write_text("essay,score\n", encoding="utf-8")
    added = "data/redacoes.csv.dvc"
    assert stale(clone.path) == {
        "prepare": ["data/redacoes.csv was changed (`dvc checkout` brings the recorded one back)"],
        added: ["data/redacoes.csv was changed (`dvc checkout` brings the recorded one back)"],
    }
    (clone.path / "data/redacoes.csv").unlink()
    assert stale(clone.path) == {"prepare": [f"it ran on another data/redacoes.csv than that of {added}"]}


# ---- pull and report -------------------------------------------------------------------------------------------------


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
    origin: Clone, make_clone: Callable[[str], Clone], web: tuple[Path, str]
) -> None:
    folder, url = web
    origin.dvc("remote", "add", "--local", "--force", "servido", str(folder))
    origin.dvc("push", "-r", "servido")
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


def test_the_secret_is_what_the_kind_of_remote_calls_it() -> None:
    def options(**given: str) -> dict[str, str | bool]:
        named = set_remote.options({f"DVC_REMOTE_{name.upper()}": value for name, value in given.items()})
        assert named.pop("verify") is True
        return named

    s3 = {"url": "s3://redacoes/dvc", "access_key_id": "ana", "secret_access_key": "segredo"}
    assert options(url="s3://redacoes/dvc", user="ana", secret="segredo") == s3
    endpoint = options(url="s3://redacoes/dvc", user="ana", secret="segredo", endpoint="https://s3.example.org")
    assert endpoint == s3 | {"endpointurl": "https://s3.example.org"}
    for url in ("ssh://example.org/dvc", "webdavs://example.org/dvc"):
        assert options(url=url, user="ana", secret="segredo") == {"url": url, "user": "ana", "password": "segredo"}
    key = options(url="ssh://example.org/dvc", user="ana", secret=f"-----BEGIN OPENSSH PRIVATE {'KEY'}-----\n")
    assert key == {"url": "ssh://example.org/dvc", "user": "ana", "keyfile": str(set_remote.KEY.absolute())}
    assert options(url="https://example.org/dvc") == {"url": "https://example.org/dvc"}


def test_the_report_holds_what_compare_says_and_what_metrics_differ(make_clone: Callable[[str], Clone]) -> None:
    clone = make_clone("relato")
    metrics = json.loads(clone.text("metrics/evaluation.json"))
    metrics["test"]["qwk"] += 1
    (clone.path / "metrics/evaluation.json").write_text(json.dumps(metrics), encoding="utf-8")
    (clone.path / "redacoes/cli.py").write_text("import sys\nprint('compared', *sys.argv[1:])\n", encoding="utf-8")
    clone.git("add", "-A")
    clone.git("commit", "-qm", "Score better")
    summary = clone.path.with_name("página")
    clone.environment["GITHUB_STEP_SUMMARY"] = str(summary)
    make(clone, "report")  # against origin/main
    report = clone.text("report.md")
    base, head = (clone.git("rev-parse", "--short=10", name).strip() for name in ("origin/main", "HEAD"))
    assert f"\ncompared compare {base} {head} --markdown\n" in report
    assert re.search(r"\| metrics/evaluation.json \| test.qwk +\| .* \| 1.0 ", report)
    assert summary.read_text(encoding="utf-8") == report
    assert clone.git("status", "--porcelain") == ""

    (clone.path / "redacoes/cli.py").write_text("raise SystemExit('error: other essays')\n", encoding="utf-8")
    make(clone, "report", "BASE=HEAD")
    assert "\n`redacoes compare` compared nothing: error: other essays\n" in clone.text("report.md")
    assert "\nNo metric differs.\n" in clone.text("report.md")
    assert "error: 'nenhum' is no revision" in make(clone, "report", "BASE=nenhum", check=False).stderr


# ---- hooks -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooked(origin: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which `pre-commit install` was run."""
    clone = Clone(tmp_path_factory.mktemp("ganchos") / "clone", origin.path)
    (clone.path / ".venv").symlink_to(BIN.parent)
    (clone.path / ".git/info/exclude").write_text(".venv\n")
    clone.environment |= {"PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit"))}
    assert ".venv/bin/pre-commit install\n" in GUIDE
    clone.run(".venv/bin/pre-commit", "install")
    return clone


HOOKS = {hook["id"] for hook in YAML().load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]}  # fmt: skip
BAD = {  # what is added to a file, and what its hook says
    "ruff": ("redacoes/nova.py", '"""New."""\n\nimport os\n', "F401"),
    "format": ("redacoes/nova.py", '"""New."""\n\nX = [1,2]\n', "would be reformatted"),
    "dag": ("stages/sample.py", "\nimport redacoes.tokens\n", "test_dependencies_are_the_modules_imported[sample]"),
    "lock": ("redacoes/errors.py", "\n", "error: dvc.lock does not match prepare: redacoes/errors.py was changed"),
    "staged": ("notas.csv", "texto;nota\n", "error: notas.csv: column 'texto' holds essays"),
}


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_a_bad_commit_is_stopped_by_its_hook(hooked: Clone, hook: str) -> None:
    name, content, complaint = BAD[hook]
    with (hooked.path / name).open("a", encoding="utf-8") as file:
        file.write(content)
    hooked.git("add", "-A")
    done = hooked.run(".venv/bin/pre-commit", "run", hook, check=False)
    hooked.git("reset", "-q", "--hard")
    assert done.returncode == 1, done.stdout
    assert complaint in done.stdout


def test_a_good_commit_passes_all_hooks(hooked: Clone) -> None:
    (hooked.path / "redacoes/nova.py").write_text('"""New."""\n', encoding="utf-8")
    hooked.git("add", "-A")
    done = hooked.run("git", "commit", "-m", "Add a module")
    assert len(re.findall(r"\.Passed\n", done.stdout + done.stderr)) == len(HOOKS)


ESSAYS = check_staged.ESSAYS | {"conteúdo"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notas.csv", b"id,essay,score\n"),
        ("notas.tsv", b"id\tText\tscore\n"),
        ("notas.csv", "\ufeff\"Conteúdo\";nota\n".encode()),
        ("notas.csv", "texto,nota\n".encode("utf-16")),
        ("notas.jsonl", b'\n{"id": 1, "texto": "..."}\n'),
        ("data/qualquer.bin", b""),
        ("data/sub/notas.md", b""),
        ("grande.txt", b"x" * 500_001),
        ("notas.parquet", b"not one"),
    ],
)  # fmt: skip
def test_essays_and_large_files_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    (fault,) = check_staged.faults(Path(name), ESSAYS)
    assert fault.startswith(f"{name}: ")
    assert fault.endswith("`dvc add` it under data/")


def test_essays_in_arrow_and_parquet_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"row": [1], "essay": ["Era uma vez"]})
    parquet.write_table(table, "a.parquet")
    for name, writer in {"file.arrow": pa.ipc.new_file, "stream.arrow": pa.ipc.new_stream}.items():
        with writer(name, table.schema) as file:
            file.write_table(table)
    for name in ("a.parquet", "file.arrow", "stream.arrow"):
        (fault,) = check_staged.faults(Path(name), ESSAYS)
        assert fault.startswith(f"{name}: column 'essay' holds essays: ")
    parquet.write_table(table.drop(["essay"]), "a.parquet")
    assert list(check_staged.faults(Path("a.parquet"), ESSAYS)) == []


@pytest.mark.parametrize(
    ("name", "secret", "what"),
    [  # put together here, so that this file passes
        ("a.py", "KEY = 'AKIA" + "Q" * 16 + "'", "an AWS access key"),
        ("a.ini", "aws_secret_access_key = " + "a1/+" * 10, "an AWS secret key"),
        ("a.pem", "-----BEGIN OPENSSH PRIVATE " + "KEY-----", "a private key"),
        ("a.env", "HF_TOKEN=hf_" + "aB3" * 12, "a Hugging Face token"),
        ("a.yml", "token: ghp_" + "aB3" * 12, "a GitHub token"),
        ("a.yml", "token: github_pat_" + "aB3_" * 10, "a GitHub token"),
        ("a.md", "ssh://ana:" + "segredo@example.org/dvc", "a password in a URL"),
        (".dvc/config", "    password = segredo", "a credential"),
        (".dvc/config", "    connection_string = abc", "a credential"),
        (".dvc/config.local", "    secret_access_key = abc", "a credential"),
    ],
)
def test_secrets_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, secret: str, what: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(f"# first\n{secret}\n", encoding="utf-8")
    (fault,) = check_staged.faults(Path(name), ESSAYS)
    assert fault.startswith(f"{name}, line 2: {what}: take it out")
    assert secret.split()[-1] not in fault


def test_what_belongs_in_git_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {
        "data/.gitignore": "*\n",
        "data/redacoes.csv.dvc": "outs:\n- md5: abc\n  path: redacoes.csv\n",
        "metrics/pontos.csv": "row,score\n",
        ".dvc/config": "[core]\n    remote = time\n['remote \"time\"']\n    url = ssh://ana@example.org/dvc\n    user = ana\n",
        "vazio.csv": "",
        "uv.lock": "x" * 600_000,
    }
    for name, content in contents.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
        assert list(check_staged.faults(Path(name), ESSAYS)) == []


# ---- the audit -------------------------------------------------------------------------------------------------------


def test_the_lock_is_that_of_the_project_and_every_file_in_it_has_a_hash() -> None:
    subprocess.run([BIN / "uv", "lock", "--check", "--offline"], cwd=ROOT, capture_output=True, check=True)
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert lock.count("hash = ") > 1000
    assert audit.without_hash(lock) == []
    package = '[[package]]\nname = "pandas"\nsource = { registry = "https://example.org" }\nwheels = [\n%s]\n'
    whole = '    { url = "https://example.org/a.whl", hash = "sha256:00" },\n'
    assert audit.without_hash(package % whole) == []
    assert audit.without_hash(package % (whole + '    { url = "https://example.org/b.whl" },\n')) == ["pandas"]
    assert audit.without_hash(package % "") == ["pandas"]


def test_vulnerabilities_are_named_and_what_was_not_looked_up_is_no_all_clear() -> None:
    advisory = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-2"], "fix_versions": ["2.0"], "description": ""}
    report = {
        "dependencies": [
            {"name": "pandas", "version": "1.0", "vulns": [advisory]},
            {"name": "numpy", "version": "1.0", "vulns": []},
            {"name": "scipy", "skip_reason": "not found"},
        ]
    }
    (fault,), skipped = audit.vulnerabilities(report, {})
    assert fault.startswith("pandas 1.0 has PYSEC-2026-1 alias CVE-2026-2, which 2.0 mends: ")
    assert skipped == ["scipy"]
    assert audit.vulnerabilities(report, {"CVE-2026-2": "never called"}) == ([], ["scipy"])


def test_an_audit_without_a_network_says_what_that_means(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "tools.audit"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.startswith("warning: the advisory database was not reached, no package was looked up (")
    assert "no all-clear" in done.stderr


# ---- merges ----------------------------------------------------------------------------------------------------------


def steps_of_a_merge() -> list[str]:
    block = GUIDE.split("<!-- merge -->\n```sh\n")[1].split("```")[0]
    return [line.partition("#")[0].strip() for line in block.splitlines()]


def branch(clone: Clone, name: str, **values: str) -> list[str]:
    """Make a branch of main on which parameters were changed and run, and return the stages that ran."""
    clone.git("switch", "-q", "-c", name, "origin/main")
    clone.dvc("checkout")
    clone.set(**values)
    stages = ran(clone.dvc("repro"))
    clone.git("commit", "-qam", f"Try {values}")
    return stages


def merge(clone: Clone, other: str, remote: Path, *, theirs: bool = False) -> list[str]:
    """Merge by the steps of the guide, word for word, and return the stages that ran."""
    clone.dvc("remote", "add", "--local", "--force", "--default", "time", str(remote))
    start, choose, *rest = steps_of_a_merge()
    assert start == "git merge origin/main"
    assert clone.run("git", "merge", other, check=False).returncode == 1
    assert "dvc.lock" in clone.git("diff", "--name-only", "--diff-filter=U").split()
    assert "<<<<<<<" not in clone.text("dvc.lock") + clone.text("metrics/baseline.json")
    if theirs:
        choose = "git checkout MERGE_HEAD -- dvc.lock metrics && dvc pull"
        assert choose in GUIDE
    output = "".join(clone.run("bash", "-c", step).stdout for step in [choose, *rest])
    assert clone.git("status", "--porcelain") == ""
    assert stale(clone.path) == {}
    return ran(output)


def test_a_merge_of_two_runs_stops_and_is_resolved_by_the_steps_of_the_guide(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    clone = fetched(make_clone("fusão"), origin)
    # changes that stand lines apart in dvc.lock, of which the first leaves the result as it was: git would merge them
    assert branch(clone, "iterações", **{"baseline.max_iterations": "900"}) == ["baseline"]
    assert branch(clone, "palavras", **{"baseline.ngrams": "1"}) == ["baseline"]
    assert merge(clone, "iterações", tmp_path / "remoto") == ["baseline"]
    run = load(clone, "dvc.lock")["stages"]["baseline"]["params"]["params.yaml"]["baseline"]
    assert (run["max_iterations"], run["ngrams"]) == (900, 1)


@pytest.mark.slow
def test_a_merge_of_two_runs_gives_what_one_run_of_both_changes_gives_whichever_side_is_taken(
    origin: Clone, make_clone: Callable[[str], Clone], tmp_path: Path
) -> None:
    theirs = {"train.learning_rate": "0.0005"}
    ours = {"evaluate.bootstrap.samples": "30", "baseline.ngrams": "1"}
    whole = fetched(make_clone("inteira"), origin)
    branch(whole, "ambas", **theirs, **ours)

    clone = fetched(make_clone("fusão"), origin)
    remote = tmp_path / "remoto"
    assert branch(clone, "devagar", **theirs) == ["train", "evaluate"]
    clone.dvc("remote", "add", "--local", "time", str(remote))
    clone.dvc("push", "-r", "time")
    assert branch(clone, "palavras", **ours) == ["evaluate", "baseline"]
    for take_theirs, stages in {False: ["evaluate"], True: ["evaluate", "baseline"]}.items():
        clone.git("switch", "-q", "-c", f"fusão {take_theirs}".replace(" ", "-"), "palavras")
        clone.dvc("checkout")
        assert merge(clone, "devagar", remote, theirs=take_theirs) == stages  # the training is in the run cache
        assert clone.text("dvc.lock") == whole.text("dvc.lock")
        for file in (whole.path / "metrics").glob("*.json"):
            assert file.read_bytes() == (clone.path / "metrics" / file.name).read_bytes()
