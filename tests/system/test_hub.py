"""Checkpoints from the Hub, over real HTTP from a server that speaks as it does."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from safetensors.numpy import save

from redacoes import recipes
from redacoes.learning import checkpoint, wordpiece
from tests.support import PARAMS, PARAMS_FILE, ROOT
from tests.support.hub import Fault, Files, Hub
from tests.support.mounts import MOUNTS, mounted
from tests.support.project import Clone

CHECKPOINT = PARAMS.checkpoint
CHUNK = 10 * 1024 * 1024  # bytes that huggingface_hub reads at once; what it has of the next is lost with a connection
ASK = """
import json, os, sys
from redacoes.learning import hub
from redacoes.errors import UserError
for line in sys.stdin:
    repository, revision, os.environ["HF_TOKEN"] = json.loads(line)
    try:
        answer = {"folder": str(hub.fetch(repository, revision))}
    except UserError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
"""


def tensors(**values: int) -> bytes:
    """A safetensors file with vectors of so many numbers."""
    arrays = {name: np.arange(size, dtype=np.float32) for name, size in values.items()}
    return save(arrays, metadata={"format": "pt"})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a repository with a small checkpoint holds, pickles included."""
    folder = tmp_path_factory.mktemp("checkpoint") / "base"
    wordpiece.from_scratch([["A educação é um direito de todos."]], CHECKPOINT, folder)
    held = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**held, "model.safetensors": tensors(a=10), "pytorch_model.bin": b"\x80\x02", "README.md": b"# Um modelo"}


class Client:
    """A process that fetches: huggingface_hub reads its environment once, and takes seconds to import."""

    def __init__(self, endpoint: str, home: Path, offline: bool = False) -> None:
        self.home, self.log = home, home / "stderr"
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ASK],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # which closes its input, so that it ends

    def ask(self, repository: str, revision: str, token: str = "") -> dict[str, str]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([repository, revision, token]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)

    def fetch(self, repository: str, revision: str, token: str = "") -> Path:
        answer = self.ask(repository, revision, token)
        assert "folder" in answer, answer
        return Path(answer["folder"])

    def refusal(self, repository: str, revision: str, token: str = "") -> str:
        answer = self.ask(repository, revision, token)
        assert "error" in answer, answer
        assert "\n" not in answer["error"]
        return answer["error"]

    def blob(self, repository: str, name: str) -> Path:
        (found,) = (self.home / "hub" / f"models--{repository.replace('/', '--')}").glob(f"snapshots/*/{name}")
        return found.resolve()


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with Hub() as hub:
        hub.tokens = {"hf_of_ana": "ana", "hf_of_caio": "caio"}
        yield hub


@pytest.fixture
def hub(server: Hub) -> Hub:
    server.fault = None
    server.requests.clear()
    return server


@pytest.fixture(scope="module")
def client(server: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Client(server.endpoint, tmp_path_factory.mktemp("casa")) as client:
        yield client


def test_only_what_is_needed_is_fetched_and_only_once(client: Client, hub: Hub, files: Files) -> None:
    commit = hub.add("ana/model", files)
    folder = client.fetch("ana/model", commit, "hf_of_ana")
    fetched = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert fetched == {name: data for name, data in files.items() if name not in ("pytorch_model.bin", "README.md")}
    asked = [request.path for request in hub.requests]
    assert not [path for path in asked if "pytorch_model" in path or "README" in path]
    elsewhere = [request for request in hub.requests if request.path.startswith("/cdn/")]
    assert elsewhere
    for request in hub.requests:  # a token is for the Hub, not for where it keeps large files
        assert ("Bearer hf_of_ana" in request.headers.values()) == (request not in elsewhere)

    hub.requests.clear()
    assert client.fetch("ana/model", commit) == folder
    assert hub.requests == []
    assert client.log.read_text() == ""  # no terminal, no progress bar


def test_sharded_weights(client: Client, hub: Hub, files: Files) -> None:
    shards = {"model-00001-of-00002.safetensors": tensors(a=10), "model-00002-of-00002.safetensors": tensors(b=20)}
    index = {"weight_map": dict(zip("ab", shards, strict=True))}
    whole = {name: data for name, data in files.items() if name != "model.safetensors"}
    whole |= {**shards, "model.safetensors.index.json": json.dumps(index).encode()}
    commit = hub.add("ana/shards", whole)
    folder = client.fetch("ana/shards", commit)
    assert set(checkpoint.tensors(folder)) == {"a", "b"}

    del whole["model-00002-of-00002.safetensors"]
    commit = hub.commit("ana/shards", whole)
    assert "has no model-00002-of-00002.safetensors, which its" in client.refusal("ana/shards", commit)
    whole["model.safetensors.index.json"] = b'{"weight_map": {"a": "../../x.safetensors"}}'
    commit = hub.commit("ana/shards", whole)
    assert "names a shard outside its own folder" in client.refusal("ana/shards", commit)


def test_a_revision_that_can_move_is_refused_with_the_commit_it_stands_for(
    client: Client, hub: Hub, files: Files
) -> None:
    commit = hub.add("ana/moves", files)
    hub.repositories["ana/moves"].tags["v1.0"] = commit
    hub.commit("ana/moves", {**files, "vocab.txt": b"[UNK]\n"}, branch="other")
    for moving in ("main", "v1.0"):
        said = client.refusal("ana/moves", moving)
        assert (
            said
            == f"{moving!r} of ana/moves can be another commit tomorrow: set the revision to what it is now, {commit}"
        )
    assert "has no revision nothing" in client.refusal("ana/moves", "nothing")
    assert "has no revision 0000" in client.refusal("ana/moves", "0" * 40)


def test_who_may_not_read_is_told_why(client: Client, hub: Hub, files: Files) -> None:
    assert "shows no repository ana/nothing" in client.refusal("ana/nothing", "0" * 40)
    assert "shows no repository ana/nothing" in client.refusal("ana/nothing", "0" * 40, "hf_of_ana")
    assert "cannot be asked for" in client.refusal("a/b/c", "0" * 40)
    commit = hub.add("ana/private", files, private=True)
    for token in ("", "hf_of_caio"):
        assert "or, if it is private, set HF_TOKEN" in client.refusal("ana/private", commit, token)
    wrong = client.refusal("ana/private", commit, "hf_of_nobody")
    assert "does not know the token" in wrong
    assert "hf_of_nobody" not in wrong
    client.fetch("ana/private", commit, "hf_of_ana")

    commit = hub.add("ana/gated", files, gated=True)
    for token in ("", "hf_of_caio"):
        assert "ana/gated is gated: ask for access" in client.refusal("ana/gated", commit, token)
    client.fetch("ana/gated", commit, "hf_of_ana")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", None, "has no model.safetensors; pickled weights (.bin) are never loaded: tools/convert"),
        ("config.json", None, "has no config.json; is it the repository of a model?"),
        ("config.json", b'{"model_type": "gpt2"}', "is of the family 'gpt2', and this project knows distilbert, bert"),
        ("config.json", b'{"model_type": "bert", "auto_map": {"AutoConfig": "x.X"}}', "asks for code of its own (auto_map)"),
        ("tokenizer_config.json", b'{"auto_map": {"AutoTokenizer": ["x.X", null]}}', "asks for code of its own (auto_map)"),
    ],
)  # fmt: skip
def test_what_is_not_loaded_is_refused_before_its_weights_come(
    client: Client, hub: Hub, files: Files, name: str, content: bytes | None, message: str
) -> None:
    held = {**files, name: content or b""}
    if content is None:
        del held[name]
    commit = hub.add("ana/refused", held)
    said = client.refusal("ana/refused", commit)
    assert said.startswith(f"ana/refused@{commit}")
    assert message in said
    assert not [request for request in hub.requests if request.path.startswith("/cdn/")]


def test_a_download_that_is_cut_goes_on(client: Client, hub: Hub, files: Files) -> None:
    large = {**files, "model.safetensors": tensors(a=CHUNK // 3)}  # more than one chunk of bytes, less than two
    commit = hub.add("ana/cut", large)
    hub.fault = Fault("/cdn/", cut_after=CHUNK + 1000)
    assert "broke off (ChunkedEncodingError): run it again, and it goes on from there" in client.refusal(
        "ana/cut", commit
    )
    hub.requests.clear()
    hub.fault = Fault("/cdn/", cut_after=0, times=1)
    folder = client.fetch("ana/cut", commit)
    assert (folder / "model.safetensors").read_bytes() == large["model.safetensors"]
    ranges = [request.headers.get("Range") for request in hub.requests if request.path.startswith("/cdn/")]
    assert ranges == [f"bytes={CHUNK}-"] * 2
    assert "does not answer or broke off; trying again in 1 s" in client.log.read_text()


@pytest.mark.parametrize(
    ("path", "name"), [("/cdn/", "model.safetensors"), ("/resolve-cache/.*/vocab.txt", "vocab.txt")]
)
def test_wrong_bytes_are_found_and_fetched_anew(client: Client, hub: Hub, files: Files, path: str, name: str) -> None:
    repository = f"ana/wrong-{name}"
    commit = hub.add(repository, files)
    hub.fault = Fault(path, flip=True, times=1)
    said = client.refusal(repository, commit)
    assert (
        said
        == f"{name} of {repository}@{commit} is not what its hash says, and was removed from the cache: run it again"
    )
    folder = client.fetch(repository, commit)
    assert (folder / name).read_bytes() == files[name]

    blob = client.blob(repository, name)  # the cache itself can be damaged later
    blob.write_bytes(files[name][:-1] + b"!")
    assert "is not what its hash says" in client.refusal(repository, commit)
    assert (client.fetch(repository, commit) / name).read_bytes() == files[name]


def test_a_part_that_is_longer_than_its_file_is_dropped(client: Client, hub: Hub, files: Files) -> None:
    commit = hub.add("ana/longer", files)
    client.fetch("ana/longer", commit)
    blob = client.blob("ana/longer", "model.safetensors")
    blob.with_name(f"{blob.name}.incomplete").write_bytes(files["model.safetensors"] + b"more")
    blob.unlink()
    assert "arrived with another size than the Hub says" in client.refusal("ana/longer", commit)
    client.fetch("ana/longer", commit)


def test_a_busy_hub_is_waited_for(client: Client, hub: Hub, files: Files) -> None:
    commit = hub.add("ana/busy", files)
    hub.fault = Fault("/resolve/", ("HEAD",), times=1, status=429, headers={"Retry-After": "1"})
    client.fetch("ana/busy", commit)
    assert "got too many requests, and asks to wait 1 s" in client.log.read_text()

    commit = hub.add("ana/busier", files)
    for headers in ({"Retry-After": "3600"}, {"RateLimit": '"api";r=0;t=3600'}):
        hub.fault = Fault("/api/models/", status=429, headers=headers)
        assert "asks to wait for longer than 300 s: run it again later" in client.refusal("ana/busier", commit)
    hub.fault = Fault("/api/models/", times=1, status=503)
    client.fetch("ana/busier", commit)


def test_the_recipe_starts_from_the_hubs_model_and_needs_it_once(
    make_clone: Callable[[str], Clone], tmp_path: Path, files: Files
) -> None:
    clone = make_clone("receita")
    clone.set(**recipes.load("notebook", ROOT / "recipes").values)
    clone.environment |= {"HF_HOME": str(tmp_path / "casa"), "HF_HUB_OFFLINE": "0"}
    with Hub() as hub:
        hub.create("Geotrend/distilbert-base-pt-cased")
        hub.repositories["Geotrend/distilbert-base-pt-cased"].commits[CHECKPOINT.revision] = files
        clone.environment["HF_ENDPOINT"] = hub.endpoint
        clone.dvc("repro", "checkpoint")
    base = {path.name: path.read_bytes() for path in (clone.path / "models/base").iterdir()}
    assert base == {name: data for name, data in files.items() if name not in ("pytorch_model.bin", "README.md")}
    assert list((clone.path / ".work").iterdir()) == []

    with Client(hub.endpoint, tmp_path / "casa", offline=True) as client:  # the Hub is gone
        checkpoint.from_path(client.fetch(CHECKPOINT.repository, CHECKPOINT.revision), tmp_path / "once more")
        assert {path.name: path.read_bytes() for path in (tmp_path / "once more").iterdir()} == base
        said = client.refusal(CHECKPOINT.repository, "f" * 40)
    assert said.endswith(f"@{'f' * 40} is not in the cache, and HF_HUB_OFFLINE keeps it from being fetched")

    folder = tmp_path / "model"  # as a clone of the repository has it, for checkpoint.source path
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    checkpoint.from_path(folder, tmp_path / "base")
    assert {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()} == base


def stage(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the stage in a folder, with the Hub as source."""
    text = PARAMS_FILE.read_text(encoding="utf-8")
    text = text.replace("source: scratch", "source: hub").replace("path: data/splits", "path: LICENSE")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "stages.checkpoint"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_network_is_said_soon(tmp_path: Path) -> None:
    with Hub() as hub:
        gone = hub.endpoint
    done = stage(tmp_path, HF_HOME=str(tmp_path / "casa"), HF_ENDPOINT=gone)
    assert done.returncode == 1
    *warnings, error = done.stderr.splitlines()
    assert len(warnings) == 2
    assert (
        error
        == f"error: {gone} cannot be reached or broke off (ConnectionError): run it again, and it goes on from there"
    )
    assert not (tmp_path / "models").exists()


@MOUNTS
@pytest.mark.slow
def test_a_full_disk_under_the_cache_is_said(tmp_path: Path, files: Files) -> None:
    home = tmp_path / "casa"
    home.mkdir()
    with Hub() as hub, mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=home):
        hub.create(CHECKPOINT.repository)
        large = {**files, "model.safetensors": tensors(a=1_000_000)}
        hub.repositories[CHECKPOINT.repository].commits[CHECKPOINT.revision] = large
        done = stage(tmp_path, HF_HOME=str(home), HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 1
    said = f"error: the disk of {home}/hub is full: free some space, or set HF_HOME to a folder elsewhere\n"
    assert done.stderr == said
    assert not (tmp_path / "models").exists()
