"""Write outputs whole or not at all, and read and write JSON."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from redacoes.errors import MEND, UserError, first_line

WORK = Path(".work")  # git-ignored, on the same file system as the outputs, so that a rename is enough


@contextmanager
def staged(*targets: str) -> Iterator[list[Path]]:
    """Yield one path to write for each target, and move them into place when the block ends without an error.

    Args:
        *targets: The files or folders to write. Existing targets are replaced.

    Yields:
        Paths in a new folder, with the targets' names. None exists yet.
    """
    with temporary_folder() as folder:
        drafts = []
        for index, target in enumerate(targets):
            room = folder / str(index)
            room.mkdir()
            drafts.append(room / Path(target).name)
        yield drafts
        for index, (draft, output) in enumerate(zip(drafts, map(Path, targets), strict=True)):
            output.parent.mkdir(parents=True, exist_ok=True)
            _put(draft, output, folder / f"{index}-old")


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield one path to write, and move it to `target` when the block ends without an error.

    Args:
        target: The file or folder to write, on any file system. An existing target is replaced.

    Yields:
        A path that does not exist yet, in a new folder beside `target`. If this process is killed, the next writer of
        `target` removes the folder.
    """
    target = target.absolute()
    prefix = f".{target.name}-"
    _sweep(target.parent, prefix)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{prefix}{os.getpid()}-") as room:
        yield Path(room, "new")
        _put(Path(room, "new"), target, Path(room, "old"))


def write_whole(target: Path, content: str) -> None:
    """Write a text file whole or not at all."""
    with whole(target) as draft:
        draft.write_text(content, encoding="utf-8")


def _put(draft: Path, target: Path, aside: Path) -> None:
    """Rename `draft` to `target`. An existing folder is renamed to `aside` first, since a rename cannot replace it."""
    if target.is_dir():
        target.replace(aside)
    draft.replace(target)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder in `WORK`, and remove it at the end. After a kill, the next call removes it."""
    WORK.mkdir(exist_ok=True)
    _sweep(WORK, "")
    with tempfile.TemporaryDirectory(dir=WORK, prefix=f"{os.getpid()}-") as folder:
        yield Path(folder)


def _sweep(folder: Path, prefix: str) -> None:
    """Remove the drafts of killed processes, which can be as large as a model."""
    for left in folder.glob(f"{glob.escape(prefix)}[0-9]*-*"):
        pid = left.name.removeprefix(prefix).split("-")[0]
        if pid.isdigit() and abandoned(left, int(pid)):
            shutil.rmtree(left)


def abandoned(draft: Path, pid: int) -> bool:
    """Return whether the process that made the folder `draft` is gone, even if another process has its id `pid` now."""
    try:
        process = psutil.Process(pid)
        begun: float = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:  # in some containers nobody reaps orphans
            return True
    except psutil.NoSuchProcess:
        return True
    return begun > draft.stat().st_mtime + 2  # the start time of a process has a resolution of a second


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` as indented UTF-8 JSON. Raises ValueError for NaN or infinity, which JSON does not have."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Return the content of the UTF-8 JSON file at `path`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file that another program wrote.

    Raises:
        UserError: The file is missing, is not JSON, or does not hold an object.
    """
    try:
        values = read_json(path)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}); {MEND}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no JSON object; {MEND}")
    return values
