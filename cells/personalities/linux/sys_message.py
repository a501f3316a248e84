"""System calls that send and receive on sockets, with files that travel along (SCM_RIGHTS)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EAGAIN, EINVAL, EISCONN, EMSGSIZE, EOPNOTSUPP, Errno
from cells.personalities.linux.blocking import Piecewise, attempt
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, File, WouldBlock
from cells.personalities.linux.file_table import release
from cells.personalities.linux.message import BUFFER, DATAGRAM, STREAM, Message, credentials
from cells.personalities.linux.socket import Socket
from cells.personalities.linux.socket_names import (
    CREDENTIALS,
    RIGHTS,
    SOCKET_LEVEL,
    find_socket,
    get_address,
    put_address,
    socket_of,
)
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import signed, vectors

PEEK, DONT_WAIT, NO_SIGNAL, TRUNCATED, CONTROL_TRUNCATED, WAIT_ALL, CLOSE_FILES = (
    2,
    0x40,
    0x4000,
    0x20,
    8,
    0x100,
    1 << 30,
)
FILES_AT_ONCE = 253
"""SCM_MAX_FD."""


def _send(
    process: Any, descriptor: int, pieces: list[tuple[int, int]], flags: int, to: bytes | None, files: list[File]
) -> Any:
    socket = socket_of(process, descriptor)
    if to is not None and socket.kind != DATAGRAM:
        raise Errno(EISCONN if socket.connected else EOPNOTSUPP)
    receiver = None if to is None else find_socket(process, to, DATAGRAM)
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


class _Sending(Piecewise):
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

    return attempt(process, socket, bool(flags & DONT_WAIT), once)


@call(292, "recvfrom", PARTIAL, "no MSG_WAITALL")
def sys_recvfrom(process: Any, descriptor: int, address: int, size: int, flags: int, at: int, size_at: int) -> Any:
    """Receive, and from whom."""
    if signed(size) < 0:
        raise Errno(EINVAL)
    stream = socket_of(process, descriptor).kind == STREAM

    def deliver(message: Message | None) -> int:
        data = b"" if message is None else message.data
        _drop_files(message, flags)
        process.space.write(address, data[:size])
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
        try:
            _scatter(process, pieces, taken.data[:room])
        except Errno:
            _drop_files(message, flags)
            raise
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
