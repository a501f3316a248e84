"""System calls that wait for several files: select, poll, epoll; and eventfd.

Each looks first; if nothing is ready and time is left, it becomes a generator that sleeps on the queues of all its files.
The ..p calls block other signals while they wait (`Signals.suspend`, `Signals.resume`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from cells.personalities.linux.errno import EINVAL, Errno
from cells.personalities.linux.file import (
    CLOSE_ON_EXEC,
    NONBLOCK,
    POLL_ERROR,
    POLL_HANGUP,
    POLL_IN,
    POLL_INVALID,
    POLL_OUT,
    POLL_PRIORITY,
    File,
)
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.poll import ALWAYS, EVENT, SEMAPHORE, Epoll, EventFile
from cells.personalities.linux.sys_file import signed
from cells.personalities.linux.table import FULL, call
from cells.personalities.linux.wait import Queue, Sleeping, Wait
from hypervisor.abi.time import NEVER

SECOND = 1_000_000_000
SELECTED = 1024
"""FD_SETSIZE."""

Look = Callable[[], int]
"""How many are ready; 0: none yet."""


# ---- time


def deadline(process: Any, nanoseconds: int | None) -> int:
    """The virtual time (cycles) when a wait is over."""
    if nanoseconds is None:
        return NEVER
    kernel = process.kernel
    return min(int(kernel.now() + -(-nanoseconds * kernel.hz // SECOND)), NEVER)


def _timeout(process: Any, at: int, form: str, unit: int) -> int | None:
    """A struct timeval or timespec as nanoseconds; None: for ever."""
    if not at:
        return None
    seconds, part = struct.unpack(form, process.space.read(at, struct.calcsize(form)))
    if seconds < 0 or not 0 <= part * unit < SECOND:
        raise Errno(EINVAL)
    return int(seconds * SECOND + part * unit)


def _tell_left(process: Any, at: int, form: str, unit: int, until: int) -> None:
    """select tells how much of its time is left. Who may not know it is not told."""
    if not at or until == NEVER:
        return
    left = max(until - process.kernel.now(), 0) * SECOND // process.kernel.hz
    try:
        process.space.write(at, struct.pack(form, left // SECOND, left % SECOND // unit))
    except Errno:
        return


# ---- the one way to wait


def wait_for(
    process: Any, look: Look, queues: Callable[[], Iterable[Queue]], until: int, mask: int | None = None
) -> Any:
    """Look, and unless something is ready or no time is left, sleep and look again. `mask`: of the ..p calls."""
    if mask is not None:
        process.signals.suspend(process, mask)
    ready = look()
    if ready or process.kernel.now() >= until:
        if mask is not None:
            process.signals.resume(process)
        return ready
    return _sleep(process, look, queues, until, mask is not None)


def _sleep(process: Any, look: Look, queues: Callable[[], Iterable[Queue]], until: int, masked: bool) -> Sleeping:
    ready = 0
    while not ready and process.kernel.now() < until:
        yield Wait(tuple(dict.fromkeys(queues())), until)
        ready = look()
    if masked:
        process.signals.resume(process)
    return ready


def _mask(process: Any, at: int, size: int) -> int | None:
    """The signals of a ..p call; None: as they are."""
    if not at:
        return None
    if size != 8:
        raise Errno(EINVAL)
    return int.from_bytes(process.space.read(at, 8), "little")


def _queues(files: Iterable[File]) -> list[Queue]:
    return [queue for file in files for queue in file.queues()]


# ---- select

INTERESTING = (POLL_IN | POLL_HANGUP | POLL_ERROR, POLL_OUT | POLL_ERROR, POLL_PRIORITY)
"""What makes a file readable, writable, or otherwise worth a look."""


class Selection:
    """One select: three sets of descriptors, as bits."""

    def __init__(self, process: Any, limit: int, places: tuple[int, int, int]) -> None:
        if signed(limit) < 0:
            raise Errno(EINVAL)
        self.process, self.places = process, places
        limit = min(limit, SELECTED)
        self.size = -(-limit // 32) * 4
        self.wanted = [self._bits(at) & (1 << limit) - 1 for at in places]
        self.found = [0, 0, 0]
        asked = self.wanted[0] | self.wanted[1] | self.wanted[2]
        descriptors = [i for i in range(limit) if asked >> i & 1] if asked else []
        self.files = {descriptor: process.files.file(descriptor) for descriptor in descriptors}

    def _bits(self, at: int) -> int:
        return int.from_bytes(self.process.space.read(at, self.size), "little") if at else 0

    def look(self) -> int:
        """How many bits are set in what was found."""
        self.found, count = [0, 0, 0], 0
        for descriptor, file in self.files.items():
            state = file.poll()
            for i in range(3):
                if self.wanted[i] >> descriptor & 1 and state & INTERESTING[i]:
                    self.found[i] |= 1 << descriptor
                    count += 1
        return count

    def store(self) -> None:
        """The sets become what was found."""
        for at, bits in zip(self.places, self.found, strict=True):
            if at:
                self.process.space.write(at, bits.to_bytes(self.size, "little"))


def _select(
    process: Any, limit: int, places: tuple[int, int, int], time: tuple[int, str, int], mask: int | None
) -> Any:
    """`time`: address, form and unit of the timeout."""
    until = deadline(process, _timeout(process, *time))
    selection = Selection(process, limit, places)
    outcome = wait_for(process, selection.look, lambda: _queues(selection.files.values()), until, mask)

    def finish(count: int) -> int:
        selection.store()
        _tell_left(process, *time, until)
        return count

    if isinstance(outcome, int):
        return finish(outcome)
    return _then(outcome, finish, lambda: _tell_left(process, *time, until))


def _then(sleeping: Sleeping, finish: Callable[[int], int], interrupted: Callable[[], None]) -> Sleeping:
    try:
        count = yield from sleeping
    except BaseException:
        interrupted()
        raise
    return finish(count)


@call(142, "_newselect", FULL)
def sys_select(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, *_: int) -> Any:
    """Wait for descriptors in sets of bits."""
    return _select(process, limit, (reading, writing, other), (timeout, "<ii", 1000), None)


def _pselect(process: Any, limit: int, places: tuple[int, int, int], time: tuple[int, str, int], mask_at: int) -> Any:
    mask = _mask(process, *struct.unpack("<II", process.space.read(mask_at, 8))) if mask_at else None
    return _select(process, limit, places, time, mask)


@call(335, "pselect6", FULL)
def sys_pselect6(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, mask: int) -> Any:
    """select with other signals blocked."""
    return _pselect(process, limit, (reading, writing, other), (timeout, "<ii", 1), mask)


@call(413, "pselect6_time64", FULL)
def sys_pselect6_64(process: Any, limit: int, reading: int, writing: int, other: int, timeout: int, mask: int) -> Any:
    """select with other signals blocked."""
    return _pselect(process, limit, (reading, writing, other), (timeout, "<qq", 1), mask)


# ---- poll


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

    return wait_for(process, look, lambda: _queues(file for file in files if file), until, mask)


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
    until = deadline(process, _timeout(process, *time))
    outcome = _poll(process, at, count, until, mask)
    if isinstance(outcome, int):
        _tell_left(process, *time, until)
        return outcome

    def tell() -> None:
        _tell_left(process, *time, until)

    def finish(count: int) -> int:
        tell()
        return count

    return _then(outcome, finish, tell)


@call(336, "ppoll", FULL)
def sys_ppoll(process: Any, at: int, count: int, timeout: int, mask: int, size: int, *_: int) -> Any:
    """poll with other signals blocked."""
    return _ppoll(process, at, count, (timeout, "<ii", 1), _mask(process, mask, size))


@call(414, "ppoll_time64", FULL)
def sys_ppoll_64(process: Any, at: int, count: int, timeout: int, mask: int, size: int, *_: int) -> Any:
    """poll with other signals blocked."""
    return _ppoll(process, at, count, (timeout, "<qq", 1), _mask(process, mask, size))


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
    signals = _mask(process, mask, size)
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
