"""System calls on epoll instances, and eventfd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.poll import EVENT, SEMAPHORE, Epoll, EventFile
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.waiting import deadline, mask_at, wait_for
from cells.personalities.linux.words import signed

# ---- epoll


@call(357, "epoll_create1", FULL)
def sys_epoll_create1(process: Any, flags: int, *_: int) -> int:
    """A new epoll instance."""
    if flags & ~CLOSE_ON_EXEC:
        raise Errno(EINVAL)
    return int(process.files.install(Epoll(_nameless(process)), flags))


@call(250, "epoll_create", FULL)
def sys_epoll_create(process: Any, size: int, *_: int) -> int:
    """A new epoll instance."""
    if signed(size) <= 0:
        raise Errno(EINVAL)
    return sys_epoll_create1(process, 0)


def _nameless(process: Any) -> Inode:
    return Inode(process.kernel.vfs, 0o600)


def _epoll(process: Any, descriptor: int) -> Epoll:
    file = process.files.file(descriptor)
    if not isinstance(file, Epoll):
        raise Errno(EINVAL)
    return file


OPERATIONS: dict[int, Callable[..., None]] = {1: Epoll.add, 2: Epoll.remove, 3: Epoll.modify}


@call(251, "epoll_ctl", FULL)
def sys_epoll_ctl(process: Any, descriptor: int, operation: int, other: int, event: int, *_: int) -> int:
    """Watch a file, or no longer, or for something else."""
    epoll_file, file = process.files.file(descriptor), process.files.file(other)
    function = OPERATIONS.get(operation)
    if not isinstance(epoll_file, Epoll) or function is None or file is epoll_file:
        raise Errno(EINVAL)
    events = data = 0
    if operation != 2:
        events, _pad, data = EVENT.unpack(process.space.read(event, EVENT.size))
    function(epoll_file, other, file, events, data)
    return 0


def _epoll_wait(process: Any, descriptor: int, at: int, most: int, until: int, mask: int | None) -> Any:
    epoll = _epoll(process, descriptor)
    if not 0 < signed(most) <= 1 << 20:
        raise Errno(EINVAL)

    def look() -> int:
        found = epoll.take(most)
        process.space.write(at, b"".join(EVENT.pack(events, 0, data) for events, data in found))
        return len(found)

    return wait_for(process, look, epoll.queues, until, mask)


def _milliseconds(process: Any, timeout: int) -> int:
    return deadline(process, None if signed(timeout) < 0 else timeout * 1_000_000)


@call(252, "epoll_wait", FULL)
def sys_epoll_wait(process: Any, descriptor: int, at: int, most: int, timeout: int, *_: int) -> Any:
    """What is ready of what is watched."""
    return _epoll_wait(process, descriptor, at, most, _milliseconds(process, timeout), None)


@call(346, "epoll_pwait", FULL)
def sys_epoll_pwait(process: Any, descriptor: int, at: int, most: int, timeout: int, mask: int, size: int) -> Any:
    """epoll_wait with other signals blocked."""
    signals = mask_at(process, mask, size)
    return _epoll_wait(process, descriptor, at, most, _milliseconds(process, timeout), signals)


# ---- eventfd


@call(356, "eventfd2", FULL)
def sys_eventfd2(process: Any, count: int, flags: int, *_: int) -> int:
    """A counter as a file."""
    if flags & ~(CLOSE_ON_EXEC | NONBLOCK | SEMAPHORE):
        raise Errno(EINVAL)
    file = EventFile(_nameless(process), flags & NONBLOCK, count, bool(flags & SEMAPHORE))
    return int(process.files.install(file, flags))


@call(351, "eventfd", FULL)
def sys_eventfd(process: Any, count: int, *_: int) -> int:
    """A counter as a file."""
    return sys_eventfd2(process, count, 0)
