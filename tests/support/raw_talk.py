"""Who speaks to the monitor's sockets by hand, without libzmq: from inside of a cell, and from outside with no key.

ZMTP 3.1: a greeting of 64 bytes (signature, version, mechanism), then commands and messages, each behind its flags and its
length (rfc.zeromq.org, 23/ZMTP and 26/CURVEZMQ).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable

from cells.port import Port
from tests.support.hostile import begin

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
_libc = ctypes.CDLL(None)
COMMAND, LARGE, MORE = 4, 2, 1


def frame(flags: int, body: bytes, claimed: int | None = None) -> bytes:
    """A frame that says of itself that it is `claimed` bytes long."""
    length = len(body) if claimed is None else claimed
    head = struct.pack(">BQ", flags | LARGE, length) if length > 255 or claimed is not None else bytes([flags, length])
    return head + body


SAID: dict[str, bytes] = {
    "noise": bytes(range(256)) * 8,
    "a greeting again": GREETING,
    "a message in clear": frame(0, b"hello"),
    "a frame of all bytes that there are": frame(0, b"x", (1 << 63) - 1),
    "a frame of more than there are": frame(0, b"x", (1 << 64) - 1),
    "a forged secret": frame(0, b"\x07MESSAGE" + bytes(8) + os.urandom(200)),
    "a ping in clear": frame(COMMAND, b"\x04PING\xff\xff" + b"x" * 16),
    "an error": frame(COMMAND, b"\x05ERROR\xff"),
    "a command without a name": frame(COMMAND, b"\xff"),
    "nothing in many frames": frame(MORE, b"") * 5000,
    "half a frame": frame(0, b"\x07MESS", 300),
}


def speaks_by_hand(port: Port, what: str) -> None:
    """Takes its own connection from libzmq, and says that on it."""
    begin(port)
    said = SAID[what]
    ways = _streams()
    assert ways
    for way in ways:
        way.setblocking(False)
        way.send(said)
    port.print("said")
    port.sleep("100ms")


def hangs_up(port: Port) -> None:
    """Closes its connection under libzmq's hands."""
    begin(port)
    for number in _numbers():
        os.close(number)
    port.print("closed")
    port.sleep("100ms")


def _numbers() -> list[int]:
    """Descriptors of this process's connected stream sockets."""
    return [number for number in range(3, 64) if _is_stream(number)]


def _streams() -> list[socket.socket]:
    """Copies of them, so that closing these closes nothing."""
    return [socket.socket(fileno=fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 0)) for number in _numbers()]


def _is_stream(number: int) -> bool:
    kind, room, size = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_int(4)
    if _libc.getsockopt(number, socket.SOL_SOCKET, socket.SO_TYPE, ctypes.byref(kind), ctypes.byref(size)):
        return False
    size.value = 128
    return kind.value == socket.SOCK_STREAM and not _libc.getpeername(number, room, ctypes.byref(size))


def _quietly(deed: Callable[[], object]) -> None:
    try:
        deed()
    except OSError:
        return


class Strangers:
    """Connections from outside that show no key, all open until the end of the block."""

    def __init__(self, endpoint: str) -> None:
        host, _, number = endpoint.removeprefix("tcp://").rpartition(":")
        self._place = (host, int(number))
        self._open: list[socket.socket] = []

    def __enter__(self) -> Strangers:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()

    def come(self, count: int, says: bytes = b"") -> int:
        """So many; how many were let in."""
        came = 0
        for _ in range(count):
            try:
                connection = socket.create_connection(self._place, 0.3)
            except OSError:
                continue
            self._open.append(connection)
            came += 1
            if says:
                _quietly(lambda connection=connection: connection.send(says))
        return came

    def drip(self, count: int) -> None:
        """Each says one byte more of a greeting."""
        for number, connection in enumerate(self._open):
            _quietly(lambda connection=connection, at=number % 60: connection.send(GREETING[at : at + 1]))
            if number >= count:
                break
