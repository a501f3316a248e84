"""Names of sockets: struct sockaddr_un, paths and abstract names, and who has them.

socket = find_socket(process, get_address(process, at, size), STREAM)
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import ECONNREFUSED, EINVAL, ENOTSOCK, EPROTOTYPE, Errno
from cells.personalities.linux.inode import SOCKET
from cells.personalities.linux.rights import WRITE, demand
from cells.personalities.linux.socket import Socket

FAMILY = 1
PATH_ROOM = 108
SOCKET_LEVEL, RIGHTS, CREDENTIALS = 1, 1, 2


def socket_of(process: Any, descriptor: int) -> Socket:
    """The socket behind a descriptor.

    Raises:
        Errno: EBADF, ENOTSOCK.
    """
    file = process.files.file(descriptor)
    if not isinstance(file, Socket):
        raise Errno(ENOTSOCK)
    return file


def names_of(process: Any) -> Names:
    """The abstract names of this machine."""
    vfs = process.kernel.vfs
    if vfs.abstract is None:
        vfs.abstract = Names()
    names: Names = vfs.abstract
    return names


# ---- addresses


def get_address(process: Any, at: int, size: int) -> bytes:
    """The name in a struct sockaddr_un; b"": none.

    Raises:
        Errno: EINVAL, EFAULT.
    """
    if not 2 <= size <= 2 + PATH_ROOM:
        raise Errno(EINVAL)
    data = process.space.read(at, size)
    if struct.unpack("<H", data[:2])[0] != FAMILY:
        raise Errno(EINVAL)
    path = bytes(data[2:])
    return path if path[:1] in (b"", b"\0") else path.split(b"\0")[0] + b"\0"


def put_address(process: Any, address: bytes | None, at: int, size_at: int) -> None:
    """As much as there is room for, and how much there is. None: the peer has no address at all."""
    if not at:
        return
    (room,) = struct.unpack("<i", process.space.read(size_at, 4))
    if room < 0:
        raise Errno(EINVAL)
    whole = b"" if address is None else struct.pack("<H", FAMILY) + address
    process.space.write(at, whole[:room])
    process.space.write(size_at, struct.pack("<I", len(whole)))


def find_socket(process: Any, address: bytes, kind: int) -> Socket:
    """Who has a name.

    Raises:
        Errno: ECONNREFUSED, EPROTOTYPE, EINVAL, ENOENT, EACCES.
    """
    if not address:
        raise Errno(EINVAL)
    if address[:1] == b"\0":
        found = names_of(process).find(address)
    else:
        inode = process.kernel.vfs.lookup(process, address[:-1])
        demand(process, inode, WRITE)
        found = inode.data if inode.kind == SOCKET else None
    if not isinstance(found, Socket) or found.closed:
        raise Errno(ECONNREFUSED)
    if found.kind != kind:
        raise Errno(EPROTOTYPE)
    return found


class Names:
    """Sockets by abstract names; those by paths are found through their inodes."""

    def __init__(self) -> None:
        self._abstract: dict[bytes, Socket] = {}

    def find(self, name: bytes) -> Socket | None:
        """Who has it; one that was closed has lost it."""
        found = self._abstract.get(name)
        if found is not None and found.closed:
            del self._abstract[name]
            return None
        return found

    def bind(self, name: bytes, socket: Socket) -> None:
        """Give it a name that is free."""
        self._abstract[name] = socket
