"""What may not be committed: essays, large files and secrets."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tools import check_staged

ESSAYS = check_staged.ESSAYS | {"conteúdo"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notas.csv", b"id,essay,score\n"),
        ("notas.tsv", b"id\tText\tscore\n"),
        ("notas.csv", "\ufeff\"Conteúdo\";nota\n".encode()),
        ("notas.csv", "texto,nota\n".encode("utf-16")),
        ("notas.jsonl", b'\n{"id": 1, "texto": "..."}\n'),
        ("data/qualquer.bin", b""),
        ("data/sub/notas.md", b""),
        ("grande.txt", b"x" * 500_001),
        ("notas.parquet", b"not one"),
    ],
)  # fmt: skip
def test_essays_and_large_files_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    (fault,) = check_staged.faults(Path(name), ESSAYS)
    assert fault.startswith(f"{name}: ")
    assert fault.endswith("`dvc add` it under data/")


def test_essays_in_arrow_and_parquet_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"row": [1], "essay": ["Era uma vez"]})
    parquet.write_table(table, "a.parquet")
    for name, writer in {"file.arrow": pa.ipc.new_file, "stream.arrow": pa.ipc.new_stream}.items():
        with writer(name, table.schema) as file:
            file.write_table(table)
    for name in ("a.parquet", "file.arrow", "stream.arrow"):
        (fault,) = check_staged.faults(Path(name), ESSAYS)
        assert fault.startswith(f"{name}: column 'essay' holds essays: ")
    parquet.write_table(table.drop(["essay"]), "a.parquet")
    assert list(check_staged.faults(Path("a.parquet"), ESSAYS)) == []


@pytest.mark.parametrize(
    ("name", "secret", "what"),
    [  # put together here, so that this file passes
        ("a.py", "KEY = 'AKIA" + "Q" * 16 + "'", "an AWS access key"),
        ("a.ini", "aws_secret_access_key = " + "a1/+" * 10, "an AWS secret key"),
        ("a.pem", "-----BEGIN OPENSSH PRIVATE " + "KEY-----", "a private key"),
        ("a.env", "HF_TOKEN=hf_" + "aB3" * 12, "a Hugging Face token"),
        ("a.yml", "token: ghp_" + "aB3" * 12, "a GitHub token"),
        ("a.yml", "token: github_pat_" + "aB3_" * 10, "a GitHub token"),
        ("a.md", "ssh://ana:" + "segredo@example.org/dvc", "a password in a URL"),
        (".dvc/config", "    password = segredo", "a credential"),
        (".dvc/config", "    connection_string = abc", "a credential"),
        (".dvc/config.local", "    secret_access_key = abc", "a credential"),
    ],
)
def test_secrets_are_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, secret: str, what: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(f"# first\n{secret}\n", encoding="utf-8")
    (fault,) = check_staged.faults(Path(name), ESSAYS)
    assert fault.startswith(f"{name}, line 2: {what}: take it out")
    assert secret.split()[-1] not in fault


def test_what_belongs_in_git_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {
        "data/.gitignore": "*\n",
        "data/redacoes.csv.dvc": "outs:\n- md5: abc\n  path: redacoes.csv\n",
        "metrics/pontos.csv": "row,score\n",
        ".dvc/config": "[core]\n    remote = time\n['remote \"time\"']\n    url = ssh://ana@example.org/dvc\n    user = ana\n",
        "vazio.csv": "",
        "uv.lock": "x" * 600_000,
    }
    for name, content in contents.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content, encoding="utf-8")
        assert list(check_staged.faults(Path(name), ESSAYS)) == []
