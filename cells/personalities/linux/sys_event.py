"""System calls that make files of times and signals: timerfd, signalfd."""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.linux.event_files import SignalFile, TimerFile
from cells.personalities.linux.file import CLOSE_ON_EXEC, NONBLOCK
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.signal_numbers import UNBLOCKABLE
from cells.personalities.linux.sys_time import BOOT, NANO, REAL_CLOCKS
from cells.personalities.linux.sys_timer import LEAST, LONG, SHORT
from cells.personalities.linux.table import FULL, PARTIAL, call
from cells.personalities.linux.words import signed
from hypervisor.abi.time import NEVER

CLOCKS = frozenset({0, 1, 7, 8, 9})
"""CLOCK_REALTIME, MONOTONIC, BOOTTIME, and those of alarms."""
ABSOLUTE, CANCEL_ON_SET = 1, 2
MASK = 8


@call(350, "timerfd_create", FULL)
def sys_timerfd_create(process: Any, clock: int, flags: int, *_: int) -> int:
    """A timer that does not run yet."""
    if clock not in CLOCKS or flags & ~(CLOSE_ON_EXEC | NONBLOCK):
        raise Errno(EINVAL)
    kernel = process.kernel
    file = TimerFile(kernel, Inode(kernel.vfs, 0o600), flags & NONBLOCK, clock)
    return int(process.files.install(file, flags))


def _timer(process: Any, descriptor: int) -> TimerFile:
    file = process.files.file(signed(descriptor))
    if not isinstance(file, TimerFile):
        raise Errno(EINVAL)
    return file


def _set(process: Any, descriptor: int, flags: int, new: int, old: int, form: str) -> int:
    words = struct.unpack(form, process.space.read(new, struct.calcsize(form)))
    file, kernel = _timer(process, descriptor), process.kernel
    if flags & ~(ABSOLUTE | CANCEL_ON_SET) or min(words) < 0 or any(part >= NANO for part in words[1::2]):
        raise Errno(EINVAL)
    period, first = words[0] * NANO + words[1], words[2] * NANO + words[3]
    if old:
        _tell(process, file, old, form)
    if not first:
        file.set(None, 0)
        return 0
    if flags & ABSOLUTE and file.clock in REAL_CLOCKS:
        first -= BOOT * NANO
    cycles = -(-first * kernel.hz // NANO)
    at = min(max(cycles if flags & ABSOLUTE else kernel.now() + cycles, 0), NEVER)
    file.set(at, -(-max(period, LEAST) * kernel.hz // NANO) if period else 0)
    return 0


def _tell(process: Any, file: TimerFile, at: int, form: str) -> int:
    period, left = (-(-cycles * NANO // process.kernel.hz) for cycles in (file.period, file.left))
    process.space.write(at, struct.pack(form, *divmod(period, NANO), *divmod(left, NANO)))
    return 0


@call(353, "timerfd_settime", FULL)
def sys_timerfd_settime(process: Any, descriptor: int, flags: int, new: int, old: int, *_: int) -> int:
    """When it rings, and how often."""
    return _set(process, descriptor, flags, new, old, SHORT)


@call(411, "timerfd_settime64", FULL)
def sys_timerfd_settime64(process: Any, descriptor: int, flags: int, new: int, old: int, *_: int) -> int:
    """With 64 bits."""
    return _set(process, descriptor, flags, new, old, LONG)


@call(354, "timerfd_gettime", FULL)
def sys_timerfd_gettime(process: Any, descriptor: int, to: int, *_: int) -> int:
    """What is left, and the period."""
    return _tell(process, _timer(process, descriptor), to, SHORT)


@call(410, "timerfd_gettime64", FULL)
def sys_timerfd_gettime64(process: Any, descriptor: int, to: int, *_: int) -> int:
    """With 64 bits."""
    return _tell(process, _timer(process, descriptor), to, LONG)


@call(355, "signalfd4", PARTIAL, "signals of a whole process go to its first thread")
def sys_signalfd4(process: Any, descriptor: int, mask_at: int, size: int, flags: int, *_: int) -> int:
    """A file of signals, or another mask for one that there is."""
    if size != MASK or flags & ~(CLOSE_ON_EXEC | NONBLOCK):
        raise Errno(EINVAL)
    mask = int.from_bytes(process.space.read(mask_at, MASK), "little") & ~UNBLOCKABLE
    if signed(descriptor) == -1:
        file = SignalFile(process, Inode(process.kernel.vfs, 0o600), flags & NONBLOCK, mask)
        return int(process.files.install(file, flags))
    found = process.files.file(signed(descriptor))
    if not isinstance(found, SignalFile):
        raise Errno(EINVAL)
    found.mask = mask
    return signed(descriptor)


@call(349, "signalfd", PARTIAL, "as signalfd4")
def sys_signalfd(process: Any, descriptor: int, mask: int, size: int, *_: int) -> int:
    """A file of signals, or another mask for one that there is."""
    return sys_signalfd4(process, descriptor, mask, size, 0)
