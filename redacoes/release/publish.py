"""The model on the Hugging Face Hub: what is sent, when that is refused, and the one commit that holds all of it.

What the card says is in `card`. Nothing here needs TensorFlow, and nothing here prints a token: messages of other
programs are told without it, and without the query of a URL, which may be a signature.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from subprocess import run
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
from redacoes.files import WORK, read_object, whole
from redacoes.inference.metadata import (
    DECISION,
    SCORER,
    SURFACE,
    load_decision,
    portable_config,
    provenance,
    text_files,
)
from redacoes.learning.checkpoint import INDEX, TOKENIZER_FILES, WEIGHTS, load_config
from redacoes.learning.hub import online
from redacoes.learning.text_regression import FILES
from redacoes.release import card
from redacoes.tracking.integrity import verify
from redacoes.tracking.provenance import describe, problems
from redacoes.tracking.revisions import WORKSPACE, Revision
from redacoes.tracking.staleness import stale

DRAFT = WORK / "publish"  # where a dry run writes unless told otherwise
FAILURES = (requests.RequestException, OSError, RuntimeError, ValueError)  # of huggingface_hub
UNKNOWN = "the Hub may still be doing it: run the same again, which changes nothing if it is done"
HOW_TO_LOG_IN = "make one that may write at https://huggingface.co/settings/tokens, and give it to `hf auth login`"

Files = Mapping[str, Path | bytes]  # what is sent, by its name in the repository


@dataclass(frozen=True)
class Published:
    """What became of a publish.

    Attributes:
        commit: The Hub's commit that holds the model.
        sent: Files that it changed; none where the same model was there already.
        removed: Tokenizer and weights of an earlier model that it removed.
        others: Files in the repository that are no part of the model, and were left alone.
    """

    commit: str
    sent: list[str]
    removed: list[str]
    others: list[str]


# ---- what is sent ----------------------------------------------------------------------------------------------------


def require_publishable(root: Path) -> None:
    """Raise UserError, with the command that helps, unless HEAD says all that made the model and the metrics here.

    Args:
        root: The project's folder.
    """
    _require_clean(root)
    if found := problems(root):
        raise UserError(found[0])
    lock = Revision(WORKSPACE, root).lock
    _require_own_metrics(lock)
    _require_intact(root, lock)
    for stage, reasons in stale(root).items():
        raise UserError(
            f"dvc.lock records no run of {stage} as code, parameters and data are now ({reasons[0]}): run `dvc repro`, "
            "and commit dvc.lock and metrics/"
        )


def _require_clean(root: Path) -> None:
    shown = run(
        ["git", "-c", "core.quotepath=false", "status", "--porcelain", "."],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        raise UserError(f"git does not know {root} ({first_line(UserError(shown.stderr))}); run this from the project")
    if changed := [line[3:] for line in shown.stdout.splitlines()]:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UserError(
            f"{', '.join(changed[:3])}{more} in the workspace, and not in a commit, from which the model must be made "
            "again: commit (`git add --all && git commit`), or `git stash --include-untracked`"
        )


def _require_own_metrics(lock: Mapping[str, Any]) -> None:
    made, measured = (
        next((entry["md5"] for entry in lock.get(stage, {}).get(side, []) if entry["path"] == SCORER.as_posix()), None)
        for stage, side in (("train", "outs"), ("evaluate", "deps"))
    )
    if made != measured:
        raise UserError(
            f"metrics/evaluation.json is of another model (md5 {measured} in dvc.lock) than {SCORER} (md5 {made}): run "
            "`dvc repro`, and commit dvc.lock and metrics/"
        )


def _require_intact(root: Path, lock: Mapping[str, Any]) -> None:
    """Hold every byte of the scorer, of the rule and of the metrics against dvc.lock."""
    outs = [out["path"] for stage in lock.values() for out in stage.get("outs", [])]
    needed = [
        path
        for path in outs
        if path in (SCORER.as_posix(), SURFACE.as_posix(), f"models/{DECISION}") or re.match(r"metrics/.*\.json$", path)
    ]
    for finding in verify(root, progress=False, only=needed).findings:
        if finding.is_error or not (root / finding.output).exists():
            raise UserError(f"{finding.what}: run `{finding.remedy or 'redacoes verify'}`")


def collect(root: Path, repository: str, branch: str) -> Files:
    """Return what is sent: weights and tokenizer as they are, configuration with the rule, the rule, and the card.

    Args:
        root: The project's folder, which :func:`require_publishable` has found fit.
        repository: The repository on the Hub, ``owner/name``.
        branch: The branch to publish to, which the card's code names.
    """
    head = Revision("HEAD", root)
    scorer = root / SCORER
    files: dict[str, Path | bytes] = {path.name: path for path in sorted(scorer.iterdir())}
    load_config(scorer)  # refuses one that asks for code
    decision, made_by = load_decision(scorer), provenance(head)
    files |= {path.name: path for path in text_files(scorer, decision)}
    config = portable_config(read_object(scorer / "config.json"), decision, made_by)
    found = {**head.yaml("metrics/baseline.json"), **head.yaml("metrics/zero_shot.json")}
    baselines = {name: of["test"] for name, of in found.items() if of != "off"}
    scores = head.yaml("metrics/data.json")["scores"]
    page = card.write(
        card.Run(repository, branch, describe(head), scores, baselines, decision, made_by),
    )
    files |= {"config.json": _json(config), DECISION: _json(decision.to_dict()), "README.md": page.encode()}
    return files


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()


def size(source: Path | bytes) -> int:
    """Return the bytes of a file that is sent."""
    return source.stat().st_size if isinstance(source, Path) else len(source)


def write(files: Files, folder: Path) -> None:
    """Write what would be sent into `folder`, whole or not at all.

    Raises:
        UserError: Something stands there already that no dry run of this project wrote by itself.
    """
    if folder != DRAFT and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists, and nothing in it is replaced: name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole(folder) as draft:
        draft.mkdir()
        for name, source in files.items():
            (draft / name).write_bytes(source.read_bytes() if isinstance(source, Path) else source)


# ---- sending it ------------------------------------------------------------------------------------------------------


def require_name(repository: str) -> None:
    """Raise UserError unless `repository` is ``owner/name``, as the Hub spells it."""
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"{repository!r} is no name of a repository: {first_line(error)}") from error
    if "/" not in repository:
        raise UserError(f"{repository!r} lacks its owner: write OWNER/{repository} (`hf auth whoami` says who you are)")


def find_token() -> str:
    """Return the token of the environment or of `hf auth login`.

    Raises:
        UserError: There is none, or it holds what no header may hold, which other programs would print.
    """
    token = get_token()
    if not token:
        raise UserError(f"there is no token for the Hub: {HOW_TO_LOG_IN} (or to the variable HF_TOKEN)")
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError("the token for the Hub holds a character that no token has: copy it again (`hf auth login`)")
    return token


def publish(files: Files, repository: str, branch: str, private: bool, api: HfApi) -> Published:
    """Bring a branch of a repository to hold `files`, in one commit, and only if it does not hold them already.

    Args:
        files: What :func:`collect` returned.
        repository: ``owner/name``; it is created if need be.
        branch: Created from main if need be.
        private: Whether nobody else may see it.
        api: The Hub, with a token.

    Raises:
        UserError: It failed: with what became of the repository, which is as it was wherever that can be told.
    """
    logging.set_verbosity_error()  # its warnings hold signed URLs
    if not sys.stderr.isatty():
        disable_progress_bars()
    with online():
        return _Publishing(files, repository, branch, private, api).run()


class _Publishing:
    def __init__(self, files: Files, repository: str, branch: str, private: bool, api: HfApi) -> None:
        self.files, self.repository, self.branch, self.private, self.api = files, repository, branch, private, api
        self.before: str | None = None  # the branch's commit
        self.changes = Published("", [], [], [])
        self.created: list[str] = []  # what was created on the way
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
        api.whoami()  # else a wrong token would look like a repository that is not there
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
            parent_commit=self.before,  # if somebody else was faster, they are not overwritten
        )
        return replace(changes, commit=commit.oid)

    @cached_property
    def additions(self) -> dict[str, CommitOperationAdd]:
        """What is sent, by name, hashed: `create_commit` leaves out what the branch holds already."""
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
        """Return the commit if it was made although no answer of that arrived: the Hub has been seen to do so."""
        try:
            head = self._head()
            left = self._compare(head)
        except FAILURES:
            return None
        if head is None or head == self.before or left.sent or left.removed:
            return None
        return replace(self.changes, commit=head)

    def _state(self) -> str:
        """Say what became of the repository, after asking it."""
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
    """Return an exception, and those that it was raised from: huggingface_hub tells of the last."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    return chain


def _response(error: BaseException) -> requests.RequestException | None:
    """Return the exception that holds what the Hub answered, if it did."""
    for link in _chain(error):
        if isinstance(link, requests.RequestException) and link.response is not None:
            return link
    return None
