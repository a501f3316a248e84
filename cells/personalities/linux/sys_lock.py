"""Calls on locks of files: fcntl's requests for records, and flock."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EAGAIN, EBADF, EINVAL, EOVERFLOW, Errno
from cells.personalities.arm.wait import Sleeping
from cells.personalities.linux.blocking import retry
from cells.personalities.linux.file import File, WouldBlock
from cells.personalities.linux.locks import END, EXCLUSIVE, NONE, SHARED, locks_of
from cells.personalities.linux.paths import inode_of
from cells.personalities.linux.table import FULL, call

SHORT, LONG = struct.Struct("<hhiii"), struct.Struct("<hh4xqqi4x")
"""struct flock, and flock64."""
FROM_START, FROM_HERE, FROM_END = 0, 1, 2

Request = Callable[[Any, int, File, int], Any]


def _range(file: File, whence: int, start: int, length: int) -> tuple[int, int]:
    """Where a lock begins and ends; a length of 0 means all that follows.

    Raises:
        Errno: EINVAL, EOVERFLOW.
    """
    base = {FROM_START: 0, FROM_HERE: file.offset, FROM_END: inode_of(None, file).size}.get(whence)
    if base is None:
        raise Errno(EINVAL)
    begin = base + start
    end = begin + length if length else END
    if length < 0:
        begin, end = end, begin
    if begin < 0:
        raise Errno(EINVAL)
    if end > END:
        raise Errno(EOVERFLOW)
    return begin, end


def get_lock(form: struct.Struct, of_file: bool = False) -> Request:
    """F_GETLK and its kinds: the lock that hinders such a one; its kind is F_UNLCK if nothing does."""

    def get(process: Any, _descriptor: int, file: File, at: int) -> int:
        kind, whence, start, length, pid = form.unpack(process.space.read(at, form.size))
        if kind not in (SHARED, EXCLUSIVE) or (of_file and pid):
            raise Errno(EINVAL)
        begin, end = _range(file, whence, start, length)
        owner = file if of_file else process.files
        other = locks_of(inode_of(process, file)).conflict(owner, kind, begin, end)
        if other is None:
            process.space.write(at, struct.pack("<h", NONE))
        else:
            size = 0 if other.end == END else other.end - other.start
            process.space.write(at, form.pack(other.kind, FROM_START, other.start, size, other.pid))
        return 0

    return get


def set_lock(form: struct.Struct, wait: bool, of_file: bool = False) -> Request:
    """F_SETLK, F_SETLKW and their kinds."""

    def put(process: Any, _descriptor: int, file: File, at: int) -> Any:
        kind, whence, start, length, pid = form.unpack(process.space.read(at, form.size))
        if kind not in (SHARED, EXCLUSIVE, NONE) or (of_file and pid):
            raise Errno(EINVAL)
        if (kind == SHARED and not file.readable) or (kind == EXCLUSIVE and not file.writable):
            raise Errno(EBADF)
        begin, end = _range(file, whence, start, length)
        owner, told = (file, -1) if of_file else (process.files, process.leader)

        locks = locks_of(inode_of(process, file))

        def once() -> int:
            locks.record(owner, kind, begin, end, told)
            return 0

        return _now_or_later(process, once, wait, lambda: locks.waiting.pop(owner, None))

    return put


def _now_or_later(process: Any, once: Callable[[], int], wait: bool, give_up: Callable[[], object]) -> Any:
    try:
        return once()
    except WouldBlock as why:
        if wait:
            return _wait(process, why, once, give_up)
    give_up()
    raise Errno(EAGAIN)


def _wait(process: Any, why: WouldBlock, once: Callable[[], int], give_up: Callable[[], object]) -> Sleeping:
    """Until it can be had, or a signal comes."""
    try:
        return (yield from retry(process, why, once))
    finally:
        give_up()


REQUESTS: dict[int, Request] = {
    5: get_lock(SHORT),
    6: set_lock(SHORT, wait=False),
    7: set_lock(SHORT, wait=True),
    12: get_lock(LONG),
    13: set_lock(LONG, wait=False),
    14: set_lock(LONG, wait=True),
    36: get_lock(LONG, of_file=True),
    37: set_lock(LONG, wait=False, of_file=True),
    38: set_lock(LONG, wait=True, of_file=True),
}
"""asm-generic/fcntl.h."""
KINDS = {1: SHARED, 2: EXCLUSIVE, 8: NONE}
AT_ONCE = 4


@call(143, "flock", FULL)
def sys_flock(process: Any, descriptor: int, operation: int, *_: int) -> Any:
    """A lock of a whole file."""
    file = process.files.file(descriptor)
    kind = KINDS.get(operation & ~AT_ONCE)
    if kind is None:
        raise Errno(EINVAL)

    def once() -> int:
        locks_of(inode_of(process, file)).whole(file, kind)
        return 0

    return _now_or_later(process, once, not operation & AT_ONCE, lambda: None)
