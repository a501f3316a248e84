"""System calls that make, name and connect sockets. What a socket does is in `socket.py`; there is AF_UNIX only."""

from __future__ import annotations

from typing import Any

from cells.personalities.arm.errno import (
    EADDRINUSE,
    EAFNOSUPPORT,
    ECONNREFUSED,
    EINVAL,
    EISCONN,
    EMFILE,
    ENOTCONN,
    EOPNOTSUPP,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
    Errno,
)
from cells.personalities.linux.blocking import attempt
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, WouldBlock
from cells.personalities.linux.inode import SOCKET, Inode
from cells.personalities.linux.message import DATAGRAM, SEQUENCE, STREAM, credentials
from cells.personalities.linux.paths import create, masked
from cells.personalities.linux.socket import Socket, join
from cells.personalities.linux.socket_names import FAMILY, find_socket, get_address, names_of, put_address, socket_of
from cells.personalities.linux.sys_pipe import install_pair
from cells.personalities.linux.table import FULL, PARTIAL, call

TYPE = 15
BACKLOG = 128


# ---- making them


def _make(process: Any, family: int, kind: int, protocol: int) -> Socket:
    if family != FAMILY:
        raise Errno(EAFNOSUPPORT)
    if kind & ~(TYPE | NONBLOCK | CLOSE_ON_EXEC):
        raise Errno(EINVAL)
    if kind & TYPE not in (STREAM, DATAGRAM, SEQUENCE):
        raise Errno(ESOCKTNOSUPPORT)
    if protocol not in (0, FAMILY):
        raise Errno(EPROTONOSUPPORT)
    made = Socket(Inode(process.kernel.vfs, SOCKET | 0o777), kind & TYPE, kind & NONBLOCK)
    made.accepted, made.owner = True, credentials(process)
    return made


@call(281, "socket", PARTIAL, "AF_UNIX only")
def sys_socket(process: Any, family: int, kind: int, protocol: int, *_: int) -> int:
    """A new socket."""
    return int(process.files.install(_make(process, family, kind, protocol), kind))


@call(288, "socketpair", FULL)
def sys_socketpair(process: Any, family: int, kind: int, protocol: int, at: int, *_: int) -> int:
    """Two that are connected."""
    one, other = _make(process, family, kind, protocol), _make(process, family, kind, protocol)
    join(one, other)
    return install_pair(process, (one, other), kind, at)


# ---- connections


@call(282, "bind", FULL)
def sys_bind(process: Any, descriptor: int, at: int, size: int, *_: int) -> int:
    """Give it a name."""
    socket = socket_of(process, descriptor)
    address = get_address(process, at, size)
    if not address:  # any name that is free
        address = b"\0%05x" % socket_inode(socket).inode_number
    if address[:1] == b"\0":
        _bind_abstract(process, socket, address)
    else:
        _bind_path(process, socket, address)
    socket.address = address
    return 0


def socket_inode(socket: Socket) -> Inode:
    """What fstat tells of it."""
    assert socket.inode is not None
    return socket.inode


def _bind_abstract(process: Any, socket: Socket, address: bytes) -> None:
    if socket.address:
        raise Errno(EINVAL)
    if names_of(process).find(address) is not None:
        raise Errno(EADDRINUSE)
    names_of(process).bind(address, socket)


def _bind_path(process: Any, socket: Socket, address: bytes) -> None:
    vfs = process.kernel.vfs
    found = vfs.walk(process.directory, address[:-1], False, process)
    if found.inode is not None:
        raise Errno(EADDRINUSE)
    if socket.address:
        raise Errno(EINVAL)
    socket.bound = create(process, found, Inode(vfs, SOCKET | masked(process, 0o777)))
    socket.bound.data = socket


@call(284, "listen", FULL)
def sys_listen(process: Any, descriptor: int, backlog: int, *_: int) -> int:
    """Let others connect to it."""
    socket = socket_of(process, descriptor)
    if socket.kind == DATAGRAM:
        raise Errno(EOPNOTSUPP)
    if socket.connected or not socket.address:
        raise Errno(EINVAL)
    socket.backlog = min(backlog, BACKLOG)
    socket.owner = credentials(process)
    return 0


@call(283, "connect", FULL)
def sys_connect(process: Any, descriptor: int, at: int, size: int, *_: int) -> Any:
    """Talk to whoever has a name."""
    socket = socket_of(process, descriptor)
    if size >= 2 and socket.kind == DATAGRAM and process.space.read(at, 2) == b"\0\0":
        socket.peer = None  # AF_UNSPEC: to nobody any more
        return 0
    address = get_address(process, at, size)
    if socket.kind == DATAGRAM:
        socket.peer = find_socket(process, address, DATAGRAM)
        return 0
    return attempt(process, socket, False, lambda: _connect(process, socket, address))


def _connect(process: Any, socket: Socket, address: bytes) -> int:
    """The other end is made at once."""
    if socket.connected:
        raise Errno(EISCONN)
    if socket.backlog >= 0:
        raise Errno(EINVAL)
    to = find_socket(process, address, socket.kind)
    if to.backlog < 0:
        raise Errno(ECONNREFUSED)
    if len(to.pending) > to.backlog:
        raise WouldBlock(to.queue)
    other = Socket(Inode(process.kernel.vfs, SOCKET | 0o777), socket.kind)
    other.address, other.owner = to.address, to.owner
    socket.owner = credentials(process)
    to.enqueue(other)
    join(socket, other)
    return 0


@call(366, "accept4", FULL)
def sys_accept4(process: Any, descriptor: int, at: int, size_at: int, flags: int, *_: int) -> Any:
    """A socket for the next one who has connected."""
    socket = socket_of(process, descriptor)
    if flags & ~(CLOSE_ON_EXEC | NONBLOCK):
        raise Errno(EINVAL)
    if socket.kind == DATAGRAM:
        raise Errno(EOPNOTSUPP)
    if socket.backlog < 0:
        raise Errno(EINVAL)
    return attempt(process, socket, False, lambda: _accept(process, socket, at, size_at, flags))


def _accept(process: Any, socket: Socket, at: int, size_at: int, flags: int) -> int:
    if not socket.pending:
        raise WouldBlock(socket.queue)
    if len(process.files.files) >= process.files.limit:
        raise Errno(EMFILE)
    made = socket.dequeue()
    made.accepted, made.flags = True, made.flags | flags & NONBLOCK
    descriptor = int(process.files.install(made, flags))
    try:
        put_address(process, made.peer.address if made.peer else b"", at, size_at)
    except Errno:
        process.files.close(descriptor)
        raise
    return descriptor


@call(285, "accept", FULL)
def sys_accept(process: Any, descriptor: int, at: int, size_at: int, *_: int) -> Any:
    """A socket for the next one who has connected."""
    return sys_accept4(process, descriptor, at, size_at, 0)


@call(293, "shutdown", FULL)
def sys_shutdown(process: Any, descriptor: int, how: int, *_: int) -> int:
    """Send or receive no more."""
    socket_of(process, descriptor).shut(how)
    return 0


@call(286, "getsockname", FULL)
def sys_getsockname(process: Any, descriptor: int, at: int, size_at: int, *_: int) -> int:
    """Its own name."""
    put_address(process, socket_of(process, descriptor).address, at, size_at)
    return 0


@call(287, "getpeername", FULL)
def sys_getpeername(process: Any, descriptor: int, at: int, size_at: int, *_: int) -> int:
    """Its peer's name."""
    peer = socket_of(process, descriptor).peer
    if peer is None:
        raise Errno(ENOTCONN)
    put_address(process, peer.address, at, size_at)
    return 0
