"""System calls on sockets: names, connections, messages. What a socket does is in `socket.py`; there is AF_UNIX only."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.personalities.linux.errno import (
    EADDRINUSE,
    EAFNOSUPPORT,
    EAGAIN,
    ECONNREFUSED,
    EINVAL,
    EISCONN,
    EMFILE,
    EMSGSIZE,
    ENOPROTOOPT,
    ENOTCONN,
    ENOTSOCK,
    EOPNOTSUPP,
    EPROTONOSUPPORT,
    EPROTOTYPE,
    ESOCKTNOSUPPORT,
    Errno,
)
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, File, WouldBlock, release
from cells.personalities.linux.inode import SOCKET, Inode
from cells.personalities.linux.socket import (
    BUFFER,
    DATAGRAM,
    SEQUENCE,
    STREAM,
    Message,
    Names,
    Socket,
    credentials,
    join,
)
from cells.personalities.linux.sys_file import install_pair, later, signed, vectors
from cells.personalities.linux.sys_name import masked
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.wait import Interrupted, Sleeping, Wait

FAMILY = 1
PATH_ROOM = 108
TYPE = 15
PEEK, DONT_WAIT, NO_SIGNAL, TRUNCATED, CONTROL_TRUNCATED, WAIT_ALL, CLOSE_FILES = (
    2,
    0x40,
    0x4000,
    0x20,
    8,
    0x100,
    1 << 30,
)
BACKLOG = 128
SOCKET_LEVEL, RIGHTS, CREDENTIALS = 1, 1, 2
FILES_AT_ONCE = 253
"""SCM_MAX_FD."""


def socket_of(process: Any, descriptor: int) -> Socket:
    """The socket behind a descriptor.

    Raises:
        Errno: EBADF, ENOTSOCK.
    """
    file = process.files.file(descriptor)
    if not isinstance(file, Socket):
        raise Errno(ENOTSOCK)
    return file


def _names(process: Any) -> Names:
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


def _find(process: Any, address: bytes, kind: int) -> Socket:
    """Who has a name.

    Raises:
        Errno: ECONNREFUSED, EPROTOTYPE, EINVAL, ENOENT.
    """
    if not address:
        raise Errno(EINVAL)
    if address[:1] == b"\0":
        found = _names(process).find(address)
    else:
        inode = process.kernel.vfs.lookup(process, address[:-1])
        found = inode.data if inode.kind == SOCKET else None
    if not isinstance(found, Socket) or found.closed:
        raise Errno(ECONNREFUSED)
    if found.kind != kind:
        raise Errno(EPROTOTYPE)
    return found


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
    if _names(process).find(address) is not None:
        raise Errno(EADDRINUSE)
    _names(process).bind(address, socket)


def _bind_path(process: Any, socket: Socket, address: bytes) -> None:
    vfs = process.kernel.vfs
    found = vfs.walk(process.directory, address[:-1], False, process)
    if found.inode is not None:
        raise Errno(EADDRINUSE)
    if socket.address:
        raise Errno(EINVAL)
    socket.bound = vfs.create(found, Inode(vfs, SOCKET | masked(process, 0o777)))
    assert socket.bound is not None
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
        socket.peer = _find(process, address, DATAGRAM)
        return 0
    return _attempt(process, socket, False, lambda: _connect(process, socket, address))


def _connect(process: Any, socket: Socket, address: bytes) -> int:
    """The other end is made at once."""
    if socket.connected:
        raise Errno(EISCONN)
    if socket.backlog >= 0:
        raise Errno(EINVAL)
    to = _find(process, address, socket.kind)
    if to.backlog < 0:
        raise Errno(ECONNREFUSED)
    if len(to.pending) > to.backlog:
        raise WouldBlock(to.queue)
    other = Socket(Inode(process.kernel.vfs, SOCKET | 0o777), socket.kind)
    other.address, other.owner = to.address, to.owner
    socket.owner = credentials(process)
    join(socket, other)
    to.pending.append(other)
    to.changed()
    return 0


def _attempt(process: Any, file: File, at_once: bool, function: Callable[[], int]) -> Any:
    """Now, later, or EAGAIN."""
    try:
        return function()
    except WouldBlock as why:
        if at_once:
            raise Errno(EAGAIN) from None
        return later(process, file, why, function)


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
    return _attempt(process, socket, False, lambda: _accept(process, socket, at, size_at, flags))


def _accept(process: Any, socket: Socket, at: int, size_at: int, flags: int) -> int:
    if not socket.pending:
        raise WouldBlock(socket.queue)
    if len(process.files.files) >= process.files.limit:
        raise Errno(EMFILE)
    made = socket.pending.popleft()
    made.accepted, made.flags = True, made.flags | flags & NONBLOCK
    socket.changed()
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


# ---- messages


def _send(
    process: Any, descriptor: int, pieces: list[tuple[int, int]], flags: int, to: bytes | None, files: list[File]
) -> Any:
    socket = socket_of(process, descriptor)
    if to is not None and socket.kind != DATAGRAM:
        raise Errno(EISCONN if socket.connected else EOPNOTSUPP)
    receiver = None if to is None else _find(process, to, DATAGRAM)
    if socket.kind != STREAM and sum(size for _, size in pieces) > BUFFER:
        raise Errno(EMSGSIZE)
    sending = _Sending(process, socket, pieces, flags, receiver, files)
    try:
        return sending.go()
    except WouldBlock as why:
        if flags & DONT_WAIT or socket.flags & NONBLOCK:
            if not sending.done:
                raise Errno(EAGAIN) from None
            return sending.done
        return sending.finish(why)


class _Sending:
    """One message, or the bytes of one call: what is left of it."""

    def __init__(
        self,
        process: Any,
        socket: Socket,
        pieces: list[tuple[int, int]],
        flags: int,
        to: Socket | None,
        files: list[File],
    ) -> None:
        self.process, self.socket, self.to, self.files = process, socket, to, files
        self.silent = bool(flags & NO_SIGNAL)
        self.rest = b"".join(process.space.read(address, min(size, 1 << 20)) for address, size in pieces[:64])
        self.done = 0
        self.first = True

    def go(self) -> int:
        try:
            while self.rest or self.first:
                message = Message(self.rest, self.socket.address, self.files, credentials(self.process))
                went = self.socket.send(self.process, message, self.silent, self.to)
                self.first, self.files = False, []
                self.done += went
                self.rest = self.rest[went:]
                if self.socket.kind != STREAM:
                    break
        except Errno:
            if not self.done:
                raise
        return self.done

    def finish(self, why: WouldBlock) -> Sleeping:
        while True:
            try:
                yield Wait(why.queues)
                return self.go()
            except WouldBlock as still:
                why = still
            except Interrupted:
                if not self.done:
                    raise
                return self.done


@call(290, "sendto", FULL)
def sys_sendto(process: Any, descriptor: int, address: int, size: int, flags: int, at: int, at_size: int) -> Any:
    """Send, perhaps to somebody named."""
    socket_of(process, descriptor)
    to = get_address(process, at, at_size) if at else None
    return _send(process, descriptor, [(address, size)] if size else [], flags, to, [])


@call(289, "send", FULL)
def sys_send(process: Any, descriptor: int, address: int, size: int, flags: int, *_: int) -> Any:
    """Send."""
    return sys_sendto(process, descriptor, address, size, flags, 0, 0)


def _receive(process: Any, descriptor: int, size: int, flags: int, deliver: Callable[[Message | None], int]) -> Any:
    """Take what has come. `deliver`: gives it to the process."""
    socket = socket_of(process, descriptor)

    def once() -> int:
        return deliver(socket.receive(size, bool(flags & PEEK)))

    return _attempt(process, socket, bool(flags & DONT_WAIT), once)


@call(292, "recvfrom", PARTIAL, "no MSG_WAITALL")
def sys_recvfrom(process: Any, descriptor: int, address: int, size: int, flags: int, at: int, size_at: int) -> Any:
    """Receive, and from whom."""
    if signed(size) < 0:
        raise Errno(EINVAL)
    stream = socket_of(process, descriptor).kind == STREAM

    def deliver(message: Message | None) -> int:
        data = b"" if message is None else message.data
        process.space.write(address, data[:size])
        _drop_files(message, flags)
        put_address(process, None if stream or message is None else message.sender or None, at, size_at)
        return len(data) if flags & TRUNCATED else min(len(data), size)

    return _receive(process, descriptor, size, flags, deliver)


def _drop_files(message: Message | None, flags: int) -> None:
    """Nobody asked for the files that came along."""
    if message is not None and not flags & PEEK:
        for file in message.files:
            release(file)


@call(291, "recv", FULL)
def sys_recv(process: Any, descriptor: int, address: int, size: int, flags: int, *_: int) -> Any:
    """Receive."""
    return sys_recvfrom(process, descriptor, address, size, flags, 0, 0)


HEADER = struct.Struct("<7I")
"""struct msghdr: name, its size, vector, count, control data, its size, flags."""
CONTROL = struct.Struct("<Iii")
"""struct cmsghdr: size, level, type."""


def _files_of(process: Any, at: int, size: int) -> list[File]:
    """The open files that control data names."""
    data, found, place = process.space.read(at, min(size, 4096)), [], 0
    while place + CONTROL.size <= len(data):
        length, level, kind = CONTROL.unpack_from(data, place)
        if length < CONTROL.size or place + length > len(data):
            raise Errno(EINVAL)
        if (level, kind) == (SOCKET_LEVEL, RIGHTS):
            count = (length - CONTROL.size) // 4
            numbers = struct.unpack_from(f"<{count}i", data, place + CONTROL.size)
            found += [process.files.file(number) for number in numbers]
        elif (level, kind) != (SOCKET_LEVEL, CREDENTIALS):
            raise Errno(EINVAL)
        place += length + 3 & ~3
    if len(found) > FILES_AT_ONCE or any(isinstance(file, Socket) for file in found):
        raise Errno(EINVAL)  # a socket could travel into itself and would never end
    return found


@call(296, "sendmsg", PARTIAL, "files travel (SCM_RIGHTS), but no sockets")
def sys_sendmsg(process: Any, descriptor: int, message: int, flags: int, *_: int) -> Any:
    """Send what a header describes."""
    socket_of(process, descriptor)
    name, name_size, vector, count, control, control_size, _ = HEADER.unpack(process.space.read(message, HEADER.size))
    to = get_address(process, name, name_size) if name and name_size else None
    files = _files_of(process, control, control_size) if control and control_size else []
    return _send(process, descriptor, vectors(process, vector, count), flags, to, files)


@call(297, "recvmsg", PARTIAL, "no MSG_WAITALL")
def sys_recvmsg(process: Any, descriptor: int, at: int, flags: int, *_: int) -> Any:
    """Receive as a header describes."""
    stream = socket_of(process, descriptor).kind == STREAM
    header = HEADER.unpack(process.space.read(at, HEADER.size))
    name, _, vector, count, control, control_size, _ = header
    pieces = vectors(process, vector, count)
    room = sum(size for _, size in pieces)

    def deliver(message: Message | None) -> int:
        taken = message or Message(b"")
        _scatter(process, pieces, taken.data[:room])
        told = TRUNCATED if len(taken.data) > room else 0
        told |= _deliver_files(process, at, control, control_size, taken, flags)
        put_address(process, None if stream else taken.sender or None, name, at + 4)
        process.space.write(at + 24, struct.pack("<I", told))
        return len(taken.data) if flags & TRUNCATED else min(len(taken.data), room)

    return _receive(process, descriptor, room, flags, deliver)


def _scatter(process: Any, pieces: list[tuple[int, int]], data: bytes) -> None:
    for address, size in pieces:
        process.space.write(address, data[:size])
        data = data[size:]


def _deliver_files(process: Any, at: int, control: int, room: int, message: Message, flags: int) -> int:
    """Descriptors for files that came along; the flags that this means."""
    fit = min(len(message.files), max((room - CONTROL.size) // 4, 0)) if control else 0
    free = process.files.limit - len(process.files.files)
    later_flags = CLOSE_ON_EXEC if flags & CLOSE_FILES else 0
    numbers = [process.files.install(file, later_flags) for file in message.files[: min(fit, free)]]
    _drop_files(message, flags)
    size = CONTROL.size + 4 * len(numbers) if numbers else 0
    if numbers:
        head = CONTROL.pack(size, SOCKET_LEVEL, RIGHTS)
        process.space.write(control, head + struct.pack(f"<{len(numbers)}i", *numbers))
    process.space.write(at + 20, struct.pack("<I", size))
    return CONTROL_TRUNCATED if len(numbers) < len(message.files) else 0


# ---- options: those that change nothing here are accepted

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
