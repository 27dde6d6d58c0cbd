"""Publishing of a model to the Hugging Face Hub in one commit; `bundle` collects its files.

Nothing here needs TensorFlow. Nothing here prints a token: it is removed from the messages of other programs, and so is
the query of a URL, which may be a signature.
"""

import json
import re
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, logging, validate_repo_id
from huggingface_hub.utils.sha import git_hash

from redacoes.errors import UserError, first_line
from redacoes.learning.checkpoint import INDEX, TOKENIZER_FILES, WEIGHTS
from redacoes.learning.hub import online
from redacoes.learning.text_regression import FILES
from redacoes.release.bundle import Files

FAILURES = (requests.RequestException, OSError, RuntimeError, ValueError)  # that huggingface_hub raises
UNKNOWN = "the Hub may still be doing it: run the same again, which changes nothing if it is done"
HOW_TO_LOG_IN = "make one that may write at https://huggingface.co/settings/tokens, and give it to `hf auth login`"


@dataclass(frozen=True)
class Published:
    """The result of publishing.

    Attributes:
        commit: The Hub's commit that holds the model.
        sent: Files that it changed; none if the branch held this model already.
        removed: Tokenizer and weights of an earlier model that it removed.
        others: Files in the repository that are not part of the model; they are left alone.
    """

    commit: str
    sent: list[str]
    removed: list[str]
    others: list[str]


def require_name(repository: str) -> None:
    """Raise UserError unless `repository` is ``owner/name``, as the Hub spells it."""
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"{repository!r} is not the name of a repository: {first_line(error)}") from error
    if "/" not in repository:
        raise UserError(f"{repository!r} lacks its owner: write OWNER/{repository} (`hf auth whoami` says who you are)")


def find_token() -> str:
    """Return the token of the environment or of `hf auth login`.

    Raises:
        UserError: There is none, or it holds characters that are invalid in a header (other programs would print it).
    """
    token = get_token()
    if not token:
        raise UserError(f"there is no token for the Hub: {HOW_TO_LOG_IN} (or to the variable HF_TOKEN)")
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError("the token for the Hub holds a character that no token has: copy it again (`hf auth login`)")
    return token


def publish(files: Files, repository: str, branch: str, private: bool, api: HfApi) -> Published:
    """Make a branch of a repository hold `files`, in one commit, unless it holds them already.

    Args:
        files: What :func:`collect` returned.
        repository: ``owner/name``; it is created if missing.
        branch: Created from main if missing.
        private: Whether to create it as private; an existing public repository is then refused.
        api: The Hub, with a token.

    Raises:
        UserError: Publishing failed. The message says how the repository is left: unchanged, where that can be known.
    """
    logging.set_verbosity_error()  # its warnings contain signed URLs
    if not sys.stderr.isatty():
        disable_progress_bars()
    with online():
        return _Publishing(files, repository, branch, private, api).run()


class _Publishing:
    def __init__(self, files: Files, repository: str, branch: str, private: bool, api: HfApi) -> None:
        self.files, self.repository, self.branch, self.private, self.api = files, repository, branch, private, api
        self.before: str | None = None  # the branch's commit
        self.changes = Published("", [], [], [])
        self.created: list[str] = []  # what this run created
        self.sending = self.committing = False

    def run(self) -> Published:
        try:
            return self._run()
        except KeyboardInterrupt:
            if self.committing:
                raise UserError(f"interrupted while {self.repository} was to be changed; {UNKNOWN}") from None
            raise
        except FAILURES as error:
            if self.sending and (done := self._done_all_the_same()):
                return done
            unknown = self.committing and _response(error) is None
            raise UserError(f"{self._reason(error)}; {UNKNOWN if unknown else self._state()}") from None

    def _run(self) -> Published:
        api, repository, branch = self.api, self.repository, self.branch
        api.whoami()  # else a wrong token would look like a missing repository
        try:
            info = api.repo_info(repository)
        except RepositoryNotFoundError:
            self.sending = True
            api.create_repo(repository, private=self.private, exist_ok=True)
            self.created.append(repository)
            info = api.repo_info(repository)
        if self.private and not info.private:
            raise UserError(
                f"{repository} exists, and everybody can see it: make it private in its settings "
                f"({api.endpoint}/{repository}/settings), or publish without --private"
            )
        self.before = self._head()
        self.changes = changes = self._compare(self.before or info.sha)
        if self.before and not changes.sent and not changes.removed:
            return changes
        self.sending = True
        additions = list(self.additions.values())
        removals = [CommitOperationDelete(name) for name in changes.removed]
        api.preupload_lfs_files(repository, additions, revision=branch if self.before else "main")
        if not self.before:
            api.create_branch(repository, branch=branch, revision=info.sha)
            self.created.append(f"the branch {branch}")
            self.before = info.sha
        made_by = json.loads(self._bytes("config.json"))["redacoes"]["commit"]
        self.committing = True
        commit = api.create_commit(
            repository,
            [*additions, *removals],
            commit_message=f"Publish the scorer of commit {made_by[:12]}",
            revision=branch,
            parent_commit=self.before,  # never overwrite a commit that someone else made meanwhile
        )
        return replace(changes, commit=commit.oid)

    @cached_property
    def additions(self) -> dict[str, CommitOperationAdd]:
        """The files to send by name, hashed: `create_commit` leaves out those that the branch holds already."""
        return {name: CommitOperationAdd(name, source) for name, source in self.files.items()}

    def _head(self) -> str | None:
        try:
            head: str | None = self.api.repo_info(self.repository, revision=self.branch).sha
        except RevisionNotFoundError:
            return None
        return head

    def _bytes(self, name: str) -> bytes:
        source = self.files[name]
        return source.read_bytes() if isinstance(source, Path) else source

    def _compare(self, commit: str | None) -> Published:
        """Say what a commit to the branch would change."""
        there = {}
        if commit:
            tree = self.api.list_repo_tree(self.repository, revision=commit, recursive=True)
            there = {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}
        sent = [name for name in self.files if name not in there or not self._same(name, there[name])]
        known = "|".join(map(re.escape, (*TOKENIZER_FILES, WEIGHTS, INDEX, *FILES)))
        old = re.compile(rf"{known}|model-\d+-of-\d+[.]safetensors")
        others = [name for name in there if name not in self.files and name != ".gitattributes"]
        removed = [name for name in others if old.fullmatch(name)]
        return Published(commit or "", sent, removed, [name for name in others if name not in removed])

    def _same(self, name: str, entry: Any) -> bool:
        if entry.lfs:
            return bool(entry.lfs.sha256 == self.additions[name].upload_info.sha256.hex())
        return bool(entry.blob_id == git_hash(self._bytes(name)))

    def _done_all_the_same(self) -> Published | None:
        """Return the commit if the Hub made it although its answer was lost; this happens."""
        try:
            head = self._head()
            left = self._compare(head)
        except FAILURES:
            return None
        if head is None or head == self.before or left.sent or left.removed:
            return None
        return replace(self.changes, commit=head)

    def _state(self) -> str:
        """Ask the Hub for the state of the repository, and return a sentence about it."""
        name = self.repository
        if not self.sending:
            return f"nothing was sent to {name}"
        try:
            if f"the branch {self.branch}" in self.created and self._head() == self.before:
                self.api.delete_branch(name, branch=self.branch)
                return f"{name} is as it was"
            head = self._head()
        except RepositoryNotFoundError:
            return f"there still is no {name}"
        except FAILURES:
            return (
                f"whether {name} is as it was could not be asked: see {self.api.endpoint}/{name}/commits/{self.branch}"
            )
        if name in self.created and self.before in (None, head):
            return f"{name} was created, and holds no model"
        if head != self.before:
            return f"{self.branch} of {name} now is {head}, which somebody else has published: run it again"
        return f"{name} is as it was"

    def _reason(self, error: BaseException) -> str:
        if refused := _response(error):
            return self._answer(refused.response.status_code, getattr(refused, "server_message", None))
        chain = _chain(error)
        if any(isinstance(link, OfflineModeIsEnabled) for link in chain):
            return "HF_HUB_OFFLINE is set: unset it, and run it again"
        for link in chain:
            if isinstance(link, requests.ConnectionError | requests.Timeout | ConnectionError):
                return f"the connection to {self.api.endpoint} failed ({type(link).__name__}): try again"
        return self._plain(first_line(error))

    def _answer(self, status: int, message: str | None) -> str:
        what = f"the Hub answered {status}" + (f" ({self._plain(first_line(UserError(message)))})" if message else "")
        if status == 401:
            return f"{what}: the token is not valid any more: {HOW_TO_LOG_IN}"
        if status == 403:
            return f"{what}: the token may not write to {self.repository}: {HOW_TO_LOG_IN}"
        if status in (409, 412):
            return f"{what}: somebody else has changed {self.repository} in the meantime: run it again"
        return f"{what}: try again later" if status == 429 or status >= 500 else what

    def _plain(self, text: str) -> str:
        """Return a message of another program without the token, and without the queries of its URLs."""
        if self.api.token:
            text = text.replace(str(self.api.token), "…")
        return re.sub(r"(https?://[^\s?]+)\?\S*", r"\1", text)


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and its causes: the one that matters in huggingface_hub may be the last."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def _response(error: BaseException) -> requests.RequestException | None:
    """Return the exception that holds the Hub's answer, if there was one."""
    for link in _chain(error):
        if isinstance(link, requests.RequestException) and link.response is not None:
            return link
    return None
