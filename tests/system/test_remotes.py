"""A team shares what it computed over SSH, S3, WebDAV and HTTP: the commands of the guide on real servers."""

import hashlib
import json
import re
import shlex
import shutil
import subprocess
import tomllib
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT, servers
from tests.support.guide import GUIDE, block
from tests.support.project import UP_TO_DATE, Clone, ran
from tests.support.servers import Fault, Proxy, Tunnel

GIT_URL = "git@git.example.org:team/essays.git"  # of the guide
SCORER = "models/scorer/tokenizer_config.json"  # differs between the branches main and trial


def documented(name: str, instead: dict[str, str]) -> list[list[str]]:
    """The commands of the guide's block, with the words of its example replaced by those of this machine."""
    commands = [shlex.split(line, comments=True) for line in block(name).splitlines()]
    assert set(instead) <= {word for command in commands for word in command}
    return [[instead.get(word, word) for word in command] for command in commands]


def follow(clone: Clone, commands: list[list[str]]) -> None:
    for command in commands:
        if command[0] == "export":
            clone.environment |= dict(word.split("=", 1) for word in command[1:])
        elif command[0] == "dvc":
            clone.dvc(*command[1:])
        elif command[0] != ".venv/bin/uv":  # this environment has the extras
            clone.run(*command)


def on_a_machine_of_its_own(clone: Clone) -> Clone:
    """Let a clone find nobody's credentials, configuration or cached state."""
    found = {name for name in clone.environment if name.startswith(("AWS_", "DVC_", "SSH_"))}
    clone.environment = {name: value for name, value in clone.environment.items() if name not in found}
    home = clone.path.with_name(f"{clone.path.name}-home")
    home.mkdir()
    clone.environment |= {"HOME": str(home), "DVC_SITE_CACHE_DIR": str(home / "site"), "NO_PROXY": servers.HOST}
    return clone


@dataclass
class Team:
    """A remote, and the clone of whoever set it up, computed the branches main and trial, and pushed them.

    Attributes:
        address: The remote's URL and, for S3, that of its endpoint.
        own: What each colleague runs for their own credentials.
        secrets: What must never be in git.
    """

    kind: str
    server: servers.Ssh | servers.S3 | servers.WebDav | servers.Http | None
    computed: Clone
    address: dict[str, str]
    own: list[list[str]]
    secrets: list[str]

    def colleague(self, path: Path, cache: bool = False, **settings: str) -> Clone:
        """A fresh clone with credentials; `settings` of the remote are for this clone alone."""
        clone = on_a_machine_of_its_own(Clone(path, self.computed.path))
        if cache:
            shutil.copytree(self.computed.path / ".dvc/cache", clone.path / ".dvc/cache")
        follow(clone, [command for command in self.own if command[0] == "export"])
        self.configure(clone, **settings)
        return clone

    def configure(self, clone: Clone, **settings: str) -> None:
        """Write what the commands of `own` would, and more settings of the remote for this clone alone."""
        own = {command[-2]: command[-1] for command in self.own if command[0] == "dvc"} | settings
        text = "['remote \"team\"']\n" + "".join(f"    {name} = {value}\n" for name, value in own.items())
        clone.configure(text if own else "")

    def place(self, folder: str = "", port: int | None = None) -> dict[str, str]:
        """Settings of the remote for a folder of it to which nobody has pushed, or for another port to reach it by."""
        settings = dict(self.address)
        if folder:
            settings["url"] += f"/{folder}"
            if self.kind == "webdav":  # DVC makes all folders but the first
                (self.server.files / folder).mkdir(exist_ok=True)
        if port:
            settings = {name: url.replace(f":{self.server.port}", f":{port}") for name, url in settings.items()}
        return settings


TeamOf = Callable[[str], Team]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory, pulled: Clone) -> Clone:
    """A clone in which a branch trial has other outputs: committed by hand, to save a training."""
    clone = on_a_machine_of_its_own(pulled.copy(tmp_path_factory.mktemp("ana") / "committed"))
    clone.git("checkout", "-q", "--orphan", "start")  # a short history: gc reads all of it
    clone.git("commit", "-qm", "Small parameters")
    clone.git("branch", "-M", "main")
    clone.git("checkout", "-qb", "trial")
    clone.set(**{"train.learning_rate": "0.0005"})
    (clone.path / SCORER).write_text(clone.text(SCORER) + "\n")
    headline = json.loads(clone.text("metrics/headline.json"))
    headline["test"]["qwk"] = -0.5
    (clone.path / "metrics/headline.json").write_text(json.dumps(headline))
    clone.dvc("commit", "-f")
    clone.git("commit", "-qam", "Try a higher learning rate")
    clone.git("checkout", "-q", "main")
    return clone


@pytest.fixture(scope="module")
def team_of(tmp_path_factory: pytest.TempPathFactory, committed: Clone) -> Iterator[TeamOf]:
    """The team that shares over `ssh`, `s3`, `webdav`, `http` or a `folder`; each server starts when first asked for."""
    teams: dict[str, Team] = {}
    with ExitStack() as running:

        def team_of(kind: str) -> Team:
            if kind not in teams:
                teams[kind] = _set_up(kind, tmp_path_factory.mktemp(kind), committed, running)
            return teams[kind]

        yield team_of


def _set_up(kind: str, folder: Path, committed: Clone, running: ExitStack) -> Team:
    server: servers.Ssh | servers.S3 | servers.WebDav | servers.Http | None = None
    push: list[list[str]] = [["dvc", "push", "--all-branches"]]
    secrets: list[str] = []
    if kind == "ssh":
        server = running.enter_context(servers.ssh(folder / "server"))
        address = {"url": server.url}
        instead = {"ssh://server.example.org/srv/essays": server.url, "~/.ssh/essays": str(server.key)}
        secrets = [str(server.key), *server.key.read_text().splitlines()[1:-1]]
    elif kind == "s3":
        server = running.enter_context(servers.s3(folder / "server"))
        address = {"url": "s3://essays/dvc", "endpointurl": server.endpoint}
        instead = {
            "https://s3.example.org": server.endpoint,
            "AWS_ACCESS_KEY_ID=AKIA…": f"AWS_ACCESS_KEY_ID={server.access_key_id}",
            "AWS_SECRET_ACCESS_KEY=…": f"AWS_SECRET_ACCESS_KEY={server.secret_access_key}",
        }
        secrets = [server.access_key_id, server.secret_access_key]
    elif kind == "webdav":
        server = running.enter_context(servers.webdav(folder / "server"))
        address = {"url": server.url}
        instead = {
            "webdavs://server.example.org/essays": server.url,
            "ana": server.user,
            "…": server.password,
        }
        secrets = [server.password]
    elif kind == "http":
        server = running.enter_context(servers.http_files(folder / "server"))
        address = {"url": server.url}
        instead = {"https://server.example.org/essays": server.url}
        publish = documented("publish", {"/srv/www/essays": str(server.files)})
        push = [*publish, ["dvc", "push", "--all-branches", "-r", "publish"]]
    else:
        address = {"url": str(folder / "shared")}
        instead = {"/mnt/shared/essays": address["url"]}
    commands = documented(kind, instead)
    own = [command for command in commands if "--local" in command or command[0] == "export"]

    clone = on_a_machine_of_its_own(committed.copy(folder / "ana"))
    follow(clone, commands)
    clone.git("add", "-A")
    clone.git("commit", "-qm", "Name the team's remote")
    clone.git("checkout", "-q", "trial")
    clone.git("merge", "-q", "main")
    clone.git("checkout", "-q", "main")
    follow(clone, push)
    return Team(kind, server, clone, address, own, secrets)


def outputs(clone: Clone) -> dict[str, bytes]:
    """What the stages wrote that git does not hold."""
    names = clone.git("ls-files", "-z", "--others", "data", "models", "metrics").split("\0")
    return {name: (clone.path / name).read_bytes() for name in names if name}


def cached(clone: Clone) -> dict[str, bytes]:
    """The objects in the clone's cache, by the md5 that is their name."""
    files = (path for path in (clone.path / ".dvc/cache/files/md5").rglob("*") if path.is_file())
    return {path.parent.name + path.name: path.read_bytes() for path in files}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def damaged(objects: dict[str, bytes]) -> list[str]:
    return [name for name, content in objects.items() if md5(content) != name.split(".")[0]]


@pytest.mark.parametrize("kind", ["ssh", "s3", "webdav", "http"])
def test_a_colleague_pulls_from_a_server_and_has_nothing_to_run(
    kind: str, team_of: TeamOf, pulled: Clone, tmp_path: Path
) -> None:
    team = team_of(kind)
    clone = on_a_machine_of_its_own(Clone(tmp_path / "bia", team.computed.path))
    (tmp_path / "without").mkdir()
    (tmp_path / "without/tensorflow.py").write_text("raise AssertionError('TensorFlow is imported')")
    clone.environment["PYTHONPATH"] = str(tmp_path / "without")
    assert "TensorFlow is imported" in clone.run("python", "-c", "import tensorflow", check=False).stderr

    clone.git("checkout", "-q", "trial")
    changed = json.loads(clone.dvc("metrics", "diff", "main", "--json"))
    assert changed["metrics/headline.json"]["test.qwk"]["new"] == -0.5
    assert not (clone.path / ".dvc/cache").exists()  # nothing was pulled for it
    clone.git("checkout", "-q", "main")

    follow(clone, team.own)
    clone.dvc("pull")
    assert outputs(clone) == outputs(pulled)
    assert UP_TO_DATE in clone.dvc("repro")

    for one in (team.computed, clone):
        assert one.git("status", "--porcelain") == ""
        tracked = one.git("log", "--all", "--patch")
        assert "verify = true" in tracked
        assert not [secret for secret in team.secrets if secret in tracked]
    assert team.secrets or kind == "http"


def test_the_guide_verifies_every_remote_and_names_extras_that_exist() -> None:
    remotes = re.findall(r"dvc remote add (?:--\w+ )+(\w+) (\S+)\n(.*)", GUIDE)
    assert {url.partition("://")[0] for _, url, _ in remotes} == {"/mnt/shared/essays", "/srv/www/essays", "ssh", "s3", "webdavs", "https"}  # fmt: skip
    for name, _, following in remotes:
        assert re.fullmatch(rf"dvc remote modify (--local )?{name} verify true", following)
    for secret in ("password", "keyfile", "user"):
        assert f"--local team {secret}" in GUIDE
        assert f"modify team {secret}" not in GUIDE
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"ssh", "s3", "webdav"} <= set(re.findall(r"--extra (\w+)", GUIDE)) <= set(extras)


def test_http_is_read_only(team_of: TeamOf, tmp_path: Path) -> None:
    team = team_of("http")
    clone = team.colleague(tmp_path / "bia", cache=True, **team.place("elsewhere"))
    done = clone.try_dvc("push")
    assert done.returncode != 0
    assert "failed to push" in done.stderr


def test_the_model_alone_and_the_splits_in_another_project(team_of: TeamOf, pulled: Clone, tmp_path: Path) -> None:
    team = team_of("s3")
    author = team.colleague(tmp_path / "author")
    author.git("tag", "-a", "scorer@v1.0.0", "-m", "The first scorer")
    author.git("checkout", "-q", "trial")  # main moves on, and the tag stays
    author.git("branch", "-qf", "main", "trial")
    published = tmp_path / "essays.git"  # a bare repository: no cache to take data from
    subprocess.run(["git", "clone", "-q", "--bare", str(author.path), str(published)], check=True)

    subprocess.run(["git", "init", "-q", str(tmp_path / "new")], check=True)
    project = on_a_machine_of_its_own(Clone(tmp_path / "project", tmp_path / "new"))
    project.environment = author.environment | {"HOME": project.environment["HOME"]}
    project.dvc("init", "-q")
    follow(project, documented("model", {GIT_URL: str(published)}))
    follow(project, documented("splits", {GIT_URL: str(published)}))

    first = _files(pulled.path / "models/scorer")
    changed = {Path(SCORER).name: first[Path(SCORER).name] + b"\n"}
    assert _files(project.path / "scorer") == first | changed  # the branch
    assert _files(project.path / "scorer-v1") == _files(project.path / "scorer-latest") == first
    assert _files(project.path / "splits") == _files(pulled.path / "data/splits")
    imported = project.text("splits.dvc")
    assert "rev_lock" in imported
    assert not [secret for secret in team.secrets if secret in imported]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_remote_with_a_password_for_whoever_has_no_clone(team_of: TeamOf, tmp_path: Path) -> None:
    team = team_of("webdav")
    published = tmp_path / "essays.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(team.computed.path), str(published)], check=True)
    clone = team.colleague(tmp_path / "elsewhere")
    settings = shutil.move(clone.path / ".dvc/config.local", tmp_path / "team.config")
    get = ("get", str(published), "models/scorer", "--rev", "main", "--out", str(tmp_path / "scorer"))
    assert "401" in clone.try_dvc(*get).stderr
    clone.dvc(*get, "--config", str(settings))
    assert (tmp_path / "scorer/model.safetensors").is_file()


def test_metrics_of_a_commit_older_than_the_remote(team_of: TeamOf, tmp_path: Path) -> None:
    team = team_of("webdav")
    clone = team.colleague(tmp_path / "bia")  # whose credentials are for a remote that the commit does not know
    before = clone.git("rev-parse", "main~").strip()
    clone.git("checkout", "-q", "trial")
    follow(clone, documented("older", {"webdavs://server.example.org/essays": team.address["url"]}))
    changed = json.loads(clone.dvc("metrics", "diff", before, "--json"))
    assert "diff" in changed["metrics/headline.json"]["test.qwk"]
    assert clone.git("status", "--porcelain") == ""


def test_what_gc_deletes_comes_back_and_what_it_would_delete_for_all(
    team_of: TeamOf, pulled: Clone, tmp_path: Path
) -> None:
    team = team_of("folder")
    clone = team.colleague(tmp_path / "ana", cache=True)
    clone.git("branch", "-q", "trial", "origin/trial")
    clone.dvc("checkout")
    of_trial = {md5((pulled.path / SCORER).read_bytes() + b"\n"), _scorer_hash(clone, "trial")}
    assert of_trial <= set(cached(clone))
    clone.dvc("gc", "--workspace", "-f")
    assert not of_trial & set(cached(clone))
    assert UP_TO_DATE in clone.dvc("repro")
    assert outputs(clone) == outputs(pulled)

    clone.git("checkout", "-q", "trial")
    clone.dvc("pull")
    assert clone.text(SCORER) == (pulled.path / SCORER).read_text() + "\n"
    shutil.rmtree(clone.path / ".dvc/cache")
    clone.dvc("pull")
    assert of_trial <= set(cached(clone))
    assert damaged(cached(clone)) == []

    def would_delete(*flags: str) -> set[str]:
        told = colleague.dvc("gc", *flags, "--cloud", "--dry")
        removed = re.findall(rf"Removing {re.escape(team.address['url'])}/files/md5/(\S+)", told)
        return {name.replace("/", "") for name in removed}

    colleague = team.colleague(tmp_path / "bia")  # has main alone, and trial as the branch of a colleague
    tried = md5(b"pushed, and named by no commit")
    kept = Path(team.address["url"], "files/md5", tried[:2], tried[2:])
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"pushed, and named by no commit")
    assert would_delete("--workspace") == would_delete("--all-branches") == {tried, *of_trial}
    assert would_delete("--all-commits") == {tried}


def _scorer_hash(clone: Clone, revision: str | None = None) -> str:
    text = clone.git("show", f"{revision}:dvc.lock") if revision else clone.text("dvc.lock")
    lock = YAML(typ="safe", pure=True).load(text)
    return next(out["md5"] for out in lock["stages"]["train"]["outs"] if out["path"] == "models/scorer")


@pytest.mark.slow
def test_a_run_that_was_tried_and_never_committed_is_not_trained_again(team_of: TeamOf, tmp_path: Path) -> None:
    team = team_of("s3")
    tried = {"train.learning_rate": "0.002"}
    clone = team.colleague(tmp_path / "ana", cache=True)
    clone.dvc("checkout")
    clone.set(**tried)
    assert ran(clone.dvc("repro", "train")) == ["check", "train"]
    clone.dvc("push", "--run-cache")
    result = _files(clone.path / "models/scorer"), _scorer_hash(clone)
    clone.git("checkout", "-q", ".")

    colleague = team.colleague(tmp_path / "bia")
    colleague.dvc("pull", "--run-cache")
    colleague.set(**tried)
    output = colleague.dvc("repro", "--pull")
    assert "Stage 'train' is cached - skipping run" in output
    assert set(ran(output)) == {"evaluate", "crossval"}
    assert (_files(colleague.path / "models/scorer"), _scorer_hash(colleague)) == result
    assert damaged(cached(colleague)) == []


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "wrong", "refused", "fault", "says"),
    [
        pytest.param("webdav", {"password": "errada"}, "401", {"cut_after": 5000}, "failed to transfer", id="webdav"),
        pytest.param(
            "http", {}, "Checkout failed", {"status": 500, "methods": ("GET", "HEAD")}, "Checkout failed", id="http"
        ),
        pytest.param("s3", {}, "Forbidden", {"cut_after": 5000}, "failed to transfer", id="s3", marks=slow),
        pytest.param("ssh", {"keyfile": "stranger"}, "Permission denied", {}, "Connection", id="ssh", marks=slow),
    ],
)
def test_a_pull_that_is_refused_and_one_that_is_broken_off(
    kind: str, wrong: dict[str, str], refused: str, fault: dict[str, Any], says: str, team_of: TeamOf, pulled: Clone, tmp_path: Path
) -> None:  # fmt: skip
    """What is there stays whole, and a pull from the healthy server brings the rest."""
    team = team_of(kind)
    clone = team.colleague(tmp_path / "bia")
    name = "metrics/predictions.csv"
    _has_pulled(clone, pulled, name)
    before = cached(clone)
    assert before

    good = clone.environment
    if kind != "http":  # which anybody may read
        clone.environment = good | {"AWS_SECRET_ACCESS_KEY": "x" * 40}
        team.configure(clone, **{key: str(getattr(team.server, value, value)) for key, value in wrong.items()})
        _fails(clone.try_dvc("pull"), refused)
        clone.environment = good
        assert (cached(clone), outputs(clone)) == (before, {name: (pulled.path / name).read_bytes()})

    between = Tunnel(team.server.port) if kind == "ssh" else Proxy(team.server.port)
    with servers.before(between):
        team.configure(clone, **team.place(port=between.port))
        if isinstance(between, Tunnel):
            had = set(clone.path.rglob(".dvc/cache/**/*"))
            between.cut_when = lambda: set(clone.path.rglob(".dvc/cache/**/*")) - had  # files are arriving
            _fails(clone.try_dvc("pull"), says)
            assert between.dropped
        else:
            between.fault = Fault(**fault)
            _fails(clone.try_dvc("pull"), says)
            assert between.fault.struck
    assert (clone.path / name).read_bytes() == (pulled.path / name).read_bytes()
    kept = cached(clone)
    assert damaged(kept) == []
    assert before.items() <= kept.items()
    assert outputs(clone) != outputs(pulled)

    team.configure(clone)
    clone.dvc("pull")
    assert damaged(cached(clone)) == []
    assert kept.items() <= cached(clone).items()  # nothing that was there is lost
    assert outputs(clone) == outputs(pulled)


def test_a_pull_waits_for_a_server_that_is_slow_and_asks_again_one_that_fails(
    team_of: TeamOf, pulled: Clone, tmp_path: Path
) -> None:
    team = team_of("http")
    clone = team.colleague(tmp_path / "bia")
    with servers.before(Proxy(team.server.port)) as proxy:
        proxy.fault = Fault(times=2, status=500, delay=0.5)
        team.configure(clone, **team.place(port=proxy.port))
        clone.dvc("pull")
        assert proxy.fault.struck == 2
    assert outputs(clone) == outputs(pulled)


def _has_pulled(clone: Clone, pulled: Clone, name: str) -> None:
    """Put an output where `dvc pull` of it would, which costs a test less."""
    content = (pulled.path / name).read_bytes()
    (clone.path / name).write_bytes(content)
    kept = Path(".dvc/cache/files/md5", md5(content)[:2], md5(content)[2:])
    (clone.path / kept).parent.mkdir(parents=True)
    shutil.copy(pulled.path / kept, clone.path / kept)


def _fails(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode != 0
    assert "ERROR" in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], object]]:
    """A file system of 160 KiB, fewer than the outputs take; the function that is yielded makes room."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system of a given size can be mounted here: {done.stderr.strip()}")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=10m", str(folder)], check=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _is_pushed(team: Team, clone: Clone, place: dict[str, str], pulled: Clone, path: Path) -> None:
    """A second push, to the healthy server, brings the rest, and a colleague pulls all of it."""
    team.configure(clone, **place)
    clone.dvc("push")
    colleague = team.colleague(path, **place)
    colleague.dvc("pull")
    assert outputs(colleague) == outputs(pulled)


@pytest.mark.parametrize("kind", ["webdav", pytest.param("s3", marks=slow)])
def test_a_push_to_a_server_that_says_it_is_full(kind: str, team_of: TeamOf, pulled: Clone, tmp_path: Path) -> None:
    team = team_of(kind)
    clone = team.colleague(tmp_path / "ana", cache=True)
    with servers.before(Proxy(team.server.port)) as proxy:
        proxy.fault = Fault(("PUT",), status=507)
        team.configure(clone, **team.place("full", proxy.port))
        _fails(clone.try_dvc("push"), "failed to transfer")
    _is_pushed(team, clone, team.place("full"), pulled, tmp_path / "bia")


def test_a_push_to_a_full_disk(team_of: TeamOf, pulled: Clone, tmp_path: Path) -> None:
    team = team_of("folder")
    place = team.place("disk")
    clone = team.colleague(tmp_path / "ana", cache=True, **place)
    with small_disk(Path(place["url"])) as make_room:
        _fails(clone.try_dvc("push"), "failed to transfer")
        make_room()
        _is_pushed(team, clone, place, pulled, tmp_path / "bia")


@slow
def test_a_push_that_is_dropped(team_of: TeamOf, pulled: Clone, tmp_path: Path) -> None:
    team = team_of("ssh")
    clone = team.colleague(tmp_path / "ana", cache=True)
    place = team.place("dropped")
    there = Path(urlsplit(place["url"]).path, "files/md5")
    with servers.before(Tunnel(team.server.port)) as between:
        between.cut_when = lambda: any(path.is_file() for path in there.rglob("*"))  # files are being sent
        team.configure(clone, **team.place("dropped", between.port))
        _fails(clone.try_dvc("push"), "failed to transfer")
        assert between.dropped
    _is_pushed(team, clone, place, pulled, tmp_path / "bia")


@slow
def test_an_object_that_a_dropped_push_left_truncated_is_found_and_mended(
    team_of: TeamOf, pulled: Clone, tmp_path: Path
) -> None:
    team = team_of("webdav")
    place = team.place("dropped")
    clone = team.colleague(tmp_path / "ana", cache=True)
    with servers.before(Proxy(team.server.port)) as proxy:
        proxy.fault = Fault(("PUT",), cut_after=5000)
        team.configure(clone, **team.place("dropped", proxy.port))
        _fails(clone.try_dvc("push"), "failed to transfer")
    team.configure(clone, **place)
    clone.dvc("push")  # which takes the truncated objects for whole

    colleague = team.colleague(tmp_path / "bia", **place)
    command = "dvc pull --verbose 2>&1 | grep corrupted"
    assert command in GUIDE
    done = colleague.try_dvc("pull", "--verbose")
    assert done.returncode != 0
    assert "Checkout failed" in done.stderr
    assert damaged(cached(colleague)) == []
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "corrupted" in line]
    named = re.findall(r"\.dvc/cache/(files/md5/\w\w/\w+)", "\n".join(lines))
    assert named
    credentials = b64encode(f"{team.server.user}:{team.server.password}".encode()).decode()
    for name in named:
        url = f"{place['url'].replace('webdav://', 'http://')}/{name}"
        content = (clone.path / ".dvc/cache" / name).read_bytes()
        request = urllib.request.Request(url, content, {"Authorization": f"Basic {credentials}"}, method="PUT")
        urllib.request.urlopen(request).close()
    colleague.dvc("pull")
    assert outputs(colleague) == outputs(pulled)
