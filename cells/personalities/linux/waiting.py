"""What select, poll and epoll share: time, masks of signals, and the one way to wait.

Each looks first; if nothing is ready and time is left, it becomes a generator that sleeps on the queues of all its files.
The ..p calls block other signals while they wait (`Signals.suspend`, `Signals.resume`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.arm.wait import Queue, Sleeping, Wait
from cells.personalities.linux.file import File
from hypervisor.abi.time import NEVER

SECOND = 1_000_000_000

Look = Callable[[], int]
"""How many are ready; 0: none yet."""


# ---- time


def deadline(process: Any, nanoseconds: int | None) -> int:
    """The virtual time (cycles) when a wait is over."""
    if nanoseconds is None:
        return NEVER
    kernel = process.kernel
    return min(int(kernel.now() + -(-nanoseconds * kernel.hz // SECOND)), NEVER)


def timeout_at(process: Any, at: int, form: str, unit: int) -> int | None:
    """A struct timeval or timespec as nanoseconds; None: for ever."""
    if not at:
        return None
    seconds, part = struct.unpack(form, process.space.read(at, struct.calcsize(form)))
    if seconds < 0 or not 0 <= part * unit < SECOND:
        raise Errno(EINVAL)
    return int(seconds * SECOND + part * unit)


def tell_left(process: Any, at: int, form: str, unit: int, until: int) -> None:
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


def mask_at(process: Any, at: int, size: int) -> int | None:
    """The signals of a ..p call; None: as they are."""
    if not at:
        return None
    if size != 8:
        raise Errno(EINVAL)
    return int.from_bytes(process.space.read(at, 8), "little")


def queues_of(files: Iterable[File]) -> list[Queue]:
    """What is woken when one of them becomes ready."""
    return [queue for file in files for queue in file.queues()]


def then(sleeping: Sleeping, finish: Callable[[int], int], interrupted: Callable[[], None]) -> Sleeping:
    """Something more when the sleep is over, or was interrupted."""
    try:
        count = yield from sleeping
    except BaseException:
        interrupted()
        raise
    return finish(count)
