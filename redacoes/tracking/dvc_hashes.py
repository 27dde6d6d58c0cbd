"""DVC's hashes of files and folders, computed from every byte: hashes that DVC has stored are not trusted.

DVC is imported only when it is needed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")


def folder_md5(folder: Path) -> str:
    """Return DVC's hash of a folder: the hash of the list of its files' hashes. No file is ignored."""
    reader = Reader()
    files = (path for path in folder.rglob("*") if path.is_file())
    return list_md5({path.relative_to(folder).as_posix(): reader.hash(path) for path in files})


def list_md5(files: Mapping[str, str]) -> str:
    """Return DVC's hash of a folder, from the hash of each file."""
    from dvc_data.hashfile.tree import Tree

    tree = Tree.from_list([{"relpath": file, "md5": found} for file, found in files.items()], hash_name="md5")
    tree.digest()
    return str(tree.oid)


class Reader:
    """Hashes files as DVC does, each inode once: a link to a cache object is that object.

    Attributes:
        files: How many files were read.
        size: Their bytes. Both count a link and what it leads to as two.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.files = self.size = 0
        self._hashes: dict[tuple[int, int, str], str] = {}

    def hash(self, path: Path, algorithm: str = "md5") -> str:
        """Return the hash of a file, an empty string if it is missing, or the reason why it cannot be read."""
        from dvc_data.hashfile.hash import fobj_md5

        try:
            status = path.stat()
            key = (status.st_dev, status.st_ino, algorithm)
            if key not in self._hashes:
                with path.open("rb") as file:
                    self._hashes[key] = fobj_md5(file, name=algorithm)
        except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere, too
            return ""
        except OSError as error:
            return f"unreadable ({error.strerror})"
        self.files += 1
        self.size += status.st_size
        return self._hashes[key]
