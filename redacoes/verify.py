"""Every output, and every object of it in the DVC cache, hashed anew and held against dvc.lock.

DVC trusts cache objects that are read-only, remotes without `verify = true`, and files whose time and size are those
that it remembers: a byte flipped in any of them passes `dvc pull`, `dvc checkout` and `dvc repro`. Here nothing is
trusted but dvc.lock and the .dvc files, which git keeps. Nothing is changed: what is wrong is named, with the commands
that mend it. DVC is imported when it is needed and not before, and TensorFlow never.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from redacoes.errors import UserError

Kind = Literal["altered", "truncated", "swapped", "unreadable", "missing", "unexpected", "lock", "unsafe", "absent"]

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Finding:
    """Something that is not as dvc.lock has it.

    Attributes:
        kind: altered (other bytes), truncated (cut short), swapped (the bytes of another output), unreadable, missing
            (half of something is here, and this is not), unexpected (a file that no output should hold), lock (what is
            here is whole, and dvc.lock names something else), unsafe (dvc.lock leads out of the output's folder), or
            absent, which alone is no error: not pulled, or not made yet.
        output: The output, from the project's folder.
        file: The file in it, or empty for the output itself.
        where: The damaged file or cache object, or where it should be.
        what: What is wrong, in a sentence.
        remedies: Shell commands for the project's folder. Each mends whatever is wrong with the output; the first is
            the cheapest.
    """

    kind: Kind
    output: str
    file: str
    where: Path
    what: str
    remedies: tuple[str, ...]

    @property
    def is_error(self) -> bool:
        """Whether something must be mended."""
        return self.kind != "absent"

    def __str__(self) -> str:
        """Return the sentence, and the remedies on lines of their own."""
        return "\n".join([f"{self.kind}: {self.what}", *map("    {}".format, self.remedies)])


@dataclass(frozen=True)
class Report:
    """What was looked at, and what is not as it should be.

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
            parts.append(f"{len(self.absent)} not pulled or not made yet, which is no error")
        if self.elsewhere:
            parts.append(f"{self.elsewhere} outside this machine, which are not checked")
        return "; ".join(parts)


@dataclass(frozen=True)
class _Seen:
    """A file that was looked at. It is not there when it has neither a hash nor a fault."""

    path: Path
    hash: str = ""
    size: int = 0
    fault: str = ""

    @property
    def there(self) -> bool:
        return bool(self.hash or self.fault)


class _Reader:
    """Hashes files as DVC does, each inode once: a link to a cache object is that object."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar
        self.size = 0
        self.hashes: dict[tuple[int, int, str], str] = {}

    def look(self, path: Path, algorithm: str) -> _Seen:
        from dvc_data.hashfile.hash import fobj_md5
        from tqdm.utils import CallbackIOWrapper

        try:
            status = path.stat()
            key = (status.st_dev, status.st_ino, algorithm)
            if key in self.hashes:
                self.bar.update(status.st_size)
            else:
                with path.open("rb") as file:
                    watched = cast(BinaryIO, CallbackIOWrapper(self.bar.update, file))
                    self.hashes[key] = fobj_md5(watched, name=algorithm)
        except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere, too
            return _Seen(path)
        except OSError as error:
            return _Seen(path, fault=error.strerror or str(error))
        self.size += status.st_size
        return _Seen(path, self.hashes[key], status.st_size)


@dataclass
class _Output:
    """What dvc.lock says of an output, and what is there of it. The file of an output that is no folder is ``""``."""

    out: Any
    path: str
    full: Path
    hash: str
    expected: dict[str, str] | None = None  # hash by file; None where the list of files is damaged or not here
    listing: _Seen | None = None  # the cache object that lists a folder's files
    workspace: dict[str, _Seen] = field(default_factory=dict)
    objects: dict[str, _Seen] = field(default_factory=dict)
    found: str = ""  # the hash of what is in the workspace, as dvc.lock would have it
    unsafe: bool = False  # whether the list of files is none, or leads out of the folder

    @property
    def folder(self) -> bool:
        return self.hash.endswith(".dir")

    @property
    def intact(self) -> bool:
        return self.found == self.hash

    @property
    def stored(self) -> list[_Seen]:
        """The objects that must be in the cache."""
        return [*filter(None, [self.listing]), *self.objects.values()]

    @property
    def lacking(self) -> int:
        """How many of them are not."""
        return sum(not seen.there for seen in self.stored)

    @property
    def stage(self) -> str:
        """The target of `dvc repro`, or empty where no stage makes it."""
        stage = self.out.stage
        if not stage.cmd:
            return ""
        file = Path(stage.path_in_repo.split(":")[0]).as_posix()
        name = getattr(stage, "name", None)
        return str(name) if file == "dvc.yaml" and name else f"{file}:{name}" if name else file

    @property
    def lock(self) -> str:
        """The file in git that holds the hash, from the project's folder."""
        file = Path(self.out.stage.path_in_repo.split(":")[0])
        return (file.with_name("dvc.lock") if file.name == "dvc.yaml" else file).as_posix()

    def label(self, file: str) -> str:
        return _shown(f"{self.path}/{file}" if file else self.path)


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
                reader = _Reader(bar)
                outputs = [_survey(out, repo, reader) for out in outs]
                bar.total = bar.n  # lists of files have sizes that dvc.lock does not know
            remote = _Remote(repo)
            known = _known(outputs)
            top = Path(repo.root_dir)
            findings = [finding for output in outputs for finding in _Judge(output, known, remote, top).findings()]
    except (DvcException, SCMError) as error:
        raise UserError(f"{root}: DVC cannot read this project: {' '.join(str(error).split())}") from error
    return Report(
        findings,
        outputs=len(outputs),
        elsewhere=len(every) - len(outs),
        files=sum(seen.there for output in outputs for seen in output.workspace.values()),
        objects=sum(seen.there for output in outputs for seen in output.stored),
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


def _survey(out: Any, repo: Any, reader: _Reader) -> _Output:
    full = Path(out.fs_path)
    output = _Output(out, _path(out, repo), full, out.hash_info.value or "" if out.hash_info else "")
    if not HASH.fullmatch(output.hash):
        return output
    algorithm = out.hash_name
    if full.is_dir():
        files = repo.dvcignore.find(out.fs, out.fs_path)
        output.workspace = {
            Path(file).relative_to(full).as_posix(): reader.look(Path(file), algorithm) for file in files
        }
        output.found = _digest({file: seen.hash for file, seen in output.workspace.items()}, algorithm)
    elif (seen := reader.look(full, algorithm)).there:
        output.workspace = {"": seen}
        output.found = seen.hash
    if not output.folder:
        output.expected = {"": output.hash}
    elif output.intact:  # the folder itself proves what its files must be, whatever the cache holds
        output.expected = {file: seen.hash for file, seen in output.workspace.items()}
    if out.use_cache:
        if output.folder:
            output.listing = reader.look(Path(out.cache.oid_to_path(output.hash)), "md5")
            if f"{output.listing.hash}.dir" == output.hash:
                listed = _read_listing(output.listing.path)
                output.expected, output.unsafe = listed or {}, listed is None
        output.objects = {
            file: reader.look(Path(out.cache.oid_to_path(oid)), algorithm)
            for file, oid in (output.expected or {}).items()
        }
    return output


def _digest(files: dict[str, str], algorithm: str) -> str:
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for file, oid in files.items():
        tree.add(tuple(file.split("/")), None, HashInfo(algorithm, oid))
    tree.digest()
    return str(tree.hash_info.value)


def _read_listing(path: Path) -> dict[str, str] | None:
    """Return the hash of each file of a folder, or None where a name leads out of it: DVC would write there."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (ValueError, KeyError, TypeError):
        return None
    inside = all({"", ".", ".."}.isdisjoint(re.split(r"[/\\\\]", file)) for file in files)
    return files if inside and all(map(HASH.fullmatch, files.values())) else None


def _known(outputs: Iterable[_Output]) -> dict[str, str]:
    """What dvc.lock says that each hash is, to tell of which output's bytes another one holds."""
    known: dict[str, str] = {}
    for output in outputs:
        for file, oid in (output.expected or {}).items():
            known.setdefault(oid, output.label(file))
        if output.folder:
            known.setdefault(output.hash.removesuffix(".dir"), f"the list of files of {output.path}")
    return known


class _Remote:
    """Where `dvc pull` gets outputs from, and whether that has an object, where no network is needed to tell."""

    def __init__(self, repo: Any) -> None:
        self.repo = repo
        self.default = repo.config["core"].get("remote")

    def serves(self, output: _Output) -> bool:
        return bool(self.default or output.out.remote or output.out.stage.is_import)

    def lacks(self, output: _Output) -> bool:
        from dvc.exceptions import DvcException

        name = output.out.remote or self.default
        if output.out.stage.is_import or not name:
            return False
        try:
            objects = self.repo.cloud.get_remote_odb(name, hash_name=output.out.hash_name)
        except DvcException:  # a versioned remote, whose objects have no name by hash
            return False
        return objects.fs.protocol == "local" and not objects.exists(output.hash)


class _Judge:
    """Holds what was seen of one output against what dvc.lock has of it."""

    def __init__(self, output: _Output, known: dict[str, str], remote: _Remote, root: Path) -> None:
        self.output, self.known, self.remote, self.root = output, known, remote, root
        self.stage, self.target = output.stage, shlex.quote(output.path)
        self.cached: bool = output.out.use_cache
        self.wrong: list[tuple[Kind, str, Path, str]] = []  # kind, file, where, what
        self.bad_objects: list[Path] = []
        self.bad_files: list[Path] = []

    def findings(self) -> list[Finding]:
        output = self.output
        if not output.hash:
            return [self._of_all("absent", f"{output.lock} has no hash of {output.label('')}", self._made())]
        if not HASH.fullmatch(output.hash):
            what = f"{output.lock} has {_shown(repr(output.hash))} as the hash of {output.label('')}, which is none"
            return [self._of_all("unsafe", f"{what}: ask who committed it", ())]
        if output.unsafe:
            what = f"the list of files of {output.label('')} names files outside it, which dvc checkout would write"
            return [self._of_all("unsafe", f"{what}: check nothing out, and ask who committed it", ())]
        here = any(seen.there for seen in [*output.workspace.values(), *output.objects.values()])
        if not here and not (output.listing and output.listing.there and output.expected is None):
            return [self._nothing_here()]
        if not output.intact and output.found and (finding := self._another_lock()):
            return [finding]
        if output.expected is None:
            self._without_list()
        else:
            self._objects(output.expected)
            self._files(output.expected)
        if not self.wrong:
            return self._halves()
        remedies = self._remedies()
        return [Finding(kind, output.path, file, where, what, remedies) for kind, file, where, what in self.wrong]

    def _of_all(self, kind: Kind, what: str, remedies: tuple[str, ...]) -> Finding:
        return Finding(kind, self.output.path, "", self.output.full, what, remedies)

    def _nothing_here(self) -> Finding:
        output = self.output
        label = output.label("")
        if not self.cached:
            return self._of_all("missing", f"{label} is missing, and git alone keeps it", self._remedies())
        if self.remote.lacks(output):
            what = f"{label} exists nowhere: neither here, nor in the cache, nor on the remote"
            return self._of_all("missing", what, self._made() or self._original())
        if not self.remote.serves(output) and not self.stage:
            what = f"{label} exists nowhere that this clone knows of: there is no remote, and no stage makes it"
            return self._of_all("missing", what, self._original())
        what = f"{label} is neither in the workspace nor in the cache"
        return self._of_all("absent", what, (*self._pulled(), *self._made()))

    def _another_lock(self) -> Finding | None:
        """A finding where the output is whole, and it is dvc.lock that differs."""
        output = self.output
        label, lock = output.label(""), output.lock
        if self._committed() == output.found:
            what = f"{lock} has {output.hash} for {label}, which is {output.found}, as {lock} of the last commit has it"
            return self._of_all("lock", what, (f"git checkout HEAD -- {shlex.quote(lock)}", *self._made()))
        place = Path(output.out.cache.oid_to_path(output.found)) if self.cached else None
        if place and place.exists() and output.lacking == len(output.stored):
            what = f"{lock} has {output.hash} for {label}, of which there is no object, and here and in the cache is"
            # a pull comes last: where the remote has no such object either, DVC removes what is here
            remedies = (*self._made(), *self._kept(), *self._pulled())
            return self._of_all("lock", f"{what} {output.found}", remedies)
        return None

    def _without_list(self) -> None:
        """What can be said of a folder when it is not known which files it must hold."""
        output = self.output
        label, again = output.label(""), "verify again once it is mended"
        listed = bool(output.listing and output.listing.there)
        if output.listing and listed:
            list_label = f"{label} (its list of files: {again})"
            self._bad_object("", output.listing, output.hash.removesuffix(".dir"), 0, list_label)
        if output.workspace:
            self.bad_files.append(output.full)
            found, state = output.found or "unreadable", "damaged" if listed else "not in the cache"
            what = f"{label} is not what {output.lock} has ({found}, not {output.hash}); its list of files is {state}"
            self.wrong.append(("altered", "", output.full, f"{what}: {again}"))

    def _objects(self, expected: dict[str, str]) -> None:
        output = self.output
        if not self.cached:
            return
        sizes = self._sizes(expected)
        for file, oid in expected.items():
            seen, copy = output.objects.get(file), output.workspace.get(file)
            if seen and seen.there:
                if seen.hash != oid:
                    self._bad_object(file, seen, oid, sizes.get(file, 0), output.label(file))
            elif not (copy and copy.there):
                what = (
                    f"{output.label(file)} is neither in the workspace nor in the cache, and others of its folder are"
                )
                self.wrong.append(("missing", file, output.full / file, what))
        listing = output.listing
        if listing and listing.there and f"{listing.hash}.dir" != output.hash:
            label = f"{output.label('')} (its list of files)"
            self._bad_object("", listing, output.hash.removesuffix(".dir"), 0, label)

    def _bad_object(self, file: str, seen: _Seen, oid: str, size: int, label: str) -> None:
        kind, fault = self._fault(seen, oid, size)
        self.bad_objects.append(seen.path)
        self.wrong.append((kind, file, seen.path, f"the cache object {self._place(seen.path)} of {label} {fault}"))

    def _files(self, expected: dict[str, str]) -> None:
        output = self.output
        if not output.found:
            return
        if output.found.endswith(".dir") != output.folder:
            self.bad_files.append(output.full)
            there, meant = ("a file", "a folder") if output.folder else ("a folder", "a file")
            what = f"{output.label('')} is {there}, and {meant} in {output.lock}"
            self.wrong.append(("altered", "", output.full, what))
            return
        sizes = self._sizes(expected)
        for file, oid in expected.items():
            seen = output.workspace.get(file)
            if seen and seen.there:
                if seen.hash != oid:
                    kind, fault = self._fault(seen, oid, sizes.get(file, 0))
                    self.bad_files.append(seen.path)
                    self.wrong.append((kind, file, seen.path, f"{output.label(file)} {fault}"))
            elif (stored := output.objects.get(file)) and stored.there:
                what = f"{output.label(file)} is missing from its folder"
                self.wrong.append(("missing", file, output.full / file, what))
                self.bad_files.append(output.full / file)  # it may be a link that leads nowhere
        for file in sorted(set(output.workspace) - set(expected)):
            self.bad_files.append(output.full / file)
            what = f"{output.label(file)} is not a file of {output.label('')} in {output.lock}"
            self.wrong.append(("unexpected", file, output.full / file, what))

    def _sizes(self, expected: dict[str, str]) -> dict[str, int]:
        """Return the sizes that are sure: of files with one good copy, and of the last one, by the folder's total."""
        output, sizes = self.output, {}
        for file, oid in expected.items():
            for seen in (output.workspace.get(file), output.objects.get(file)):
                if seen and seen.hash == oid:
                    sizes[file] = seen.size
        unsure = [file for file in expected if file not in sizes]
        if len(unsure) == 1 and output.out.meta.size:
            sizes[unsure[0]] = output.out.meta.size - sum(sizes.values())
        return sizes

    def _fault(self, seen: _Seen, oid: str, size: int) -> tuple[Kind, str]:
        if seen.fault:
            return "unreadable", f"cannot be read ({seen.fault})"
        if seen.hash in self.known and seen.size:
            return "swapped", f"holds the bytes of {self.known[seen.hash]} instead of its own"
        if seen.size < size or not seen.size:
            return "truncated", f"is cut short: {seen.size} of {size} bytes" if size else "is empty"
        return "altered", f"holds other bytes than it should (md5 {seen.hash}, not {oid})"

    def _halves(self) -> list[Finding]:
        """A finding where a whole output is in one of two places alone."""
        output = self.output
        if not self.cached:
            return []
        label = output.label("")
        if not output.found:
            return [self._of_all("absent", f"{label} is in the cache alone", (f"dvc checkout {self.target}",))]
        if output.lacking:
            lacking = f"{output.lacking} of its {len(output.stored)} objects"
            what = f"{label} is in the workspace, and {lacking} not in the cache, from where dvc push takes them"
            return [self._of_all("absent", what, (f"dvc commit --no-relink {self.target}",))]
        return []

    def _remedies(self) -> tuple[str, ...]:
        """The commands that mend all that is wrong with the output.

        A damaged file is removed before DVC is asked for it again: DVC may remember it as good.
        """
        output = self.output
        removed = self._removal()
        if not self.cached:
            restored = [f"git checkout HEAD -- {self.target}"] if self._committed_bytes() == output.hash else []
            return (*restored, *(f"{removed}{command}" for command in self._made()))
        if not self.bad_objects and not output.lacking and output.expected is not None:
            return (f"{removed}dvc checkout --force {self.target}", *self._kept())
        if output.intact:
            return (f"{removed}dvc commit --no-relink {self.target}",)
        commands = (*self._pulled(), *self._made()) or self._original()
        return tuple(f"{removed}{command}" for command in commands)

    def _removal(self) -> str:
        output = self.output
        paths = list(self.bad_objects)
        if not output.intact:
            # also files that are not here yet: one that a pull takes from a damaged object is remembered as good
            damaged = [output.full / file for file, seen in output.objects.items() if seen.path in self.bad_objects]
            paths += [*self.bad_files, *damaged]
        if any(not str(path).isprintable() for path in paths):
            paths = [*self.bad_objects, output.full]
        names = [self._place(path) for path in dict.fromkeys(paths)]
        return f"rm -rf {' '.join(map(shlex.quote, names))} && " if names else ""

    def _pulled(self) -> tuple[str, ...]:
        served = self.remote.serves(self.output) and not self.remote.lacks(self.output)
        return (f"dvc pull --force {self.target}",) if served else ()

    def _made(self) -> tuple[str, ...]:
        return (f"dvc repro {shlex.quote(self.stage)}",) if self.stage else ()

    def _original(self) -> tuple[str, ...]:
        return (f"cp -r ORIGINAL {self.target} && dvc add {self.target}",)

    def _kept(self) -> tuple[str, ...]:
        added = not self.stage and not self.output.out.stage.is_import
        return (f"dvc add {self.target}  # to keep it as it is now",) if added else ()

    def _place(self, path: Path) -> str:
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)

    def _in_commit(self, path: str) -> bytes:
        done = subprocess.run(["git", "show", f"HEAD:./{path}"], cwd=self.root, capture_output=True, check=False)
        return b"" if done.returncode else done.stdout

    def _committed(self) -> str:
        """The hash of the output in the commit's own dvc.lock or .dvc file, or empty."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        out = self.output.out
        try:
            content = YAML(typ="safe", pure=True).load(self._in_commit(self.output.lock).decode())
            entry = content["stages"][out.stage.name] if self.output.lock.endswith("dvc.lock") else content
            return next(str(found.get("md5", "")) for found in entry["outs"] if found["path"] == out.def_path)
        except (StopIteration, KeyError, TypeError, AttributeError, UnicodeDecodeError, YAMLError):
            return ""

    def _committed_bytes(self) -> str:
        from dvc_data.hashfile.hash import fobj_md5

        return fobj_md5(BytesIO(self._in_commit(self.output.path)), name=self.output.out.hash_name)


def _shown(text: str) -> str:
    """Return `text`, or its representation where a terminal would obey a character of it."""
    return text if text.isprintable() else repr(text)
