"""Hashes of files and folders as DVC has them, every byte read again: what DVC remembers of them is not trusted.

DVC is imported when it is needed and not before.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


def folder_md5(folder: Path) -> str:
    """Return the hash that DVC has of a folder, of which no file is ignored: that of a list of its files' hashes."""
    reader = Reader()
    files = (path for path in folder.rglob("*") if path.is_file())
    return list_md5({path.relative_to(folder).as_posix(): reader.hash(path) for path in files})


def list_md5(files: Mapping[str, str]) -> str:
    """Return the hash that DVC has of a folder with these files, whose hashes are given."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for file, oid in files.items():
        tree.add(tuple(file.split("/")), None, HashInfo("md5", oid))
    tree.digest()
    return str(tree.hash_info.value)


class Reader:
    """Hashes files as DVC does, each inode once: a link to a cache object is that object.

    Attributes:
        size: The bytes of all files that were asked for.
    """

    def __init__(self, bar: Any = None) -> None:
        """Take a progress bar that counts bytes, if any."""
        self.bar = bar
        self.size = 0
        self.hashes: dict[tuple[int, int, str], str] = {}

    def hash(self, path: Path, algorithm: str = "md5") -> str:
        """Return the hash of a file, empty where there is none; why it cannot be read, which is no hash, otherwise."""
        from dvc_data.hashfile.hash import fobj_md5
        from tqdm.utils import CallbackIOWrapper

        try:
            status = path.stat()
            key = (status.st_dev, status.st_ino, algorithm)
            if key not in self.hashes:
                with path.open("rb") as file:
                    watched = cast(BinaryIO, CallbackIOWrapper(self._advance, file))
                    self.hashes[key] = fobj_md5(watched, name=algorithm)
            else:
                self._advance(status.st_size)
        except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere, too
            return ""
        except OSError as error:
            return error.strerror or str(error)
        self.size += status.st_size
        return self.hashes[key]

    def _advance(self, count: int) -> None:
        if self.bar is not None:
            self.bar.update(count)
