"""Read a revision's parameters, lock, metrics and predictions from git, the DVC cache or a remote.

A revision is a branch, a tag, a commit, the name of an experiment, or the workspace. Files come from git, the cache or
a remote, through DVC's own file system; nothing is checked out.
"""

import io
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from subprocess import run
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from redacoes.errors import UserError, first_line, nearest
from redacoes.layout import CROSSVAL, CROSSVAL_PREDICTIONS, PARAMS, PREDICTIONS

WORKSPACE = "workspace"
# of a branch, here or of a remote, a tag, or an experiment, which DVC keeps under the hash of its commit
REF = re.compile(r"refs/(?:heads|tags|remotes/[^/]+|exps/[0-9a-f]{2}/[0-9a-f]{38})/(?P<name>.+)")


class Revision:
    """One revision of the project in a folder.

    Attributes:
        name: As the user gave it.
        root: The project's folder.
        commit: Its hash; None for the workspace.
        in_git: Whether git can tell more of it.
    """

    in_git = True

    def __init__(self, name: str, root: Path) -> None:
        """Find the revision.

        Args:
            name: Of the revision; ``workspace`` for the files as they are.
            root: The project's folder.

        Raises:
            UserError: There is no such revision, or `root` is not a DVC project.
        """
        from dvc.api import DVCFileSystem
        from dvc.config import Config
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.scm import RevError

        self.name, self.root = name, root
        try:
            # today's remotes: an older commit knows only those of its time
            config = Config(str((root / ".dvc").absolute()), validate=False)
            remotes = {section: config[section] for section in ("core", "remote") if section in config}
            rev = None if name == WORKSPACE else name
            self._files = DVCFileSystem(str(root), rev=rev, config=remotes)
            self.commit: str | None = None if name == WORKSPACE else self._files.repo.get_rev()
        except NotDvcRepoError as error:
            raise UserError(f"{root} is not the project's folder, which holds .dvc; run this from there") from error
        except (RevError, DvcException) as error:
            hint = nearest(name, names(root)) or "; see git branch -a and dvc exp list -A"
            raise UserError(f"{name!r} is not a branch, tag, commit or experiment here{hint}") from error

    def text(self, path: str) -> str:
        """Return the text of a file of the revision.

        Raises:
            UserError: The revision has no such file, or it is neither in the cache nor in a remote.
        """
        with self._held(path):
            data: bytes = self._files.cat_file(f"/{path}")
            return data.decode("utf-8")

    def copy(self, path: str, target: Path) -> None:
        """Copy a file or a folder of the revision to `target`, which must not exist.

        Raises:
            UserError: The revision has no such path, or it is neither in the cache nor in a remote.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._held(path):
            self._files.get(f"/{path}", str(target), recursive=True)

    @contextmanager
    def _held(self, path: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each remote raises exceptions of its own
            raise UserError(self._why(path, error)) from error

    def _why(self, path: str, error: Exception) -> str:
        """Say why a file of the revision cannot be had, and what to do about it."""
        remote = self._files.repo.config.get("core", {}).get("remote")
        if self.name == WORKSPACE:
            if not self._made(path):
                return f"{path} is not here: {_back(path)}"
            return f"{path} is not here: dvc repro makes it" + (", or dvc pull fetches it" if remote else "")
        if not isinstance(error, FileNotFoundError):
            told = f"{type(error).__name__}: {first_line(error)}"
            return f"{path} of {self.name} cannot be read from the remote {remote}; dvc fetch may say more ({told})"
        if not self._recorded(path):
            if not self._made(path):
                return f"{self.name} holds no {path}; name a revision that does"
            return f"{self.name} holds no {path}, since no run that makes it is committed there"
        own = f"; what was run here and is not committed is called {WORKSPACE}" if (self.root / path).is_file() else ""
        absent, make = f"{path} of {self.name} is not in this clone's cache", f"check {self.name} out and run dvc repro"
        if remote:
            return f"{absent}, nor on the remote {remote}: whoever ran it must dvc push, or {make}{own}"
        return f"{absent}, and there is no remote to dvc pull it from: name one that has it, or {make}{own}"

    def _made(self, path: str) -> bool:
        """Tell whether `dvc repro` makes a file, by the `dvc.yaml` of the revision."""
        dag = self._load("dvc.yaml") if self.holds("dvc.yaml") else None
        stages = (dag.get("stages") if isinstance(dag, dict) else None) or {}
        outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        return path == "dvc.lock" or _among(path, [out if isinstance(out, str) else next(iter(out)) for out in outs])

    def _recorded(self, path: str) -> bool:
        """Tell whether the `dvc.lock` of the revision names a file, or a folder in which it is."""
        if path == "dvc.lock" or not self.holds("dvc.lock"):
            return False
        return _among(path, [out["path"] for stage in self.lock.values() for out in stage.get("outs", [])])

    def yaml(self, path: str) -> dict[str, Any]:
        """Return the values that a YAML or JSON file of the revision holds, by name.

        Raises:
            UserError: As :meth:`text`, or it is neither YAML nor JSON, or holds no values.
        """
        found = self._load(path)
        if not isinstance(found, dict) or not found:
            raise UserError(f"{path} of {self.name} holds no values: {self._remedy(path)}")
        return found

    def _remedy(self, path: str) -> str:
        """Say what to do about a file that holds no values."""
        if self.name != WORKSPACE:
            return "name another revision"
        if path != "dvc.lock" and self._made(path):  # without a whole dvc.lock, dvc repro runs nothing
            return "dvc repro makes it anew"
        return _back(path)

    def _load(self, path: str) -> Any:
        try:
            return YAML(typ="safe", pure=True).load(self.text(path))
        except YAMLError as error:
            raise UserError(f"{path} of {self.name} is not valid YAML: {' '.join(str(error).split())}") from error

    @cached_property
    def lock(self) -> dict[str, Any]:
        """The stages of `dvc.lock`, by name."""
        stages: dict[str, Any] = self.yaml("dvc.lock").get("stages") or {}
        return stages

    @property
    def csv(self) -> str:
        """The file that the recorded run learnt from: `params.yaml` may name another that no run has read yet.

        Raises:
            UserError: `dvc.lock` has no run of `prepare`.
        """
        try:
            file: str = self.lock["prepare"]["params"][PARAMS]["data"]["csv"]
        except KeyError as error:
            raise UserError(f"dvc.lock of {self.name} records no run of prepare; run dvc repro") from error
        return file

    def hash_of(self, stage: str, path: str) -> str | None:
        """Return the hash that `dvc.lock` has of a stage's dependency or output, or None."""
        entries = [*self.lock[stage].get("deps", []), *self.lock[stage].get("outs", [])]
        return next((entry["md5"] for entry in entries if entry["path"] == path), None)

    def holds(self, path: str) -> bool:
        """Tell whether the revision has a file."""
        there: bool = self._files.exists(f"/{path}")
        return there

    def require_same_data(self, other: "Revision") -> None:
        """Raise UserError unless both revisions learnt from the same bytes: a row id leads back to one file alone."""
        mine, its = (revision.hash_of("prepare", revision.csv) for revision in (self, other))
        if mine != its:
            raise UserError(
                f"{self.name} was tested on essays of {self.csv} (md5 {mine}), and {other.name} on essays of "
                f"{other.csv} (md5 {its}), so their metrics cannot be paired; run both on the same file"
            )

    def predictions(self) -> pd.DataFrame:
        """Return `metrics/predictions.csv`, with the row id as index."""
        return pd.read_csv(io.StringIO(self.text(PREDICTIONS)), index_col="row")

    def crossval(self) -> pd.DataFrame | None:
        """Return the model's rows of `metrics/crossval.csv`, by repeat and row id, or None where it was off.

        Columns: fold, unit, and those of :meth:`predictions`.
        """
        if not self.holds(CROSSVAL) or "folds" not in self.yaml(CROSSVAL):
            return None
        table = pd.read_csv(io.StringIO(self.text(CROSSVAL_PREDICTIONS)), index_col=["repeat", "row"])
        return table.filter(regex=r"^(fold|unit|score|predicted|expected|p_\d+)$")


def _among(path: str, outs: Iterable[str]) -> bool:
    """Tell whether a file is one of the outputs, or in a folder that is."""
    return any(f"{path}/".startswith(f"{out}/") for out in outs)


def _back(path: str) -> str:
    return f"git checkout HEAD -- {shlex.quote(path)} brings the committed one back"


def names(root: Path) -> list[str]:
    """Return the names that :class:`Revision` accepts: branches, tags, experiments and the workspace."""
    command = ["git", "for-each-ref", "--format=%(refname)"]
    listed = run(command, cwd=root, capture_output=True, text=True, check=False).stdout.splitlines()
    return [WORKSPACE, *(found["name"] for found in map(REF.fullmatch, listed) if found)]


class Folder(Revision):
    """The files of a folder that is not a git clone, such as in a container, read as a workspace."""

    in_git = False

    def __init__(self, root: Path) -> None:
        """Take the files in `root` as they are."""
        self.name, self.root, self.commit = WORKSPACE, root, None

    def text(self, path: str) -> str:
        """Return the text of a file. Raises UserError where there is none."""
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self.root / path} cannot be read: {error.strerror}") from error

    def _remedy(self, path: str) -> str:
        return _back(path) if (self.root / ".git").exists() else "copy it from the project's clone"

    def holds(self, path: str) -> bool:
        """Tell whether there is a file."""
        return (self.root / path).exists()
