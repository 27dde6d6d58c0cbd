"""DVC's hashes of files and folders, computed from every byte: hashes that DVC has stored are not trusted.

DVC is imported only when it is needed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


def folder_md5(folder: Path) -> str:
    """Return DVC's hash of a folder: the hash of the list of its files' hashes. No file is ignored."""
    reader = Reader()
    files = (path for path in folder.rglob("*") if path.is_file())
    return list_md5({path.relative_to(folder).as_posix(): reader.hash(path) for path in files})


def list_md5(files: Mapping[str, str]) -> str:
    """Return DVC's hash of a folder, from the hash of each file."""
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
        """Return the hash of a file, an empty string if it is missing, or the reason why it cannot be read."""
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
