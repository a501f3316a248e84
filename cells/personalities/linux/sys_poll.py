"""System calls that wait for descriptors in a list: poll and ppoll."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.linux.file import POLL_INVALID, File
from cells.personalities.linux.poll import ALWAYS
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.waiting import deadline, mask_at, queues_of, tell_left, then, timeout_at, wait_for
from cells.personalities.linux.words import signed


def _poll(process: Any, at: int, count: int, until: int, mask: int | None = None) -> Any:
    if count > process.files.limit:
        raise Errno(EINVAL)
    words = struct.unpack("<" + "iHH" * count, process.space.read(at, 8 * count)) if count else ()
    asked = [(words[i], words[i + 1]) for i in range(0, len(words), 3)]
    files = [process.files.files.get(descriptor) if descriptor >= 0 else None for descriptor, _ in asked]

    def look() -> int:
        found = [_state(file, *entry) for file, entry in zip(files, asked, strict=True)]
        for i, state in enumerate(found):
            process.space.write(at + 8 * i + 6, struct.pack("<H", state))
        return sum(state != 0 for state in found)

    return wait_for(process, look, lambda: queues_of(file for file in files if file), until, mask)


def _state(file: File | None, descriptor: int, events: int) -> int:
    if descriptor < 0:
        return 0
    return POLL_INVALID if file is None else file.poll() & (events | ALWAYS)


@call(168, "poll", FULL)
def sys_poll(process: Any, at: int, count: int, milliseconds: int, *_: int) -> Any:
    """Wait for descriptors in a list."""
    timeout = None if signed(milliseconds) < 0 else milliseconds * 1_000_000
    return _poll(process, at, count, deadline(process, timeout))


def _ppoll(process: Any, at: int, count: int, time: tuple[int, str, int], mask: int | None) -> Any:
    until = deadline(process, timeout_at(process, *time))
    outcome = _poll(process, at, count, until, mask)
    if isinstance(outcome, int):
        tell_left(process, *time, until)
        return outcome

    def tell() -> None:
        tell_left(process, *time, until)

    def finish(count: int) -> int:
        tell()
        return count

    return then(outcome, finish, tell)


@call(336, "ppoll", FULL)
def sys_ppoll(process: Any, at: int, count: int, timeout: int, mask: int, size: int, *_: int) -> Any:
    """poll with other signals blocked."""
    return _ppoll(process, at, count, (timeout, "<ii", 1), mask_at(process, mask, size))


@call(414, "ppoll_time64", FULL)
def sys_ppoll_64(process: Any, at: int, count: int, timeout: int, mask: int, size: int, *_: int) -> Any:
    """poll with other signals blocked."""
    return _ppoll(process, at, count, (timeout, "<qi4x", 1), mask_at(process, mask, size))
