"""On PYTHONPATH, keeps a process on this machine, and logs its other network requests to a file."""

import ipaddress
import os
import sys
from pathlib import Path

LOG = Path(os.environ["LEFT_LOOPBACK"])


def _is_here(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.bind", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "localhost"  # else the path of a Unix socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_here(host):
        with LOG.open("a") as log:
            log.write(f"{event} {host!r}\n")
        raise PermissionError(f"{host!r} is not this machine")


sys.addaudithook(_watch)
