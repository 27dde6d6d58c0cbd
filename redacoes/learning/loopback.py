"""Keep the servers of this process to the machine that they are on.

TensorFlow's workers talk through a server of its own, which listens on every network interface, runs whatever graph it
is sent, and has no setting for either. The kernel can drop what arrives from elsewhere: a socket takes a filter from
the process that owns it.
"""

import ctypes
import os
import socket
import struct
from pathlib import Path

import psutil

from redacoes.errors import UserError

SO_ATTACH_FILTER = 26  # socket(7), on Linux
NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF of linux/filter.h: offsets from here on are into the IP header
BYTE, WORD, AND, EQUAL, RETURN = 0x30, 0x20, 0x54, 0x15, 0x06  # instructions of classic BPF
DROP, KEEP = 0, 0xFFFFFFFF
FILTER = (  # instruction, how many to skip if equal, and if not, operand
    (BYTE, 0, 0, NETWORK_HEADER),  # version of the Internet Protocol
    (AND, 0, 0, 0xF0),
    (EQUAL, 0, 2, 0x40),
    (BYTE, 0, 0, NETWORK_HEADER + 12),  # the sender's address: 127.0.0.0/8
    (EQUAL, 8, 9, 127),
    (WORD, 0, 0, NETWORK_HEADER + 8),  # or ::1
    (EQUAL, 0, 7, 0),
    (WORD, 0, 0, NETWORK_HEADER + 12),
    (EQUAL, 0, 5, 0),
    (WORD, 0, 0, NETWORK_HEADER + 16),
    (EQUAL, 0, 3, 0),
    (WORD, 0, 0, NETWORK_HEADER + 20),
    (EQUAL, 0, 1, 1),
    (RETURN, 0, 0, KEEP),
    (RETURN, 0, 0, DROP),
)


def confine() -> None:
    """Have every socket of this process that listens beyond loopback take only what comes from this machine.

    Raises:
        UserError: The system cannot, or something from elsewhere has connected before.
    """
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in FILTER)
    program = ctypes.create_string_buffer(code)
    argument = struct.pack("HL", len(FILTER), ctypes.addressof(program))
    try:
        for number in Path("/proc/self/fd").iterdir():
            if listening := _listening(int(number.name)):
                with listening:
                    listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, argument)
    except OSError as error:
        raise UserError(
            "train.workers is more than 1, and this system cannot keep TensorFlow's servers to this machine "
            f"({error.strerror}): set it to 1, or name a cluster by RAY_ADDRESS in a network that you trust"
        ) from error
    connections = psutil.Process().net_connections("inet")
    if not all(_is_here(connection.raddr.ip) for connection in connections if connection.raddr):
        raise UserError("train: another machine has connected to a worker while it started, so training does not begin")


def _listening(number: int) -> socket.socket | None:
    """Return a file descriptor of this process as a socket, if it is one that listens beyond loopback."""
    try:
        found = socket.socket(fileno=os.dup(number))
    except OSError:  # no socket, or closed by now
        return None
    is_inet = found.family in (socket.AF_INET, socket.AF_INET6)
    if is_inet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and not _is_here(found.getsockname()[0]):
        return found
    found.close()
    return None


def _is_here(host: str) -> bool:
    name = host.removeprefix("::ffff:")
    return name == "::1" or name.startswith("127.")
