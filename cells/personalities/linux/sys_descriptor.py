"""System calls on descriptors: close, dup, fcntl, ioctl."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EBADF, EINVAL, Errno
from cells.personalities.linux.blocking import retry
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK, SETTABLE, File, RegularFile, WouldBlock
from cells.personalities.linux.pipe import PipeFile
from cells.personalities.linux.sys_lock import REQUESTS
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import SIGNED


@call(6, "close", FULL)
def sys_close(process: Any, descriptor: int, *_: int) -> int:
    """Free a descriptor."""
    process.files.close(descriptor)
    return 0


CLOSE_UNSHARE, CLOSE_LATER = 2, 4


@call(436, "close_range", FULL)
def sys_close_range(process: Any, first: int, last: int, flags: int, *_: int) -> int:
    """Free many, or mark them for exec."""
    if flags & ~(CLOSE_UNSHARE | CLOSE_LATER) or first > last:
        raise Errno(EINVAL)
    chosen = [descriptor for descriptor in sorted(process.files.files) if first <= descriptor <= last]
    for descriptor in chosen:
        if flags & CLOSE_LATER:
            process.files.closing.add(descriptor)
        else:
            process.files.close(descriptor)
    return 0


def _duplicate(process: Any, descriptor: int, first: int, flags: int) -> int:
    file = process.files.file(descriptor)
    if first >= process.files.limit:
        raise Errno(EINVAL)
    return int(process.files.install(file, flags, first))


@call(41, "dup", FULL)
def sys_dup(process: Any, descriptor: int, *_: int) -> int:
    """Another descriptor for the same open file."""
    return _duplicate(process, descriptor, 0, 0)


@call(63, "dup2", FULL)
def sys_dup2(process: Any, descriptor: int, to: int, *_: int) -> int:
    """A given descriptor for the same open file."""
    if descriptor == to:
        process.files.file(descriptor)
        return to
    return sys_dup3(process, descriptor, to, 0)


@call(358, "dup3", FULL)
def sys_dup3(process: Any, descriptor: int, to: int, flags: int, *_: int) -> int:
    """A given descriptor for the same open file."""
    if flags & ~CLOSE_ON_EXEC or descriptor == to:
        raise Errno(EINVAL)
    file = process.files.file(descriptor)
    if to >= process.files.limit:
        raise Errno(EBADF)
    process.files.put(to, file, flags)
    return to


def _get_cloexec(process: Any, descriptor: int, _file: File, _argument: int) -> int:
    return int(descriptor in process.files.closing)


def _set_cloexec(process: Any, descriptor: int, _file: File, argument: int) -> int:
    (process.files.closing.add if argument & 1 else process.files.closing.discard)(descriptor)
    return 0


def _set_flags(_process: Any, _descriptor: int, file: File, argument: int) -> int:
    file.flags = file.flags & ~SETTABLE | argument & SETTABLE
    return 0


def _pipe_size(_process: Any, _descriptor: int, file: File, _argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno(EBADF)
    return file.ring.limit


def _set_pipe_size(_process: Any, _descriptor: int, file: File, argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno(EBADF)
    return file.resize(argument)


def _zero(_process: Any, _descriptor: int, _file: File, _argument: int) -> int:
    return 0


FCNTL: dict[int, Callable[..., Any]] = {
    0: lambda process, descriptor, _file, argument: _duplicate(process, descriptor, argument, 0),
    1: _get_cloexec,
    2: _set_cloexec,
    3: lambda _process, _descriptor, file, _argument: file.flags,
    4: _set_flags,
    8: _zero,  # F_SETOWN
    9: _zero,
    1030: lambda process, descriptor, _file, argument: _duplicate(process, descriptor, argument, CLOSE_ON_EXEC),
    1031: _set_pipe_size,
    1032: _pipe_size,
    **REQUESTS,
}
"""asm-generic/fcntl.h."""


@call(55, "fcntl", PARTIAL, "no leases, no owners of signals")
def sys_fcntl(process: Any, descriptor: int, request: int, argument: int, *_: int) -> Any:
    """What is known of a descriptor, or its file."""
    file = process.files.file(descriptor)
    function = FCNTL.get(request)
    if function is None:
        raise Errno(EINVAL)
    return function(process, descriptor, file, argument)


call(221, "fcntl64", PARTIAL, "as fcntl")(sys_fcntl)


FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX, FIONREAD = 0x5421, 0x5452, 0x5451, 0x5450, 0x541B


@call(
    54, "ioctl", PARTIAL, "terminals, pipes, sockets, inotify, screen, touch screen, disks; FIONBIO, FIONREAD, FIOCLEX"
)
def sys_ioctl(process: Any, descriptor: int, request: int, argument: int, *_: int) -> Any:
    """What is special to a kind of file."""
    file = process.files.file(descriptor)
    if request == FIONBIO:
        (on,) = struct.unpack("<I", process.space.read(argument, 4))
        file.flags = file.flags | NONBLOCK if on else file.flags & ~NONBLOCK
    elif request in (FIOCLEX, FIONCLEX):
        return _set_cloexec(process, descriptor, file, request == FIOCLEX)
    elif request == FIONREAD and isinstance(file, RegularFile):
        process.space.write(argument, struct.pack("<i", max(file.size - file.offset, 0) & SIGNED))
    else:
        return _control(process, file, request, argument)
    return 0


def _control(process: Any, file: File, request: int, argument: int) -> Any:
    try:
        return file.ioctl(process, request, argument)
    except WouldBlock as why:  # a background process that changes the terminal: when it is in the foreground
        return retry(process, why, lambda: file.ioctl(process, request, argument))
