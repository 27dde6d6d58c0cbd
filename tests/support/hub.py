"""A loopback server with the part of the Hub's HTTP API that huggingface_hub 0.36 uses to look up and download.

It answers as huggingface.co does: a small file through a relative redirect (307) with its git hash as ETag, a
large one (LFS) through a redirect (302) to another host with its sha256 as X-Linked-Etag; which files there are as
`siblings` and as a `tree` in pages; refusals as a status with X-Error-Code. `Hub.fault` makes requests fail, and
`Hub.requests` records them.

To add routes, subclass `Handler`, add to `routes`, and give the subclass to `Hub(handler=...)`.
"""

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.support.servers import read_chunks

HOST = "127.0.0.1"
CDN_HOST = "localhost"  # the same machine under another name: the client must not send its token there
LARGE = (".safetensors", ".bin", ".onnx", ".h5")  # stored in LFS, by .gitattributes
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE).encode()

Files = dict[str, bytes]


def git_oid(data: bytes) -> str:
    """The hash under which git stores a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path: str) -> bool:
    return path.endswith(LARGE)


def pointer(data: bytes) -> bytes:
    """The LFS pointer that git stores for a large file."""
    digest = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n".encode()


def etag(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if is_large(path) else git_oid(data)


@dataclass
class Repository:
    """Commits, each with all its files, and the branches and tags that name them.

    Attributes:
        commits: The files of each commit.
        parents: The commit before each commit, or None.
        branches: The last commit of each branch.
        tags: The commit of each tag.
        private: Whether it seems not to exist to anyone but `readers`.
        gated: Whether only `readers` may read its files; its listing stays public.
        readers: Names of users.
    """

    commits: dict[str, Files] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False
    readers: set[str] = field(default_factory=set)

    def commit_of(self, revision: str) -> str | None:
        """The commit that a branch, a tag or a hash names."""
        named = {**self.tags, **self.branches}.get(revision, revision)
        return named if named in self.commits else None


@dataclass
class Fault:
    """A failure of the next `times` matching requests; later ones are answered.

    Attributes:
        path: A regular expression to search in a request's path with query; "/cdn/" matches large files.
        methods: The HTTP methods that fail.
        times: How many requests fail.
        status: Sent instead of the server's own answer.
        headers: Sent with `status`.
        cut_after: Bytes of the body (of the file, for a range) after which the connection is dropped.
        flip: Whether the last byte of the body is corrupted.
        delay: Seconds before the answer.
        struck: How many requests have failed.
    """

    path: str = ""
    methods: tuple[str, ...] = ("GET",)
    times: float = float("inf")
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    flip: bool = False
    delay: float = 0.0
    struck: int = 0


@dataclass(frozen=True)
class Request:
    """A request; `path` includes the query."""

    method: str
    path: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection. A route is a pattern of methods and of a path, and the name of the method that answers.

    The groups of the path's pattern are that method's arguments, decoded. When it is called, `content` holds the request's
    body, `query` its query, and `user` the name that goes with its token, or None.
    """

    protocol_version = "HTTP/1.1"
    server: "Hub"
    routes: tuple[tuple[str, str, str], ...] = (
        ("GET|HEAD", r"/cdn/(?P<digest>[0-9a-f]{64})", "large_file"),
        ("GET|HEAD", r"/api/resolve-cache/models/(?P<name>[^/]+/[^/]+)/(?P<commit>[^/]+)/(?P<path>.+)", "small_file"),
        ("GET", r"/api/models/(?P<name>[^/]+/[^/]+)/refs", "refs"),
        ("GET", r"/api/models/(?P<name>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", "tree"),
        ("GET", r"/api/models/(?P<name>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?", "info"),
        ("GET|HEAD", r"/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    )

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        url = urlsplit(self.path)
        self.query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        self.content = self._body()
        self.fault = self.server.seen(Request(self.command, self.path, dict(self.headers.items()))) or Fault()
        time.sleep(self.fault.delay)
        if self.fault.status:
            self.send(self.fault.status, headers=self.fault.headers)
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        self.user = self.server.tokens.get(token) if scheme == "Bearer" else None
        if token and not self.user and not url.path.startswith("/cdn/"):
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return
        for methods, pattern, name in self.routes:
            if re.fullmatch(methods, self.command) and (found := re.fullmatch(pattern, url.path)):
                groups = {key: value and unquote(value) for key, value in found.groupdict().items()}
                getattr(self, name)(**groups)
                return
        self.refuse(404, "", "Sorry, we can't find the page you are looking for.")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 (http.server's names)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return read_chunks(self.rfile)

    # ---- answers ----

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, start: int = 0) -> None:
        """Send an answer, changed by the fault; `start` is the offset of the body in its file."""
        if self.fault.flip and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            cut = self.fault.cut_after
            self.wfile.write(body if cut is None else body[: max(0, cut - start)])
        except ConnectionError:  # the client has closed the connection
            self.close_connection = True
        if self.fault.cut_after is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def refuse(self, status: int, code: str, message: str, commit: str = "") -> None:
        """Refuse as the Hub does: in the headers, since HEAD has no body, and in the body."""
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        self.send_json({"error": message}, status, {key: value for key, value in headers.items() if value})

    def send_file(self, data: bytes, headers: Mapping[str, str]) -> None:
        """Send a file, or the range of it that is asked for."""
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            self.send(200, data, headers)
            return
        start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        if start > end:
            self.send(416, headers={"Content-Range": f"bytes */{len(data)}"})
            return
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        self.send(206, data[start : end + 1], headers, start)

    # ---- who may see what ----

    def repository(self, name: str) -> Repository | None:
        """The repository, or None after a refusal: without a token, a missing one looks like a private one."""
        found = self.server.repositories.get(name)
        if found and (not found.private or self.user in found.readers):
            return found
        if self.user:
            self.refuse(404, "RepoNotFound", "Repository not found")
        else:
            self.refuse(401, "", "Invalid username or password.")
        return None

    def at(self, name: str, revision: str) -> tuple[Repository, str] | None:
        """The repository and the commit that `revision` names, or None after a refusal."""
        repository = self.repository(name)
        if not repository:
            return None
        commit = repository.commit_of(revision)
        if not commit:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, commit

    # ---- routes ----

    def resolve(self, name: str, revision: str, path: str) -> None:
        place = self.at(name, revision)
        if not place:
            return
        repository, commit = place
        if repository.gated and self.user not in repository.readers:
            message = f"Access to model {name} is restricted"
            if self.user:
                self.refuse(403, "GatedRepo", f"{message} and you are not in the authorized list.", commit)
            else:
                self.refuse(401, "GatedRepo", f"{message}. You must have access to it and be authenticated.", commit)
            return
        data = repository.commits[commit].get(path)
        if data is None:
            self.refuse(404, "EntryNotFound", "Entry not found", commit)
            return
        tag = etag(path, data)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(data)), "X-Linked-Etag": f'"{tag}"'}
        if is_large(path):
            # xet is a separate protocol, offered beside HTTP
            auth = f"{self.server.endpoint}/api/models/{name}/xet-read-token/{commit}"
            xet = {"X-Xet-Hash": tag, "Link": f'<{auth}>; rel="xet-auth"'}
            location = f"http://{CDN_HOST}:{self.server.port}/cdn/{tag}"
            self.send(302, headers={**headers, **xet, "Location": location})
        else:
            location = f"/api/resolve-cache/models/{name}/{commit}/{quote(path)}?etag={tag}"
            self.send(307, headers={**headers, "Location": location})

    def small_file(self, name: str, commit: str, path: str) -> None:
        data = self.server.repositories[name].commits[commit][path]
        self.send_file(data, {"X-Repo-Commit": commit, "ETag": f'"{git_oid(data)}"'})

    def large_file(self, digest: str) -> None:
        data = self.server.large(digest)
        if data is None:
            self.refuse(403, "", "AccessDenied")
        else:
            self.send_file(data, {"ETag": f'"{digest}"'})

    def info(self, name: str, revision: str | None) -> None:
        place = self.at(name, revision or "main")
        if not place:
            return
        repository, commit = place
        siblings: list[dict[str, Any]] = []
        for path, data in sorted(repository.commits[commit].items()):
            entry = self.entry(path, data)
            sibling = {"rfilename": path}
            if self.query.get("blobs", "").lower() == "true":
                sibling |= {"size": entry["size"], "blobId": entry["oid"]}
                if "lfs" in entry:
                    lfs = entry["lfs"]
                    sibling["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
            siblings.append(sibling)
        self.send_json(
            {
                "_id": hashlib.sha1(name.encode()).hexdigest()[:24],
                "id": name,
                "modelId": name,
                "author": name.split("/")[0],
                "sha": commit,
                "private": repository.private,
                "gated": "auto" if repository.gated else False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": siblings,
            }
        )

    def entry(self, path: str, data: bytes) -> dict[str, Any]:
        """The entry of a file in the tree."""
        kept = pointer(data) if is_large(path) else data
        entry = {"type": "file", "oid": git_oid(kept), "size": len(data), "path": path}
        if is_large(path):
            entry["lfs"] = {"oid": etag(path, data), "size": len(data), "pointerSize": len(kept)}
        return entry

    def tree(self, name: str, revision: str, folder: str | None) -> None:
        place = self.at(name, revision)
        if not place:
            return
        repository, commit = place
        files = repository.commits[commit]
        root = f"{folder}/" if folder else ""
        if folder and not any(path.startswith(root) for path in files):
            self.refuse(404, "EntryNotFound", f"{folder} does not exist on {revision!r}", commit)
            return
        entries = {}
        for path, data in sorted(files.items()):
            if not path.startswith(root):
                continue
            *parents, _ = path[len(root) :].split("/")
            for depth in range(1, len(parents) + 1):
                inner = root + "/".join(parents[:depth])
                oid = hashlib.sha1(inner.encode()).hexdigest()
                entries[inner] = {"type": "directory", "oid": oid, "size": 0, "path": inner}
            entries[path] = self.entry(path, data)
        recursive = self.query.get("recursive", "").lower() == "true"
        listed = [entry for path, entry in entries.items() if recursive or "/" not in path[len(root) :]]
        start = int(self.query.get("cursor", 0))
        headers, end = {}, start + self.server.page
        if end < len(listed):
            query = f"recursive={self.query.get('recursive', 'false')}&cursor={end}"
            headers["Link"] = f'<{self.server.endpoint}{urlsplit(self.path).path}?{query}>; rel="next"'
        self.send_json(listed[start:end], headers=headers)

    def refs(self, name: str) -> None:
        repository = self.repository(name)
        if not repository:
            return

        def told(kind: str, named: dict[str, str]) -> list[dict[str, str]]:
            return [{"name": key, "ref": f"refs/{kind}/{key}", "targetCommit": commit} for key, commit in named.items()]

        branches, tags = told("heads", repository.branches), told("tags", repository.tags)
        self.send_json({"branches": branches, "tags": tags, "converts": []})


class Hub(ThreadingHTTPServer):
    """The server. As a context manager it answers until the block ends; `endpoint` is for HF_ENDPOINT.

    Attributes:
        repositories: By name, such as "user/model".
        tokens: The user's name of each token.
        page: Entries of a tree in one answer.
        fault: The failure to simulate, or None.
        requests: All requests, in order.
    """

    daemon_threads = True

    def __init__(self, handler: type[Handler] = Handler) -> None:
        super().__init__((HOST, 0), handler)
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, str] = {}
        self.page = 1000
        self.fault: Fault | None = None
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def create(self, name: str, *, private: bool = False, gated: bool = False, readers: set[str] | None = None) -> None:
        """Create a repository with an initial commit, as the Hub does; its owner may read it."""
        repository = Repository(private=private, gated=gated, readers={name.split("/")[0], *(readers or set())})
        self.repositories[name] = repository
        self.commit(name, {".gitattributes": ATTRIBUTES})

    def commit(self, name: str, files: Files, branch: str = "main") -> str:
        """Add a commit with exactly `files` to a branch, and return its hash."""
        repository = self.repositories[name]
        parent = repository.branches.get(branch)
        listing = json.dumps([parent, {path: git_oid(data) for path, data in sorted(files.items())}])
        commit = hashlib.sha1(listing.encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.parents[commit] = parent
        repository.branches[branch] = commit
        return commit

    def add(self, name: str, files: Files, *, gated: bool = False, private: bool = False) -> str:
        """Make a repository that holds `files`, and return the hash of their commit."""
        self.create(name, private=private, gated=gated)
        return self.commit(name, {".gitattributes": ATTRIBUTES, **files})

    def large(self, digest: str) -> bytes | None:
        """The large file with a sha256, in any repository."""
        for repository in self.repositories.values():
            for files in repository.commits.values():
                for path, data in files.items():
                    if is_large(path) and etag(path, data) == digest:
                        return data
        return None

    def seen(self, request: Request) -> Fault | None:
        """Record a request, and return the fault that applies to it."""
        with self._lock:
            self.requests.append(request)
            fault = self.fault
            if (
                not fault
                or request.method not in fault.methods
                or not re.search(fault.path, request.path)
                or fault.struck >= fault.times
            ):
                return None
            fault.struck += 1
            return fault
