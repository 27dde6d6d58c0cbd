"""Keep essays, secrets and large files out of git: python -m tools.check_staged [FILE...], by default all files in git.

The pre-commit hook passes the files of a commit; `make lint` checks all files.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

LARGEST = 500_000  # bytes
LOCK = Path("uv.lock")  # larger, but reviewers need it as text

# Names of columns with essays; that of params.yaml is added.
ESSAYS = {"essay", "essays", "essay_text", "full_text", "text", "texto", "redacao", "redação", "redacoes", "redações"}

SECRETS = {
    "an AWS access key": r"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z0-9]{16}\b",
    "an AWS secret key": r"(?i:secret_?access_?key)\W{1,6}(?![\w/+]*EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{30,})\b",
    "a password in a URL": r"\b[a-z0-9+]+://[^\s/:@'\"<>{}$]+:[^\s/:@'\"<>{}$]+@",
}
# Options of DVC's remotes that are credentials.
CREDENTIAL = (
    r"^\s*(?:password|passphrase|token|secret_access_key|session_token|sse_customer_key|connection_string|sas_token"
    r"|account_key|client_secret|oss_key_secret|gdrive_client_secret)\s*=\s*\S"
)
TO_DVC = "take it out with `git rm --cached`, and `dvc add` it under data/"


def faults(path: Path, essays: set[str]) -> Iterator[str]:
    """Yield a sentence (file, line, what, what to do) for each reason to keep a file out of git.

    Args:
        path: The file, relative to the project's folder.
        essays: Names of columns of essays, in lower case.
    """
    if path.parts[0] == "data" and path.name != ".gitignore" and path.suffix != ".dvc":
        yield f"{path}: files under data/ may hold essays, and are for DVC: {TO_DVC}"
    size = path.stat().st_size
    if size > LARGEST and path != LOCK:
        yield f"{path}: {size:,} bytes, more than {LARGEST:,}: {TO_DVC}"
    try:
        column = next((name for name in columns(path) if name.strip().lower() in essays), None)
    except ValueError as error:  # also raised by pyarrow and json
        yield f"{path}: cannot be read, and so may hold essays ({error}): {TO_DVC}"
    else:
        if column is not None:
            yield f"{path}: column {column!r} holds essays: {TO_DVC}"
    content = path.read_bytes()
    if b"\0" in content[:8192]:
        return
    patterns = SECRETS | ({"a credential": CREDENTIAL} if path.parts[0] == ".dvc" else {})
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        for what, pattern in patterns.items():
            if re.search(pattern, line):
                yield (
                    f"{path}, line {number}: {what}: take it out and keep it in .dvc/config.local or the environment; "
                    "if it was ever pushed, have it withdrawn"
                )


def columns(path: Path) -> list[str]:
    """Return the names of a table's columns if essays can have its format; none for other files.

    Raises:
        ValueError: The file is not in the format that its name says.
    """
    match path.suffix.lower():
        case ".csv" | ".tsv":
            content = path.read_bytes()[:65536]
            encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
            header = content.decode(encoding, "replace").splitlines()[:1]
            return [name for delimiter in ",;\t|" for row in csv.reader(header, delimiter=delimiter) for name in row]
        case ".jsonl" | ".ndjson":
            with path.open(encoding="utf-8-sig") as file:
                first = json.loads(next(filter(str.strip, file), "{}"))
            return list(first) if isinstance(first, dict) else []
        case ".parquet":
            from pyarrow import parquet

            return parquet.read_schema(path).names
        case ".arrow" | ".feather":
            from pyarrow import ArrowInvalid, ipc

            try:
                return ipc.open_file(path).schema.names
            except ArrowInvalid:  # a stream, which `datasets` writes
                with path.open("rb") as file:
                    return ipc.open_stream(file).schema.names
    return []


def main(names: list[str]) -> None:
    """Print a sentence for each fault, and exit with status 1 if there is one."""
    if not names:
        listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True, text=True)
        names = [name for name in listed.stdout.split("\0") if Path(name).is_file()]
    params = YAML(typ="safe", pure=True).load(Path("params.yaml").read_text(encoding="utf-8"))
    essays = ESSAYS | {str(params["data"]["essay_column"]).lower()}
    found = [fault for name in names for fault in faults(Path(name), essays)]
    for fault in found:
        print(f"error: {fault}", file=sys.stderr)
    if found:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
