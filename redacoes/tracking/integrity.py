"""Hash every output and its objects in the DVC cache, and compare the hashes with dvc.lock.

DVC trusts cache objects that are read-only, remotes without `verify = true`, and files whose time and size are those
that it remembers: a byte flipped in any of them passes `dvc pull`, `dvc checkout` and `dvc repro`. This module trusts
only dvc.lock and the .dvc files, which git keeps. It changes nothing, and reports each fault with the command that
repairs it. DVC is imported only when it is needed, and TensorFlow never.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Container, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from redacoes.errors import UserError
from redacoes.tracking.dvc_hashes import HASH, Reader, list_md5

Kind = Literal["corrupt", "missing", "unexpected", "unsafe", "absent"]


@dataclass(frozen=True)
class Finding:
    """A difference between dvc.lock and the files.

    Attributes:
        kind: corrupt (other bytes than dvc.lock names), missing (half of something is here, and this is not, or it
            exists nowhere), unexpected (a file that no output should hold), unsafe (dvc.lock leads out of the output's
            folder), or absent, which alone is no error: not pulled, or not made yet.
        output: The output, from the project's folder.
        file: The file in it, or empty for the output itself.
        where: The damaged file or cache object, or where it should be.
        what: What is wrong, in a sentence.
        remedy: A shell command for the project's folder that mends all that is wrong with the output, or empty.
    """

    kind: Kind
    output: str
    file: str
    where: Path
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
        files: Files that were hashed in the workspace.
        elsewhere: Outputs on a server of their own, which are not checked.
        objects: Objects that were hashed in the cache.
        size: Their bytes together; a file that is the object itself, by a link, counts twice.
    """

    findings: list[Finding]
    outputs: int
    elsewhere: int
    files: int
    objects: int
    size: int

    @property
    def errors(self) -> list[Finding]:
        """The findings that must be mended."""
        return [finding for finding in self.findings if finding.is_error]

    @property
    def absent(self) -> list[Finding]:
        """The outputs that are not here, or in one of two places alone, which is no error."""
        return [finding for finding in self.findings if not finding.is_error]

    def summary(self) -> str:
        """Return one line that says what was checked and with which result."""
        parts = [
            f"{self.outputs} outputs, {self.files} files and {self.objects} cache objects hashed ({self.size:,} bytes)",
            f"{len(self.errors) or 'none'} damaged",
        ]
        if self.absent:
            parts.append(f"{len(self.absent)} not pulled or not made yet, which is not an error")
        if self.elsewhere:
            parts.append(f"{self.elsewhere} outside this machine, which are not checked")
        return "; ".join(parts)


def verify(root: Path, progress: bool, only: Container[str] | None = None) -> Report:
    """Hash every output of the DVC project in `root`, and its objects in the cache, and compare with dvc.lock.

    Args:
        root: The project's folder.
        progress: Whether to draw a progress bar, in bytes, on stderr.
        only: The outputs to look at, from the project's folder, or None for all.

    Returns:
        What was looked at and what was found; an empty list of errors means that all that is here is what dvc.lock
        says.

    Raises:
        UserError: DVC cannot read the project: no `.dvc`, or a broken dvc.yaml, dvc.lock, .dvc file or configuration.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError
    from tqdm import tqdm

    try:
        with Repo(str(root)) as repo:
            every = [out for out in _outs(repo) if only is None or _path(out, repo) in only]
            outs = sorted((out for out in every if out.protocol == "local"), key=lambda out: out.fs_path)
            total = sum(out.meta.size or 0 for out in outs for place in _places(out) if place.exists())
            with tqdm(total=total, unit="B", unit_scale=True, desc="verify", disable=not progress) as bar:
                reader = Reader(bar)
                outputs = [_Output(out, repo, reader) for out in outs]
                bar.total = bar.n  # lists of files have sizes that dvc.lock does not know
            findings = [finding for output in outputs for finding in output.findings()]
    except (DvcException, SCMError) as error:
        raise UserError(f"{root}: DVC cannot read this project: {' '.join(str(error).split())}") from error
    return Report(
        findings,
        outputs=len(outputs),
        elsewhere=len(every) - len(outs),
        files=sum(len(output.files) for output in outputs),
        objects=sum(bool(found) for output in outputs for _, found, _ in output.objects.values()),
        size=reader.size,
    )


def _outs(repo: Any) -> list[Any]:
    try:
        return list(repo.index.outs)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # DVC takes types in dvc.lock for granted
        raise UserError(f"{repo.root_dir}: DVC cannot read this project: {error}; see dvc.lock") from error


def _path(out: Any, repo: Any) -> str:
    return Path(repo.fs.relpath(out.fs_path, repo.root_dir)).as_posix()


def _places(out: Any) -> Iterator[Path]:
    yield Path(out.fs_path)
    if out.use_cache and HASH.fullmatch(out.hash_info.value or ""):
        yield Path(out.cache.oid_to_path(out.hash_info.value))


def _read_listing(path: Path) -> dict[str, str] | None:
    """Return the hash of each file of a folder, or None where a name leads out of it: DVC would write there."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (ValueError, KeyError, TypeError):
        return None
    inside = all({"", ".", ".."}.isdisjoint(re.split(r"[/\\\\]", file)) for file in files)
    return files if inside and all(map(HASH.fullmatch, files.values())) else None


LISTING = "/"  # stands for a folder's list of files among its objects: no file has this name


class _Output:
    """What dvc.lock says of an output, what is there of it, and how it is mended.

    Attributes:
        files: The hash of each file in the workspace; that of an output that is no folder is ``""``.
        found: The hash of what is in the workspace, as dvc.lock would have it, or empty.
        expected: The hash that each file must have; None where the list of files is damaged or not here.
        objects: Of each file, the object in the cache, the hash found, empty where there is none, and the one due.
    """

    def __init__(self, out: Any, repo: Any, reader: Reader) -> None:
        self.out, self.repo, self.full, self.path = out, repo, Path(out.fs_path), _path(out, repo)
        self.label, self.target = _shown(self.path), shlex.quote(self.path)
        self.hash: str = (out.hash_info.value or "") if out.hash_info else ""
        self.found, self.unsafe = "", False
        self.files: dict[str, str] = {}
        self.expected: dict[str, str] | None = None
        self.objects: dict[str, tuple[Path, str, str]] = {}
        dvc_file = Path(out.stage.path_in_repo.split(":")[0])
        pipeline = dvc_file.as_posix() == "dvc.yaml"
        # in git, with the hash
        self.lock = (dvc_file.with_name("dvc.lock") if dvc_file.name == "dvc.yaml" else dvc_file).as_posix()
        # the target of `dvc repro`, or empty where no stage makes it
        target = ":".join(filter(None, ["" if pipeline else dvc_file.as_posix(), getattr(out.stage, "name", "")]))
        self.stage = target if out.stage.cmd else ""
        self.added = not out.stage.cmd and not out.stage.is_import
        if HASH.fullmatch(self.hash):
            self._read_workspace(reader)
            self._read_cache(reader)

    def _read_workspace(self, reader: Reader) -> None:
        algorithm = self.out.hash_name
        if self.full.is_dir():
            paths = map(Path, self.repo.dvcignore.find(self.out.fs, self.out.fs_path))
            hashes = {path.relative_to(self.full).as_posix(): reader.hash(path, algorithm) for path in paths}
            self.files = {file: found for file, found in hashes.items() if found}
            self.found = list_md5(self.files) if self.files else ""
        elif found := reader.hash(self.full, algorithm):
            self.files, self.found = {"": found}, found

    def _read_cache(self, reader: Reader) -> None:
        folder, place = self.hash.endswith(".dir"), self.out.cache.oid_to_path
        if not folder:
            self.expected = {"": self.hash}
        elif self.intact:  # the folder itself proves what its files must be, whatever the cache holds
            self.expected = self.files
        if self.out.use_cache and folder:
            listing, oid = Path(place(self.hash)), self.hash.removesuffix(".dir")
            self.objects[LISTING] = listing, reader.hash(listing), oid
            if self.objects[LISTING][1] == oid:
                listed = _read_listing(listing)
                self.expected, self.unsafe = listed or {}, listed is None
        if self.out.use_cache:
            for file, oid in (self.expected or {}).items():
                path = Path(place(oid))
                self.objects[file] = path, reader.hash(path, self.out.hash_name), oid

    @property
    def intact(self) -> bool:
        return self.found == self.hash

    def findings(self) -> list[Finding]:
        """Hold what was seen against what dvc.lock has."""
        if not self.hash:
            return [self._of_all("absent", f"{self.lock} has no hash of {self.label}", self._made())]
        if not HASH.fullmatch(self.hash):
            what = f"{self.lock} has {_shown(repr(self.hash))} as the hash of {self.label}, which is none"
            return [self._of_all("unsafe", f"{what}: ask who committed it", "")]
        if self.unsafe:
            what = f"the list of files of {self.label} names files outside it, which dvc checkout would write"
            return [self._of_all("unsafe", f"{what}: check nothing out, and ask who committed it", "")]
        here = any(found for file, (_, found, _) in self.objects.items() if file != LISTING or self.expected is None)
        if not self.files and not here:
            return [self._nothing_here()]
        if self.found and not self.intact and (finding := self._another_lock()):
            return [finding]
        if damage := list(self._damage()):
            remedy = self._remedy()
            return [Finding(kind, self.path, file, where, what, remedy) for kind, file, where, what in damage]
        if not self.found:
            what = f"{self.label} is in the cache alone"
            return [self._of_all("absent", what, f"dvc checkout {self.target}")]
        if lacking := self._lacking():
            what = (
                f"{self.label} is in the workspace, and {lacking} of its {len(self.objects)} objects not in the cache"
            )
            return [self._of_all("absent", f"{what}, which dvc push needs", f"dvc commit --no-relink {self.target}")]
        return []

    def _of_all(self, kind: Kind, what: str, remedy: str) -> Finding:
        return Finding(kind, self.path, "", self.full, what, remedy)

    def _lacking(self) -> int:
        """Return how many objects are not in the cache."""
        return sum(not found for _, found, _ in self.objects.values())

    def _nothing_here(self) -> Finding:
        if not self.out.use_cache:
            return self._of_all("missing", f"{self.label} is missing, and git alone keeps it", self._remedy())
        served = self._served()
        if served or (served is None and self.stage):
            return self._of_all("absent", f"{self.label} is neither in the workspace nor in the cache", self._fetched())
        what = f"{self.label} exists nowhere that this clone knows of: neither here, nor in the cache, nor on a remote"
        return self._of_all("missing", what, self._fetched())

    def _another_lock(self) -> Finding | None:
        """Return a finding where the output is whole, and it is dvc.lock that differs."""
        what = f"{self.lock} has {self.hash} for {self.label}, which is {self.found}"
        if self._committed() == self.found:
            remedy = f"git checkout HEAD -- {shlex.quote(self.lock)}"
            return self._of_all("corrupt", f"{what}, as {self.lock} of the last commit has it", remedy)
        stored = self.out.use_cache and Path(self.out.cache.oid_to_path(self.found)).exists()
        if stored and self._lacking() == len(self.objects):
            # what is here may be all that there is: a pull that fails would have removed it
            remedy = self._made() or f"dvc add {self.target}"
            return self._of_all("corrupt", f"{what} here and in the cache, which has no object of the former", remedy)
        return None

    def _damage(self) -> Iterator[tuple[Kind, str, Path, str]]:
        """Yield kind, file, place and sentence of all that is wrong."""
        again = "; verify again once it is mended" if self.expected is None else ""
        for file, (path, found, oid) in self.objects.items():
            if found not in ("", oid):
                name = f"{self.label} (its list of files)" if file == LISTING else self._name(file)
                what = f"the cache object {self._place(path)} of {name} {_fault(found, oid)}{again}"
                yield "corrupt", "" if file == LISTING else file, path, what
        if again and self.files:
            what = f"{self.label} is not what {self.lock} has ({self.found}, not {self.hash}), whose list of files"
            yield "corrupt", "", self.full, f"{what} is damaged or not in the cache{again}"
            return
        expected = self.expected or {}
        keep = f"; `dvc add {self.target}` keeps it as it is now" if self.added else ""
        for file, oid in expected.items():
            name, found = self._name(file), self.files.get(file, "")
            stored = file in self.objects and self.objects[file][1]
            if found not in ("", oid):
                yield "corrupt", file, self.full / file, f"{name} {_fault(found, oid)}{keep}"
            elif not found and (self.files or not stored):
                yield "missing", file, self.full / file, f"{name} is missing, and others of its output are here"
        for file in sorted(self.files.keys() - expected.keys()):
            what = f"{self._name(file)} is not a file of {self.label} in {self.lock}"
            yield "unexpected", file, self.full / file, what

    def _remedy(self) -> str:
        """Return the command that mends all that is wrong with the output.

        What is damaged is removed before DVC is asked for it again: DVC may remember it as good.
        """
        from dvc_data.hashfile.hash import fobj_md5

        if not self.out.use_cache:
            if fobj_md5(BytesIO(self._in_commit(self.path)), name=self.out.hash_name) == self.hash:
                return f"git checkout HEAD -- {self.target}"
            return self._made()
        removed = [path for path, found, oid in self.objects.values() if found not in ("", oid)]
        if self.intact:
            command = f"dvc commit --no-relink {self.target}"
        elif removed or self._lacking() or self.expected is None:
            command = self._fetched()
        else:
            command = f"dvc checkout --force {self.target}"
        if not self.intact:
            removed.append(self.full)
        return f"rm -rf {' '.join(shlex.quote(self._place(path)) for path in removed)} && {command}"

    def _fetched(self) -> str:
        if self._served():
            return f"dvc pull --force {self.target}"
        return self._made() or f"cp -r ORIGINAL {self.target} && dvc add {self.target}"

    def _made(self) -> str:
        return f"dvc repro {shlex.quote(self.stage)}" if self.stage else ""

    def _served(self) -> bool | None:
        """Tell whether `dvc pull` may find it, as far as is known without a network; None where there is no remote."""
        from dvc.exceptions import DvcException

        if self.out.stage.is_import:
            return True
        name = self.out.remote or self.repo.config["core"].get("remote")
        if not name:
            return None
        try:
            objects = self.repo.cloud.get_remote_odb(name, hash_name=self.out.hash_name)
        except DvcException:  # a versioned remote, whose objects have no name by hash
            return True
        return bool(objects.fs.protocol != "local" or objects.exists(self.hash))

    def _name(self, file: str) -> str:
        return _shown(f"{self.path}/{file}" if file else self.path)

    def _place(self, path: Path) -> str:
        root = self.repo.root_dir
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _in_commit(self, path: str) -> bytes:
        command = ["git", "show", f"HEAD:./{path}"]
        done = subprocess.run(command, cwd=self.repo.root_dir, capture_output=True, check=False)
        return b"" if done.returncode else done.stdout

    def _committed(self) -> str:
        """Return the hash of the output in the commit's own dvc.lock or .dvc file, or empty."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            content = YAML(typ="safe", pure=True).load(self._in_commit(self.lock).decode())
            entry = content["stages"][self.out.stage.name] if self.lock.endswith("dvc.lock") else content
            return next(str(found.get("md5", "")) for found in entry["outs"] if found["path"] == self.out.def_path)
        except (StopIteration, KeyError, TypeError, AttributeError, UnicodeDecodeError, YAMLError):
            return ""


def _fault(found: str, oid: str) -> str:
    if not HASH.fullmatch(found):
        return f"cannot be read ({found})"
    return f"holds other bytes than it should (md5 {found}, not {oid})"


def _shown(text: str) -> str:
    """Return `text`, or its representation where a terminal would obey a character of it."""
    return text if text.isprintable() else repr(text)
