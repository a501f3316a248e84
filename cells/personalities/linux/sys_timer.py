"""System calls on timers that a process makes for itself (timer_create), as many as it wants within a limit.

Theory: a timer belongs to the whole process and ends with it, or with exec. What comes at its time is a signal with the timer's
value; times that come while the signal still waits are told as its overrun.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EAGAIN, EINVAL, Errno
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signal_numbers import LAST
from cells.personalities.linux.sys_time import BOOT, NANO, REAL_CLOCKS, RUNNING_CLOCKS, SIGALRM
from cells.personalities.linux.table import FULL, PARTIAL, call

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

MOST = 64
"""Timers of one process (Linux: a limit of pending signals). Assumed."""
BY_SIGNAL, SILENT, BY_THREAD, TO_THREAD = 0, 1, 2, 4
"""SIGEV_*."""
SI_TIMER = -2
LEAST, UNHEARD = 1000, 1_000_000
"""Nanoseconds: the shortest period, and how long a timer that nobody hears is silent at least; its rings are counted. Assumed."""
ABSOLUTE = 1
MOST_OVERRUN = (1 << 31) - 1
SHORT, LONG = "<4i", "<qi4xqi4x"
"""struct itimerspec: period and first time; with 32 and 64 bits."""


@dataclass
class Timer:
    """One of them."""

    process: Process
    number: int
    clock: int
    signal: int
    value: int
    silent: bool
    target: Process
    event: Any = None
    period: int = 0
    overrun: int = 0
    rung: bool = False
    """At least once since it was set."""

    def ring(self) -> None:
        """Its time has come."""
        kernel = self.process.kernel
        unheard = self.silent or self.signal in self.target.signals.pending
        rings, self.rung = 1, True
        if unheard and self.period:
            rings = max(UNHEARD * kernel.hz // (NANO * self.period), 1)
        self.event = kernel.at(kernel.now() + rings * self.period, self.ring) if self.period else None
        if unheard:
            self.overrun = min(self.overrun + rings, MOST_OVERRUN)
            return
        self.overrun = 0
        self.target.signals.send(self.target, self.signal, Info(SI_TIMER, self.number, 0, self.value))

    def stop(self) -> None:
        """It will not ring."""
        if self.event is not None:
            self.event.cancel()
            self.event = None

    @property
    def left(self) -> int:
        """Nanoseconds until it rings; 0 for never."""
        kernel = self.process.kernel
        cycles = max(self.event.time - kernel.now(), 1) if self.event is not None else 0
        if self.period and cycles > self.period and self.rung:
            cycles = cycles % self.period or self.period
        return int(-(-cycles * NANO // kernel.hz))


def _leader(process: Process) -> Process:
    return process.kernel.processes.get(process.leader) or process


def _timer(process: Process, number: int) -> Timer:
    timers: dict[int, Timer] = _leader(process).timers
    if number not in timers:
        raise Errno(EINVAL)
    return timers[number]


def forget(process: Process) -> None:
    """It has no timers any more: it ends, or becomes another program."""
    for timer in process.timers.values():
        timer.stop()
    process.timers.clear()


@call(257, "timer_create", PARTIAL, "no clocks of a CPU's time")
def sys_timer_create(process: Process, clock: int, event: int, to: int, *_: int) -> int:
    """A timer that does not run yet."""
    leader = _leader(process)
    if clock not in REAL_CLOCKS | RUNNING_CLOCKS:
        raise Errno(EINVAL)
    if len(leader.timers) >= MOST:
        raise Errno(EAGAIN)
    number = next(number for number in range(MOST) if number not in leader.timers)
    value, signal, how, thread = number, SIGALRM, BY_SIGNAL, 0
    if event:
        value, signal, how, thread = struct.unpack("<IiiI", process.space.read(event, 16))
    target = process.kernel.processes.get(thread) if how & TO_THREAD else leader
    if how & ~(TO_THREAD | BY_THREAD | SILENT) or target is None or target.leader != leader.pid:
        raise Errno(EINVAL)
    if not how & SILENT and not 1 <= signal <= LAST:
        raise Errno(EINVAL)
    process.space.write(to, number.to_bytes(4, "little"))
    leader.timers[number] = Timer(leader, number, clock, signal, value, bool(how & SILENT), target)
    return 0


def _tell(process: Process, timer: Timer, at: int, form: str) -> int:
    period = timer.period * NANO // process.kernel.hz
    process.space.write(at, struct.pack(form, *divmod(period, NANO), *divmod(timer.left, NANO)))
    return 0


def _set(process: Process, number: int, flags: int, new: int, old: int, form: str) -> int:
    words = struct.unpack(form, process.space.read(new, struct.calcsize(form)))
    timer, kernel = _timer(process, number), process.kernel
    if any(not 0 <= part < NANO for part in words[1::2]) or min(words) < 0:
        raise Errno(EINVAL)
    period, first = words[0] * NANO + words[1], words[2] * NANO + words[3]
    if old:
        _tell(process, timer, old, form)
    timer.stop()
    timer.rung = False
    timer.overrun, timer.period = 0, -(-max(period, LEAST) * kernel.hz // NANO) if period else 0
    if first:
        if flags & ABSOLUTE and timer.clock in REAL_CLOCKS:
            first -= BOOT * NANO
        cycles = -(-first * kernel.hz // NANO)
        timer.event = kernel.at(max(cycles if flags & ABSOLUTE else kernel.now() + cycles, kernel.now()), timer.ring)
    return 0


@call(258, "timer_settime", FULL)
def sys_timer_settime(process: Process, number: int, flags: int, new: int, old: int, *_: int) -> int:
    """When it rings, and how often."""
    return _set(process, number, flags, new, old, SHORT)


@call(409, "timer_settime64", FULL)
def sys_timer_settime64(process: Process, number: int, flags: int, new: int, old: int, *_: int) -> int:
    """With 64 bits."""
    return _set(process, number, flags, new, old, LONG)


@call(259, "timer_gettime", FULL)
def sys_timer_gettime(process: Process, number: int, to: int, *_: int) -> int:
    """What is left, and the period."""
    return _tell(process, _timer(process, number), to, SHORT)


@call(408, "timer_gettime64", FULL)
def sys_timer_gettime64(process: Process, number: int, to: int, *_: int) -> int:
    """With 64 bits."""
    return _tell(process, _timer(process, number), to, LONG)


@call(260, "timer_getoverrun", FULL)
def sys_timer_getoverrun(process: Process, number: int, *_: int) -> int:
    """How often its time came while its signal still waited."""
    return _timer(process, number).overrun


@call(261, "timer_delete", FULL)
def sys_timer_delete(process: Process, number: int, *_: int) -> int:
    """It is gone."""
    _timer(process, number).stop()
    del _leader(process).timers[number]
    return 0
