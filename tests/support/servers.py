"""Real servers for remotes, on loopback: SSH, S3, WebDAV and HTTP, and a proxy that makes the last three fail.

Each is a context manager that starts the server in its own process, waits until its port answers, and ends it.
`Proxy` and `Tunnel` are threads of the test, so that the test controls what fails and when.
"""

import http.client
import os
import secrets
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, TypeVar

import boto3
import pytest
from ruamel.yaml import YAML

HOST = "127.0.0.1"
SECONDS = 60  # timeout for a server to answer or end, on a busy machine


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def read_chunks(file: BinaryIO) -> bytes:
    """The body of a request with `Transfer-Encoding: chunked`."""
    body = b""
    while size := int(file.readline().split(b";")[0], 16):
        body += file.read(size)
        file.readline()
    while file.readline().strip():
        pass
    return body


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(command: Callable[[int], list[str]], folder: Path) -> Iterator[int]:
    """Run the server that `command` gives for a port, and yield the port once it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    for _ in range(3):  # another process may take the free port meanwhile
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(command(port), cwd=folder, stdout=output, stderr=output)
        try:
            if _answers(process, port):
                yield port
                return
        finally:
            stop(process)
    raise AssertionError(f"{command(port)} does not answer:\n{log.read_text(errors='replace')}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < until:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return process.poll() is None
        time.sleep(0.05)
    return False


@dataclass(frozen=True)
class Ssh:
    """A server that accepts `key`; `stranger` is a key that it refuses."""

    port: int
    files: Path
    key: Path
    stranger: Path

    @property
    def url(self) -> str:
        return f"ssh://{HOST}:{self.port}{self.files}"


@contextmanager
def ssh(folder: Path) -> Iterator[Ssh]:
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if not sshd:
        reason = "sshd is not installed (Debian: openssh-server), so nothing is known of remotes over SSH"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd needs it when started by root; usually boot scripts create it
    files = folder / "files"
    files.mkdir(parents=True)
    for name in ("host", "key", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    # StrictModes: others may have write access to the temporary folder
    (folder / "sshd_config").write_text(
        f"ListenAddress {HOST}\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nAuthenticationMethods publickey\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n"
    )
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with running(lambda port: [*command, "-p", str(port)], folder) as port:
        yield Ssh(port, files, folder / "key", folder / "stranger")


@dataclass(frozen=True)
class S3:
    """A bucket that only `access_key_id` with `secret_access_key` may use."""

    port: int
    bucket: str
    access_key_id: str
    secret_access_key: str

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def s3(folder: Path, bucket: str = "essays") -> Iterator[S3]:
    with running(lambda port: [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)], folder) as port:
        endpoint = f"http://{HOST}:{port}"
        anyone = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
        boto3.client("s3", endpoint_url=endpoint, **anyone).create_bucket(Bucket=bucket)
        iam = boto3.client("iam", endpoint_url=endpoint, **anyone)
        iam.create_user(UserName="team")
        allowed = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
        iam.put_user_policy(UserName="team", PolicyName="bucket", PolicyDocument=allowed)
        key = iam.create_access_key(UserName="team")["AccessKey"]
        # from here on moto checks credentials
        request = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"})
        urllib.request.urlopen(request).close()
        yield S3(port, bucket, key["AccessKeyId"], key["SecretAccessKey"])


@dataclass(frozen=True)
class WebDav:
    """A WebDAV share with one user."""

    port: int
    files: Path
    user: str
    password: str

    @property
    def url(self) -> str:
        return f"webdav://{HOST}:{self.port}/{self.files.name}"


@contextmanager
def webdav(folder: Path) -> Iterator[WebDav]:
    user, password = "ana", secrets.token_hex()
    files = folder / "files" / "essays"
    files.mkdir(parents=True)
    with (folder / "wsgidav.yaml").open("w") as file:
        settings = {
            "provider_mapping": {"/": str(files.parent)},
            "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        }
        YAML().dump(settings, file)
    command = [sys.executable, "-m", "wsgidav.server.server_cli", "--config", "wsgidav.yaml", "--host", HOST]
    with running(lambda port: [*command, "--port", str(port)], folder) as port:
        yield WebDav(port, files, user, password)


@dataclass(frozen=True)
class Http:
    """A read-only folder that anyone may read."""

    port: int
    files: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@contextmanager
def http_files(folder: Path) -> Iterator[Http]:
    files = folder / "files"
    files.mkdir(parents=True)
    command = [sys.executable, "-m", "http.server", "--bind", HOST, "--directory", str(files)]
    with running(lambda port: [*command, str(port)], folder) as port:
        yield Http(port, files)


@dataclass
class Fault:
    """A failure of the next `times` requests for objects; later ones are answered.

    Attributes:
        methods: The HTTP methods that fail.
        times: How many requests fail.
        status: Sent instead of the server's own answer.
        cut_after: Bytes of the response body (for PUT, the request body) after which the connection is dropped.
        delay: Seconds before the answer and between each 8 KiB of it.
        struck: How many requests have failed.
    """

    methods: tuple[str, ...] = ("GET",)
    times: float = float("inf")
    status: int | None = None
    cut_after: int | None = None
    delay: float = 0.0
    struck: int = 0


class Proxy(ThreadingHTTPServer):
    """A proxy in front of an HTTP server; it applies `fault` to requests for objects."""

    def __init__(self, upstream: int) -> None:
        super().__init__((HOST, 0), _Handler)
        self.upstream = upstream
        self.fault: Fault | None = None
        self._counting = threading.Lock()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def strikes(self, method: str, path: str) -> Fault | None:
        with self._counting:
            fault = self.fault
            if not fault or "/files/md5/" not in path or method not in fault.methods or fault.struck >= fault.times:
                return None
            fault.struck += 1
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        self.close_connection = True  # one request per connection, so that a drop affects no other request
        fault = self.server.strikes(self.command, self.path) or Fault()
        size = int(self.headers.get("Content-Length", 0))
        cut = fault.cut_after if self.command == "PUT" else None
        body = read_chunks(self.rfile) if "Transfer-Encoding" in self.headers else self.rfile.read(size)
        time.sleep(fault.delay)
        if fault.status:
            self.send_error(fault.status)
            return
        upstream = http.client.HTTPConnection(HOST, self.server.upstream, timeout=SECONDS)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"connection", "content-length", "expect", "transfer-encoding"}:
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.putheader("Connection", "close")
        upstream.endheaders(body if cut is None else body[:cut])
        if cut is not None and cut < len(body):
            upstream.close()
            return
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        if length is not None:
            self.send_header("Content-Length", length)
        self.send_header("Connection", "close")
        self.end_headers()
        content = content[: fault.cut_after]
        with suppress(ConnectionError):  # the client may have closed the connection
            for start in range(0, len(content), 8192):
                time.sleep(fault.delay)
                self.wfile.write(content[start : start + 8192])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = answer  # noqa: N815 (http.server's names)
    do_PROPFIND = do_MKCOL = do_MOVE = do_COPY = answer  # noqa: N815 (http.server's names)


class Tunnel(socketserver.ThreadingTCPServer):
    """A tunnel to any server; while `cut_when` is true, it drops each connection that has data to pass on."""

    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__((HOST, 0), _Connection)
        self.upstream = upstream
        self.cut_when: Callable[[], object] = lambda: False
        self.dropped = 0

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Connection(socketserver.BaseRequestHandler):
    server: Tunnel

    def handle(self) -> None:
        with socket.create_connection((HOST, self.server.upstream)) as upstream:
            back = threading.Thread(target=self.copy, args=(upstream, self.request), daemon=True)
            back.start()
            self.copy(self.request, upstream)
            back.join()

    def copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(8192):
                if self.server.cut_when():
                    self.server.dropped += 1
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


Stand = TypeVar("Stand", Proxy, Tunnel)


@contextmanager
def before(stand: Stand) -> Iterator[Stand]:
    """Run a proxy or tunnel while the block runs."""
    thread = threading.Thread(target=stand.serve_forever, daemon=True)
    thread.start()
    try:
        yield stand
    finally:
        stand.shutdown()
        stand.server_close()
        thread.join()
