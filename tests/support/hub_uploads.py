"""The uploads of the server in `hub`: the API that huggingface_hub 0.36 uses to create repositories and to commit.

Large files use LFS: a batch request says where to PUT them, on another host, with a signature that is valid for that
file only. A commit is newline-separated JSON, and is atomic: it is refused if a large file that it names never arrived,
or if its parent is not the last commit of the branch.
"""

import base64
import hashlib
import json
import secrets
import socket
from typing import Any

from tests.support.hub import CDN_HOST, Handler, Hub, Repository, git_oid, is_large


class UploadHandler(Handler):
    """Also answers uploads. Only the owner may write to a repository."""

    server: "UploadHub"
    routes = (
        ("GET", r"/api/whoami-v2", "whoami"),
        ("POST", r"/api/repos/create", "create"),
        ("POST", r"/api/validate-yaml", "validate_yaml"),
        ("POST", r"/api/models/(?P<name>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", "preupload"),
        ("POST", r"/(?P<name>[^/]+/[^/]+)[.]git/info/lfs/objects/batch", "batch"),
        ("PUT", r"/lfs/(?P<digest>[0-9a-f]{64})", "put"),
        ("POST", r"/(?P<name>[^/]+/[^/]+)[.]git/info/lfs/objects/verify", "verify"),
        ("POST|DELETE", r"/api/models/(?P<name>[^/]+/[^/]+)/branch/(?P<branch>[^/]+)", "branch"),
        ("POST", r"/api/models/(?P<name>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", "commit"),
        *Handler.routes,
    )

    def do_PUT(self) -> None:  # noqa: N802 (http.server's name)
        if not self.server.cut_uploads:
            self.answer()
            return
        self.server.cut_uploads -= 1
        self.rfile.read(int(self.headers["Content-Length"]) // 2)
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    @property
    def asked(self) -> dict[str, Any]:
        return json.loads(self.content)

    def whoami(self) -> None:
        if self.user:
            self.send_json({"type": "user", "name": self.user, "orgs": []})
        else:
            self.refuse(401, "", "Invalid username or password.")

    def may_write(self, name: str) -> bool:
        if self.user == name.split("/")[0]:
            return True
        self.refuse(403, "", f"You don't have the rights to write to {name}")
        return False

    def writable(self, name: str) -> Repository | None:
        repository = self.repository(name)
        return repository if repository and self.may_write(name) else None

    def create(self) -> None:
        name = f"{self.asked.get('organization') or self.user}/{self.asked['name']}"
        if not self.may_write(name):
            return
        if name in self.server.repositories:
            self.send_json({"error": "You already created this model repo", "url": f"/{name}"}, 409)
            return
        self.server.create(name, private=bool(self.asked.get("private")))
        self.send_json({"url": f"{self.server.endpoint}/{name}", "name": name})

    def validate_yaml(self) -> None:
        """Refuse a card without metadata in front; the Hub checks more."""
        whole = self.asked["content"].startswith("---\n")
        self.send_json({"errors": [] if whole else [{"message": "no metadata"}], "warnings": []}, 200 if whole else 400)

    def preupload(self, name: str, revision: str) -> None:
        place = self.at(name, revision) if self.writable(name) else None
        if not place:
            return
        there = place[0].commits[place[1]]
        self.send_json(
            {
                "files": [
                    {
                        "path": (path := file["path"]),
                        "uploadMode": "lfs" if is_large(path) else "regular",
                        "shouldIgnore": False,
                        "oid": git_oid(there[path]) if path in there and not is_large(path) else None,
                    }
                    for file in self.asked["files"]
                ]
            }
        )

    def batch(self, name: str) -> None:
        if not self.writable(name):
            return
        objects = []
        for each in self.asked["objects"]:
            digest = each["oid"]
            actions = {}
            if digest not in self.server.stored and self.server.large(digest) is None:
                key = self.server.signatures.setdefault(digest, secrets.token_hex())
                put = f"http://{CDN_HOST}:{self.server.port}/lfs/{digest}?X-Amz-Signature={key}"
                check = f"{self.server.endpoint}/{name}.git/info/lfs/objects/verify"
                actions = {"actions": {"upload": {"href": put, "header": {}}, "verify": {"href": check, "header": {}}}}
            objects.append({"oid": digest, "size": each["size"], "authenticated": True, **actions})
        self.send_json({"transfer": "basic", "objects": objects})

    def put(self, digest: str) -> None:
        if self.query.get("X-Amz-Signature") != self.server.signatures.get(digest):
            self.send(403)
        elif hashlib.sha256(self.content).hexdigest() != digest:
            self.send(400)
        else:
            self.server.stored[digest] = self.content
            self.send(200, headers={"ETag": f'"{digest}"'})

    def verify(self, name: str) -> None:
        stored = self.server.stored.get(self.asked["oid"], b"") if self.writable(name) else None
        if stored is not None:
            self.send(200 if len(stored) == self.asked["size"] else 404)

    def branch(self, name: str, branch: str) -> None:
        repository = self.writable(name)
        if not repository:
            return
        if self.command == "DELETE":
            del repository.branches[branch]
            self.send(204)
        elif branch in repository.branches:
            self.refuse(409, "", "Reference already exists")
        else:
            repository.branches[branch] = repository.commit_of(self.asked.get("startingPoint", "main"))
            self.send(201)

    def commit(self, name: str, revision: str) -> None:
        repository = self.writable(name)
        place = self.at(name, revision) if repository else None
        if not repository or not place:
            return
        header, *operations = [json.loads(line) for line in self.content.splitlines()]
        if header["value"].get("parentCommit", place[1]) != place[1]:
            self.refuse(412, "", "A commit has happened since. Please refresh and try again.")
            return
        files = dict(repository.commits[place[1]])
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "deletedFile":
                del files[value["path"]]
            elif operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                data = self.server.stored.get(value["oid"]) or self.server.large(value["oid"])
                if data is None:
                    self.refuse(400, "", f"lfs pointer pointed to a file that does not exist: {value['path']}")
                    return
                files[value["path"]] = data
        commit = self.server.commit(name, files, revision)
        self.server.messages[commit] = header["value"]["summary"]
        if self.server.lose_answer:
            self.server.lose_answer = False
            self.send(500)
            return
        self.send_json(
            {
                "success": True,
                "commitOid": commit,
                "commitUrl": f"{self.server.endpoint}/{name}/commit/{commit}",
                "hookOutput": "",
            }
        )


class UploadHub(Hub):
    """The server, with uploads.

    Attributes:
        stored: Uploaded large files by sha256, including those of no commit.
        signatures: The signature that allows the upload of a large file, by its sha256.
        messages: The message of each commit.
        cut_uploads: How many of the next uploads of large files are cut off in the middle.
        lose_answer: Whether the next commit is made but answered with 500.
    """

    def __init__(self) -> None:
        super().__init__(UploadHandler)
        self.stored: dict[str, bytes] = {}
        self.signatures: dict[str, str] = {}
        self.messages: dict[str, str] = {}
        self.cut_uploads: float = 0
        self.lose_answer = False
