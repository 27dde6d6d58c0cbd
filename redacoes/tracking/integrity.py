"""Hash every output and its objects in the DVC cache, and compare the hashes with dvc.lock.

DVC trusts cache objects that are read-only, remotes without `verify = true`, and files whose time and size are those
that it remembers: a byte flipped in any of them passes `dvc pull`, `dvc checkout` and `dvc repro`. This module trusts
only dvc.lock and the .dvc files, which git keeps. It changes nothing, and reports each fault with the command that
repairs it. DVC is imported only when it is needed, and TensorFlow never.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from redacoes.errors import UserError
from redacoes.tracking.dvc_hashes import HASH, Reader, list_md5

Kind = Literal["corrupt", "missing", "unexpected", "unsafe", "absent"]


@dataclass(frozen=True)
class Finding:
    """A difference between dvc.lock and the files.

    Attributes:
        kind: corrupt (other bytes than dvc.lock names), missing (others of its output are here, or nothing can bring it
            back), unexpected (a file that is not in the output), unsafe (dvc.lock leads out of the output's folder), or
            absent, which alone is no error: not pulled, or not made yet.
        output: The output, from the project's folder.
        path: The file, from the project's folder, or the output itself.
        what: What is wrong, in a sentence; where no command mends it, also what to do.
        remedy: A shell command for the project's folder that mends all that is wrong with the output, or empty.
    """

    kind: Kind
    output: str
    path: str
    what: str
    remedy: str

    @property
    def is_error(self) -> bool:
        """Whether something must be mended."""
        return self.kind != "absent"

    def __str__(self) -> str:
        """Return the sentence, and the remedy on a line of its own."""
        return f"{self.kind}: {self.what}" + (f"\n    {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Report:
    """The result of a check: what was hashed, and what is wrong.

    Attributes:
        findings: In the order of the outputs.
        outputs: Outputs of dvc.lock and of .dvc files.
        files: Files and cache objects that were hashed.
        size: Their bytes together; a file that is the object itself, by a link, counts twice.
    """

    findings: list[Finding]
    outputs: int
    files: int
    size: int

    @property
    def errors(self) -> list[Finding]:
        """The findings that must be mended."""
        return [finding for finding in self.findings if finding.is_error]

    def summary(self) -> str:
        """Return one line that says what was checked and with which result."""
        absent = len(self.findings) - len(self.errors)
        return (
            f"{self.outputs} outputs, {self.files} files and cache objects hashed ({self.size:,} bytes); "
            f"{len(self.errors) or 'none'} damaged"
            + (f"; {absent} not pulled or not made yet, which is not an error" if absent else "")
        )


def verify(root: Path, progress: bool, only: Container[str] | None = None) -> Report:
    """Hash every output of the DVC project in `root`, and its objects in the cache, and compare with dvc.lock.

    Args:
        root: The project's folder. Outputs outside it are not looked at.
        progress: Whether to draw a progress bar, in outputs, on stderr.
        only: The outputs to look at, from the project's folder, or None for all.

    Returns:
        What was looked at and what was found; an empty list of errors means that all that is here is what dvc.lock
        says. Objects that a damaged list of files names are looked at only once that list is mended.

    Raises:
        UserError: DVC cannot read the project: no `.dvc`, or a broken dvc.yaml, dvc.lock, .dvc file or configuration.
    """
    from tqdm import tqdm

    reader = Reader()
    outs = [out for out in _outs(root) if only is None or _path(out) in only]
    bar = tqdm(sorted(outs, key=_path), desc="verify", unit="output", disable=not progress)
    findings = [finding for out in bar for finding in _Output(out, reader).findings()]
    return Report(findings, outputs=len(outs), files=reader.files, size=reader.size)


def _outs(root: Path) -> list[Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(root)) as repo:
            return [out for out in repo.index.outs if out.is_in_repo]
    # beyond its own exceptions, since DVC takes types in dvc.lock for granted
    except (DvcException, SCMError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{root}: DVC cannot read this project: {' '.join(str(error).split())}") from error


def _path(out: Any) -> str:
    return os.path.relpath(out.fs_path, out.repo.root_dir)


def _read_listing(path: Path) -> dict[str, str] | None:
    """Return the hash of each file of a folder, or None where a name leads out of it: DVC would write there."""
    try:
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, KeyError, TypeError):
        return None
    inside = all({"", ".", ".."}.isdisjoint(re.split(r"[/\\]", file)) for file in files)
    return files if inside and all(map(HASH.fullmatch, files.values())) else None


class _Output:
    """An output in dvc.lock, in the workspace and in the cache.

    Attributes:
        hash: In dvc.lock, or empty.
        files: The hash of each file in the workspace; a file that is itself the output is called ``.``.
        due: The hash that each must have; None where the list of files is damaged, unsafe or not here.
        found: The hash of all of them, as dvc.lock would have it, or empty.
        intact: Whether that is the hash in dvc.lock.
        cached: Whether the cache has all of it, or need not.
        damaged: The damaged cache objects, from the project's folder, and the file that each should hold.
    """

    def __init__(self, out: Any, reader: Reader) -> None:
        self.out, self.reader, self.root, self.path = out, reader, out.repo.root_dir, _path(out)
        self.target = shlex.quote(self.path)
        file, name = Path(out.stage.path_in_repo), getattr(out.stage, "name", "")
        self.lock = str(file.with_name("dvc.lock") if name else file)
        stage = f"{file}:{name}".removeprefix("dvc.yaml:")
        self.repro = f"dvc repro {shlex.quote(stage)}" if out.stage.cmd else ""
        self.hash: str = out.hash_info.value or ""
        self.unsafe = bool(self.hash) and not HASH.fullmatch(self.hash)
        self.files: dict[str, str] = {}
        self.due: dict[str, str] | None = None
        self.found, self.intact, self.cached = "", False, True
        self.damaged: dict[str, tuple[str, str]] = {}
        if self.hash and not self.unsafe:
            self._read_workspace()
            self._read_cache()

    def _name(self, file: str) -> str:
        return os.path.normpath(f"{self.path}/{file}")

    def _read_workspace(self) -> None:
        full, folder = self.out.fs_path, Path(self.out.fs_path).is_dir()
        paths = self.out.repo.dvcignore.find(self.out.fs, full) if folder else [full]
        found = {os.path.relpath(path, full): self.reader.hash(Path(path), self.out.hash_name) for path in paths}
        self.files = {file: oid for file, oid in found.items() if oid}
        self.found = list_md5(self.files) if folder else self.files.get(".", "")
        self.intact = self.found == self.hash

    def _read_cache(self) -> None:
        folder = self.hash.endswith(".dir")
        listing = folder and self.out.use_cache and self._read_object(self.path, self.hash)
        if not folder:
            self.due = {".": self.hash}
        elif self.intact:  # the folder itself proves what its files must be, whatever the cache holds
            self.due = self.files
        elif listing:
            self.due = _read_listing(listing)
            self.unsafe = self.due is None
        for file, oid in (self.due or {}).items() if self.out.use_cache else ():
            self._read_object(self._name(file), oid)

    def _read_object(self, name: str, oid: str) -> Path | None:
        """Hash a cache object, and return its path if it is what it should be."""
        path, due = Path(self.out.cache.oid_to_path(oid)), oid.removesuffix(".dir")
        found = self.reader.hash(path, self.out.hash_name)
        if found == due:
            return path
        self.cached = False
        if found:
            place = os.path.relpath(path, self.root)
            self.damaged[place] = name, f"the cache object {place} of {name} is {found}, not {due}"
        return None

    def findings(self) -> list[Finding]:
        """Hold what was seen against what dvc.lock has."""
        remedy, note = self._remedy(), ""
        if self.unsafe:
            note = ": check nothing out, and ask who committed it"
        elif self.hash and not remedy:
            note = f"; nothing here can make it again: put the original in its place, and run `dvc add {self.target}`"
        elif (self.files or self.damaged) and not self.intact:
            added = self.files and not self.repro and not self.out.stage.is_import
            note = "; the command discards what is here" + (f", and `dvc add {self.target}` keeps it" if added else "")
        faults = [(kind, path, what + note) for kind, path, what in self._faults(can_mend=bool(remedy))]
        # a terminal would obey control characters
        return [
            Finding(kind, self.path, path, what if what.isprintable() else repr(what), remedy)
            for kind, path, what in faults
        ]

    def _faults(self, can_mend: bool) -> Iterator[tuple[Kind, str, str]]:
        """Yield kind, path and sentence of all that is wrong."""
        if not self.hash:
            yield "absent", self.path, f"{self.lock} has no hash of {self.path}"
        elif self.unsafe:
            what = f"{self.lock} has {self.hash} for {self.path}, which is no hash, or names files outside it"
            yield "unsafe", self.path, what
        elif self.intact or self.files or self.damaged or not self.out.use_cache:
            yield from (("corrupt", name, what) for name, what in self.damaged.values())
            yield from self._faults_of_files()
        else:
            where = "in the cache alone" if self.cached else "neither in the workspace nor, as a whole, in the cache"
            yield "absent" if can_mend else "missing", self.path, f"{self.path} is {where}"

    def _faults_of_files(self) -> Iterator[tuple[Kind, str, str]]:
        files, due = (self.files, self.due) if self.due else ({".": self.found}, {".": self.hash})
        for file in sorted(files | due) if self.files or not self.out.use_cache else ():
            name, found, oid = self._name(file), files.get(file), due.get(file)
            if not found:
                yield "missing", name, f"{name} is missing"
            elif not oid:
                yield "unexpected", name, f"{name} is not a file of {self.path} in {self.lock}"
            elif found != oid:
                yield "corrupt", name, f"{name} is {found}, not {oid}"

    def _remedy(self) -> str:
        """Return the command that mends all that is wrong with the output, or empty.

        DVC may remember damaged files as good, so it gets to see none of them: objects are removed, and the workspace
        is set aside until what replaces it has come.
        """
        source = self._source()
        steps = [f"rm -f {' '.join(map(shlex.quote, self.damaged))}"] if self.damaged else []
        if self.files and not self.intact:
            aside = f"{self.path}.old"
            while os.path.lexists(f"{self.root}/{aside}"):  # what an earlier remedy could not replace
                aside += ".old"
            steps += [f"mv {self.target} {shlex.quote(aside)}", source, f"rm -rf {shlex.quote(aside)}"]
        else:
            steps += [source]
        return " && ".join(steps) if source else ""

    def _source(self) -> str:
        """Return the command that writes the output, or an intact one's objects, where there are none; or empty."""
        if self.unsafe or not self.hash:
            return "" if self.unsafe else self.repro
        if self.intact:
            return f"dvc commit --no-relink {self.target}"
        if not self.out.use_cache:
            command = ["git", "show", f"HEAD:./{self.path}"]
            shown = subprocess.run(command, cwd=self.root, capture_output=True, check=False).stdout
            committed = hashlib.md5(shown, usedforsecurity=False).hexdigest() == self.hash
            return f"git checkout HEAD -- {self.target}" if committed else self.repro
        if self.cached:
            return f"dvc checkout {self.target}"
        remote = self.out.stage.is_import or self.out.remote or self.out.repo.config["core"].get("remote")
        return f"dvc pull {self.target}" if remote else self.repro
