"""What keeps a Ray cluster to one machine, and what is told of one that training cannot run on."""

import os
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from redacoes.errors import UserError
from redacoes.learning import cluster, loopback
from tests.support.processes import ELSEWHERE


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that listens on every interface, as TensorFlow's does."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        yield server


def connects(host: str, server: socket.socket) -> bool:
    try:
        with socket.create_connection((host, server.getsockname()[1]), timeout=0.3):
            return True
    except TimeoutError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux filters the packets of a socket")
@pytest.mark.skipif(not ELSEWHERE, reason="this machine has no address but those of loopback")
def test_a_server_on_every_interface_is_kept_to_this_machine(server: socket.socket) -> None:
    """What comes from an address of the network stands for another machine: it is its sender's address too."""
    assert connects(ELSEWHERE[0], server)
    loopback.confine()
    assert not connects(ELSEWHERE[0], server)
    assert connects("127.0.0.1", server)
    assert connects("::1", server)


def test_workers_that_have_been_connected_to_from_elsewhere_do_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    far = SimpleNamespace(raddr=SimpleNamespace(ip="192.0.2.9"))
    monkeypatch.setattr(psutil.Process, "net_connections", lambda *_: [far])
    with pytest.raises(UserError, match="another machine has connected"):
        loopback.confine()


def test_a_machine_without_the_folder_or_the_packages_is_told_from_one_with_both(tmp_path: Path) -> None:
    token, versions = tmp_path / "token", {"numpy": version("numpy"), "python": sys.version}
    assert "does not see" in cluster.fault(str(token), "abc", versions)
    token.write_text("of another run")
    assert "does not see" in cluster.fault(str(token), "abc", versions)
    token.write_text("abc")
    assert cluster.fault(str(token), "abc", versions) == ""
    assert "has numpy" in cluster.fault(str(token), "abc", {"numpy": "0.1"})
    assert "has no-such-package none" in cluster.fault(str(token), "abc", {"no-such-package": "1"})


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="--extra scale"), cluster.connected(2, 1):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto", "ray://127.0.0.1:1"])
def test_a_cluster_that_cannot_be_reached_is_told_in_one_sentence(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ | {"RAY_ADDRESS": address})
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace())
    with pytest.raises(UserError, match=f"RAY_ADDRESS names, {address}, cannot be reached"), cluster.connected(2, 1):
        pass
