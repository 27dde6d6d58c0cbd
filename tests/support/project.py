"""Clones of this project in which tests run the real `dvc` on small parameters."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from tests.support import BIN, PARAMS_FILE, ROOT, dvc_server

UP_TO_DATE = "Data and pipelines are up to date."
KEPT = ROOT / ".work" / "tests"  # git-ignored; `make clean` removes it
STATUS = "status"  # file beside the origin: the output of git status between its run and the commit
TOLD = "told"  # file beside the origin: the standard error of that run
DAY = 24 * 3600  # seconds


class Folder:
    """A folder with the project's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def text(self, path: str) -> str:
        return (self.path / path).read_text(encoding="utf-8")

    def git(self, *arguments: str) -> str:
        """Run git, without a refresh of its index."""
        environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0"}
        done = subprocess.run(["git", *arguments], cwd=self.path, env=environment, capture_output=True, text=True)
        return checked(done).stdout


class Clone(Folder):
    """A git clone of the project, as a user has it."""

    def __init__(self, path: Path, source: Path = ROOT) -> None:
        super().__init__(path)
        self.environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["git", "clone", "-q", str(source), str(path)], check=True, capture_output=True)
        for name, value in {"user.name": "Teste", "user.email": "teste@example.org"}.items():
            self.git("config", name, value)

    def copy(self, path: Path) -> "Clone":
        """Return a copy of this clone, with everything computed or fetched in it."""
        shutil.copytree(self.path, path, symlinks=True)
        other: Clone = Clone.__new__(Clone)
        other.path, other.environment = path, dict(self.environment)
        return other

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in its own process."""
        done = subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, env=self.environment, check=False, timeout=800
        )
        return checked(done) if check else done

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).stdout

    def dvc(self, *arguments: str) -> str:
        """Run `dvc`, which must succeed, and return its output."""
        return checked(self.try_dvc(*arguments)).stdout

    def try_dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `dvc`, and return how it ended."""
        return dvc_server.run(arguments, self.path, self.environment)

    def set(self, **values: str) -> None:
        """Set parameters, as `section.key`, as `dvc exp run -S` would write them."""
        from ruamel.yaml import YAML

        yaml = YAML()
        path = self.path / "params.yaml"
        content = yaml.load(path.read_text(encoding="utf-8"))
        for key, value in values.items():
            *sections, name = key.split(".")
            section = content
            for part in sections:
                section = section[part]
            section[name] = YAML(typ="safe", pure=True).load(value)
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(content, file)

    def configure(self, text: str) -> None:
        """Write `.dvc/config.local`, as `dvc remote add --local` and `dvc config --local` would."""
        (self.path / ".dvc" / "config.local").write_text(text, encoding="utf-8")


def checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        raise AssertionError(f"{done.args} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def remote(url: Path | str, name: str = "time") -> str:
    """Return the configuration of a default remote that is verified, as in the guide."""
    return f"[core]\n    remote = {name}\n['remote \"{name}\"']\n    url = {url}\n    verify = true\n"


def ran(output: str) -> list[str]:
    """The stages that `dvc repro` ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def working_tree() -> Iterator[str]:
    """Yield the names of all files of the working tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    yield from sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


def lay_out(target: Path) -> None:
    """Copy the files of the working tree over the clone in `target`."""
    for name in working_tree():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def _is_the_users(name: str) -> bool:
    """Tell whether a file is one that users replace with their own."""
    own = ("metrics/", ".dvc/config")
    return name in ("params.yaml", "dvc.lock") or name.startswith(own) or (name.startswith("data/") and name.endswith(".dvc"))  # fmt: skip


def project(target: Path) -> None:
    """Give the clone in `target` the tests' parameters, without files of the user or a recorded run."""
    lay_out(target)
    for path in list(target.rglob("*")):
        if path.is_file() and _is_the_users(path.relative_to(target).as_posix()):
            path.unlink()
    shutil.copy2(PARAMS_FILE, target / "params.yaml")
    (target / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")


def _key() -> str:
    """A hash of all that a run on the tests' parameters depends on; of the tests, only these parameters."""
    digest = hashlib.sha256(f"{sys.version}{BIN}".encode())
    for name in working_tree():
        if not _is_the_users(name) and (not name.startswith("tests/") or ROOT / name in (PARAMS_FILE, Path(__file__))):
            digest.update(f"{name}\0".encode() + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def computed() -> tuple[Folder, Clone]:
    """Return a colleague's repository, with a run on small parameters, and a clone of it with all outputs.

    They are made once for all workers and sessions of pytest, and again when the project has changed. No test runs
    anything in the first or changes it; tests work in copies of the second.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    place = KEPT / _key()
    origin_path, clone_path = place / "redações do time", place / "clone"
    with FileLock(KEPT / "lock"):
        if not (place / "done").exists():
            for old in KEPT.iterdir():
                if old == place or (old.is_dir() and time.time() - old.stat().st_mtime > DAY):
                    shutil.rmtree(old)
            _compute(origin_path, clone_path)
            (place / "done").touch()
    clone: Clone = Clone.__new__(Clone)
    clone.path = clone_path
    clone.environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return Folder(origin_path), clone


def _compute(origin_path: Path, clone_path: Path) -> None:
    origin = Clone(origin_path)
    project(origin.path)
    for name in ("HOME", "TMPDIR"):  # a run must leave these folders unchanged
        origin.environment[name] = str(origin_path.with_name(name))
        Path(origin.environment[name]).mkdir()
    keras = Path(origin.environment["HOME"], ".keras", "keras.json")  # files in the home folder must not affect results
    keras.parent.mkdir()
    keras.write_text('{"floatx": "float64", "epsilon": 0.01}')
    origin.git("checkout", "-q", "--orphan", "start")  # no history: DVC reads all of it when asked for all commits
    origin.git("add", "-A")
    origin.git("commit", "-qm", "Small parameters")
    origin.git("branch", "-q", "-M", "main")
    origin_path.with_name(TOLD).write_text(origin.run("dvc", "repro").stderr, encoding="utf-8")
    origin_path.with_name(STATUS).write_text(origin.git("status", "--porcelain", "--untracked-files=all"))
    origin.git("add", "-A")
    origin.git("commit", "-qm", "Record a run")
    origin.git("gc", "-q")  # else each copy has twice as many files, mostly loose objects
    clone = Clone(clone_path, origin_path)
    shutil.copytree(origin_path / ".dvc" / "cache", clone_path / ".dvc" / "cache")
    checked(clone.run("dvc", "checkout"))
