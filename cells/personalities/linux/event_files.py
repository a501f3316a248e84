"""Times and signals as files: what timerfd and signalfd give a program that waits for descriptors only.

    file = TimerFile(kernel, inode, flags, clock)
    file.set(first, period)                 # in cycles of virtual time; a read tells how often its time has come

Theory: how often a periodic timer has rung follows from the time, so that one whose file nobody reads costs nothing. A signal
file has no signals of its own: it takes those that wait for whoever reads it (signalfd(2)).
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import READ_ONLY, READABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signal_numbers import FAULTS, SIGCHLD

COUNT = 8
SIGNAL = struct.Struct("<I2i2Ii4I2i4QH46x")
"""struct signalfd_siginfo: number, errno, code, pid, uid, fd, tid, band, overrun, trap, status, value; pointer, times, place."""


class TimerFile(File):
    """A timer. `period`: cycles, 0 for a single ring."""

    def __init__(self, kernel: Any, inode: Inode, flags: int, clock: int) -> None:
        super().__init__(inode, READ_ONLY | flags)
        self.name = b"anon_inode:[timerfd]"
        self.kernel, self.clock = kernel, clock
        self.queue = Queue()
        self.period = 0
        self._next: int | None = None
        self._event: Any = None

    def set(self, first: int | None, period: int) -> None:
        """Ring at a time, and then each period; None: not at all."""
        self._next, self.period = first, period
        self._arm()

    def _arm(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self.kernel.at(self._next, self._ring) if self._next is not None else None

    def _ring(self) -> None:
        self._event = None
        self.activity += 1
        self.queue.wake()

    @property
    def rung(self) -> int:
        """How often its time has come since the last read."""
        now = self.kernel.now()
        if self._next is None or now < self._next:
            return 0
        return 1 + (int((now - self._next) // self.period) if self.period else 0)

    @property
    def left(self) -> int:
        """Cycles until it rings next; 0: it does not."""
        if self._next is None:
            return 0
        left = self._next - self.kernel.now()
        if left > 0:
            return int(left)
        return int(self.period - -left % self.period) if self.period else 0

    def read(self, process: Any, size: int) -> bytes:
        """How often it has rung."""
        if size < COUNT:
            raise Errno(EINVAL)
        count = self.rung
        if not count or self._next is None:
            raise WouldBlock(self.queue)
        self._next = self._next + count * self.period if self.period else None
        self._arm()
        return count.to_bytes(COUNT, "little")

    def poll(self) -> int:
        """What it is ready for."""
        return READABLE if self.rung else 0

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.queue,)

    def close(self) -> None:
        """The last user has gone."""
        self.set(None, 0)


class SignalFile(File):
    """Signals of a mask, of whoever reads."""

    def __init__(self, process: Any, inode: Inode, flags: int, mask: int) -> None:
        super().__init__(inode, READ_ONLY | flags)
        self.name = b"anon_inode:[signalfd]"
        self.mask = mask
        self._maker = process

    def read(self, process: Any, size: int) -> bytes:
        """As many as wait and fit."""
        if size < SIGNAL.size:
            raise Errno(EINVAL)
        taken = bytearray()
        while len(taken) + SIGNAL.size <= size and (found := process.signals.take(self.mask)) is not None:
            taken += signal_bytes(*found)
        if not taken:
            raise WouldBlock(process.signals.arrived)
        return bytes(taken)

    def poll(self) -> int:
        """What it is ready for: signals of who asks."""
        return READABLE if self._who().signals.mask_of_pending() & self.mask else 0

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self._who().signals.arrived,)

    def _who(self) -> Any:
        return self._maker.kernel.current or self._maker


def signal_bytes(signal: int, info: Info) -> bytes:
    """struct signalfd_siginfo."""
    child, fault = signal == SIGCHLD, signal in FAULTS and info.code > 0
    status, address = info.value if child else 0, info.value if fault else 0
    value = 0 if child or fault else info.value
    signed = (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
    who = (0, 0) if fault else (info.pid, info.uid)
    return SIGNAL.pack(signal, 0, info.code, *who, 0, 0, 0, 0, 0, status, signed, value & 0xFFFF_FFFF, 0, 0, address, 0)
