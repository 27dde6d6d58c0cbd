"""Fetch checkpoints from the Hugging Face Hub. No other module lets a stage use the network.

Files land in huggingface_hub's cache, and are checked against the Hub's hashes. From then on no network is needed.
"""

import errno
import hashlib
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
from huggingface_hub import (
    _CACHED_NO_EXIST,
    configure_http_backend,
    constants,
    hf_hub_download,
    model_info,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

import redacoes
from redacoes.errors import UserError, first_line, warn
from redacoes.learning import checkpoint

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
PAUSES = (1, 2)  # seconds before each retry after a network failure
PATIENCE = 300  # seconds of waiting in all when the Hub answers «too many requests»
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
Answer = TypeVar("Answer")


def fetch(repository: str, revision: str, also: Iterable[str] = ()) -> Path:
    """Return a folder into which a repository's configuration, tokenizer and safetensors weights were fetched.

    The token comes from the environment (HF_TOKEN) or from `hf auth login`.

    Args:
        repository: Its name on the Hub, such as ``Geotrend/distilbert-base-pt-cased``.
        revision: A full commit hash, so that the same parameters always give the same files.
        also: Names of further files to fetch, if the commit has them.

    Returns:
        The snapshot in huggingface_hub's cache. Other programs that share the cache may have put more files there.

    Raises:
        UserError: The revision does not exist or can move, the Hub refuses or cannot be reached, a file arrives
            incomplete or differs from the Hub's, or this project does not load such a checkpoint.
    """
    commit = _Commit(repository, revision)
    with online(), _explained(commit), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of little disk space; a full disk is an error of its own
        if not COMMIT.fullmatch(revision):
            raise UserError(
                f"{revision!r} of {repository} can be another commit tomorrow: "
                f"set the revision to what it is now, {commit.look_up()}"
            )
        config = commit.file("config.json")
        if not config:
            raise UserError(f"{commit} has no config.json; is it the repository of a model?")
        for name in (*checkpoint.TOKENIZER_FILES, *also):
            commit.file(name)
        try:
            checkpoint.load_config(config.parent)  # before the weights, which can be large
            _fetch_weights(commit, config.parent)
        except UserError as error:
            raise UserError(str(error).replace(str(config.parent), str(commit))) from error
    return config.parent


@contextmanager
def online() -> Iterator[None]:
    """Let huggingface_hub use the network until the block ends, unless HF_HUB_OFFLINE was set from outside."""
    if redacoes.OFFLINE:
        yield
        return
    configure_http_backend(requests.Session)
    try:
        yield
    finally:
        configure_http_backend()


@dataclass
class _Commit:
    """A commit of a repository; whether it exists is not known yet."""

    repository: str
    revision: str
    looked_up: bool = False

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}"

    def look_up(self) -> str:
        """Return the commit's full hash, as the Hub has it."""
        found: str = _patiently(lambda: model_info(self.repository, revision=self.revision)).sha
        self.looked_up = True
        return found

    def file(self, name: str) -> Path | None:
        """Return a file, from the cache or else from the Hub, or None where the commit does not have it."""
        found: Any = try_to_load_from_cache(self.repository, name, revision=self.revision)
        if found is _CACHED_NO_EXIST:
            return None
        if not found:
            if not self.looked_up:
                self.look_up()  # without a network this fails at once, a download only after half a minute
            try:
                found = _patiently(lambda: hf_hub_download(self.repository, name, revision=self.revision))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None
        _hold_to_hash(Path(found), f"{name} of {self}")
        return Path(found)


def _fetch_weights(commit: _Commit, folder: Path) -> None:
    if commit.file(checkpoint.WEIGHTS):
        return
    if not commit.file(checkpoint.INDEX):
        raise UserError(f"{commit} has no {checkpoint.WEIGHTS}; {checkpoint.NO_PICKLE}")
    for shard in sorted(set(checkpoint.weight_map(folder).values())):
        if not commit.file(shard):
            raise UserError(f"{commit} has no {shard}, which its {checkpoint.INDEX} names")


def _hold_to_hash(path: Path, name: str) -> None:
    """Raise UserError, and remove the file, unless it has the hash under which the cache keeps it.

    The hash is the ETag: sha256 for a large file, git's blob hash for others. huggingface_hub only compares sizes.
    """
    blob = path.resolve()
    size = blob.stat().st_size
    with blob.open("rb") as file:
        if SHA256.fullmatch(blob.name):
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        elif COMMIT.fullmatch(blob.name):
            digest = hashlib.file_digest(file, lambda: hashlib.sha1(b"blob %d\0" % size)).hexdigest()
        else:
            raise UserError(f"{path} cannot be checked: set HF_HOME to a folder where symbolic links can be made")
    if digest != blob.name:
        path.unlink()
        blob.unlink()
        raise UserError(f"{name} is not what its hash says, and was removed from the cache: run it again")


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Call `ask`, with retries after a broken connection or too many requests, and return its result."""
    until = time.monotonic() + PATIENCE
    pauses = list(PAUSES)
    while True:
        try:
            return ask()
        except requests.RequestException as error:
            cause = _cause(error)
            if _status(cause) == 429:
                pause = _asked_to_wait(cause.response.headers)
                if time.monotonic() + pause > until:
                    raise
                warn(f"{constants.ENDPOINT} got too many requests, and asks to wait {pause} s")
            elif pauses and (isinstance(error, BROKEN) or _status(error) >= 500):
                pause = pauses.pop(0)
                warn(f"{constants.ENDPOINT} does not answer or broke off; trying again in {pause} s")
            else:
                raise
        time.sleep(pause)


def _cause(error: Any) -> Any:
    """Return why a file could not be looked up; huggingface_hub reports it as missing."""
    return error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error


def _status(error: Any) -> int:
    """Return the HTTP status of an error, or 0."""
    response = getattr(error, "response", None)
    return 0 if response is None else response.status_code


def _asked_to_wait(headers: Any) -> int:
    """Return the seconds that an answer with status 429 asks to wait."""
    limit = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    asked = headers.get("Retry-After", limit[1] if limit else "")
    return max(1, int(asked)) if asked.isdecimal() else 10


@contextmanager
def _explained(commit: _Commit) -> Iterator[None]:
    """Raise a UserError for failures of the network or the Hub."""
    try:
        yield
    except requests.RequestException as error:
        raise UserError(_refusal(commit, _cause(error))) from error
    except OfflineModeIsEnabled as error:
        raise UserError(f"{commit} is not in the cache, and HF_HUB_OFFLINE keeps it from being fetched") from error
    except ValueError as error:
        raise UserError(f"{commit} cannot be asked for: {first_line(error)}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
            raise UserError(
                f"the disk of {constants.HF_HUB_CACHE} is full: free some space, or set HF_HOME to a folder elsewhere"
            ) from error
        if "Consistency check failed" in str(error):
            raise UserError(_forget_parts(commit)) from error
        raise UserError(
            f"{constants.HF_HUB_CACHE} cannot be used as cache ({first_line(error)}): set HF_HOME to a folder of yours"
        ) from error


def _refusal(commit: _Commit, error: Any) -> str:
    """Return the message for a request that the Hub or a proxy refused."""
    hub, status = constants.ENDPOINT, _status(error)
    told = error.response.headers.get("X-Error-Message", "") if status else ""
    if isinstance(error, GatedRepoError):
        return (
            f"{commit.repository} is gated: ask for access on {hub}/{commit.repository}, "
            "and set HF_TOKEN to a token of whoever has it"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{commit.repository} has no revision {commit.revision}: see {hub}/{commit.repository}/commits/main"
    if status == 401 and "credentials" in told:
        return f"{hub} does not know the token that HF_TOKEN (or `hf auth login`) holds: set a valid one, or none"
    if isinstance(error, RepositoryNotFoundError) or status in (401, 404):
        return f"{hub} shows no repository {commit.repository}: correct its name or, if it is private, set HF_TOKEN"
    if status == 429:
        return f"{hub} got too many requests, and asks to wait for longer than {PATIENCE} s: run it again later"
    if status == 416:  # the range begins after the end of the file
        return _forget_parts(commit)
    if status:
        return f"{hub} answered {status} {told or error.response.reason} for {commit}: run it again later"
    if isinstance(error, BROKEN):
        return f"{hub} cannot be reached or broke off ({type(error).__name__}): run it again, and it goes on from there"
    return f"{hub} does not answer as the Hub does ({first_line(error)}): correct HF_ENDPOINT, or look at the proxy"


def _forget_parts(commit: _Commit) -> str:
    """Remove partial downloads, which are longer than the file, and return the message."""
    folder = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=commit.repository, repo_type="model"), "blobs")
    for part in folder.glob("*.incomplete"):
        part.unlink()
    return f"a file of {commit} arrived with another size than the Hub says, and was removed: run it again"
