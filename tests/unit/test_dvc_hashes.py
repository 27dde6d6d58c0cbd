"""The hash of a folder, as dvc.lock has it."""

import json
from hashlib import md5
from pathlib import Path

from redacoes.tracking.dvc_hashes import folder_md5


def test_a_folder_has_the_hash_of_the_list_of_its_files(tmp_path: Path) -> None:
    files = {"b/redação.txt": b"Uma reda\xc3\xa7\xc3\xa3o", "b-c.txt": b"", "a.txt": b"1\r\n"}
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "vazia").mkdir()  # DVC keeps files alone
    listing = [{"md5": md5(files[name]).hexdigest(), "relpath": name} for name in sorted(files)]
    assert folder_md5(tmp_path) == md5(json.dumps(listing, sort_keys=True).encode()).hexdigest() + ".dir"
