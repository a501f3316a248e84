"""Options of sockets: those that change nothing here are kept and told."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, ENOPROTOOPT, EOPNOTSUPP, Errno
from cells.personalities.linux.message import BUFFER
from cells.personalities.linux.socket import Socket
from cells.personalities.linux.socket_names import FAMILY, SOCKET_LEVEL, socket_of
from cells.personalities.linux.table import PARTIAL, call

REUSE, KIND, ERROR, SEND_BUFFER, RECEIVE_BUFFER, KEEP_ALIVE, LINGER = 2, 3, 4, 7, 8, 9, 13
PASS_CREDENTIALS, PEER_CREDENTIALS, RECEIVE_TIME, SEND_TIME, LISTENS, PROTOCOL, DOMAIN = 16, 17, 20, 21, 30, 38, 39
SETTABLE = {REUSE, 5, 6, SEND_BUFFER, RECEIVE_BUFFER, KEEP_ALIVE, 10, 12, LINGER, 15, PASS_CREDENTIALS}


@call(294, "setsockopt", PARTIAL, "kept and without effect")
def sys_setsockopt(process: Any, descriptor: int, level: int, option: int, at: int, size: int, *_: int) -> int:
    """Set an option."""
    socket = socket_of(process, descriptor)
    if level != SOCKET_LEVEL:
        raise Errno(EOPNOTSUPP)
    if size < 4:
        raise Errno(EINVAL)
    (value,) = struct.unpack("<I", process.space.read(at, 4))
    if option not in SETTABLE:
        raise Errno(ENOPROTOOPT)
    socket.options[option] = value
    return 0


def _option(socket: Socket, option: int) -> bytes:
    if option == PEER_CREDENTIALS:
        return struct.pack("<3i", *(socket.peer.owner if socket.peer else (0, -1, -1)))
    values = {
        KIND: socket.kind,
        ERROR: 0,
        SEND_BUFFER: 2 * BUFFER,
        RECEIVE_BUFFER: 2 * BUFFER,
        LISTENS: int(socket.backlog >= 0),
        PROTOCOL: 0,
        DOMAIN: FAMILY,
    }
    if option not in values and option not in SETTABLE:
        raise Errno(ENOPROTOOPT)
    return struct.pack("<I", values.get(option, socket.options.get(option, 0)))


@call(295, "getsockopt", PARTIAL, "those of sockets themselves")
def sys_getsockopt(process: Any, descriptor: int, level: int, option: int, at: int, size_at: int, *_: int) -> int:
    """An option's value."""
    socket = socket_of(process, descriptor)
    if level != SOCKET_LEVEL:
        raise Errno(EOPNOTSUPP)
    value = _option(socket, option)
    (room,) = struct.unpack("<i", process.space.read(size_at, 4))
    if room < 0:
        raise Errno(EINVAL)
    process.space.write(at, value[:room])
    process.space.write(size_at, struct.pack("<I", min(room, len(value))))
    return 0
