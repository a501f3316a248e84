"""System calls about time: clocks, sleeping, timers. All of it is virtual time, counted in the CPU's cycles."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EINTR, EINVAL, EOPNOTSUPP, EPERM, Errno
from cells.personalities.arm.wait import Interrupted, Sleeping, Wait
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signal_numbers import SI_KERNEL
from cells.personalities.linux.table import PARTIAL, call

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

NANO, MICRO = 1_000_000_000, 1_000_000
BOOT = 1_262_304_000
"""What the clock says when the cell begins: 2010-01-01, in seconds since 1970. Assumed."""
REALTIME, MONOTONIC, PROCESS_TIME, THREAD_TIME = 0, 1, 2, 3
REAL_CLOCKS, RUNNING_CLOCKS = frozenset({0, 5, 8, 11}), frozenset({1, 4, 6, 7, 9})
"""With their coarse and raw kinds, and those that alarms have."""
ABSOLUTE = 1
TICKS = 100
SIGALRM = 14
ITIMER_REAL = 0
SHORT, LONG = "<2i", "<qi4x"
"""struct timespec, and that with 64 bits, whose nanoseconds are a long with room behind it that programs leave as it is."""


def nanoseconds(process: Process, clock: int) -> int:
    """What a clock says.

    Raises:
        Errno: EINVAL, there is none.
    """
    kernel = process.kernel
    if clock in REAL_CLOCKS:
        return BOOT * NANO + kernel.now() * NANO // kernel.hz
    if clock in RUNNING_CLOCKS:
        return kernel.now() * NANO // kernel.hz
    if clock in (PROCESS_TIME, THREAD_TIME):
        return process.cycles_now() * NANO // kernel.hz
    raise Errno(EINVAL)


def _write(process: Process, address: int, layout: str, time: int, unit: int = NANO) -> None:
    process.space.write(address, struct.pack(layout, *divmod(time, unit)))


def _read(process: Process, address: int, layout: str, unit: int = NANO) -> int:
    """A time that a program gives.

    Raises:
        Errno: EINVAL, EFAULT.
    """
    seconds, rest = struct.unpack(layout, process.space.read(address, struct.calcsize(layout)))
    if seconds < 0 or not 0 <= rest < unit:
        raise Errno(EINVAL)
    return int(seconds * unit + rest)


def _cycles(process: Process, time: int) -> int:
    """Nanoseconds in cycles, rounded up."""
    return -(-time * process.kernel.hz // NANO)


# ---- clocks


@call(13, "time")
def sys_time(process: Process, address: int, *_: int) -> int:
    """Seconds since 1970."""
    now = nanoseconds(process, REALTIME) // NANO
    if address:
        process.space.write(address, struct.pack("<I", now))
    return now


@call(78, "gettimeofday")
def sys_gettimeofday(process: Process, address: int, zone: int, *_: int) -> int:
    """Seconds and microseconds; the zone is UTC."""
    if address:
        _write(process, address, SHORT, nanoseconds(process, REALTIME) // 1000, MICRO)
    if zone:
        process.space.write(zone, bytes(8))
    return 0


@call(263, "clock_gettime")
def sys_clock_gettime(process: Process, clock: int, address: int, *_: int) -> int:
    """What a clock says."""
    _write(process, address, SHORT, nanoseconds(process, clock))
    return 0


@call(403, "clock_gettime64")
def sys_clock_gettime64(process: Process, clock: int, address: int, *_: int) -> int:
    """With 64 bits."""
    _write(process, address, LONG, nanoseconds(process, clock))
    return 0


@call(264, "clock_getres")
def sys_clock_getres(process: Process, clock: int, address: int, *_: int) -> int:
    """A nanosecond, as clocks are told."""
    nanoseconds(process, clock)
    if address:
        _write(process, address, SHORT, 1)
    return 0


@call(406, "clock_getres_time64")
def sys_clock_getres64(process: Process, clock: int, address: int, *_: int) -> int:
    """With 64 bits."""
    nanoseconds(process, clock)
    if address:
        _write(process, address, LONG, 1)
    return 0


def _set_clock(_process: Process, *_: int) -> int:
    """Virtual time cannot be set."""
    raise Errno(EPERM)


for _number, _name in ((79, "settimeofday"), (262, "clock_settime"), (404, "clock_settime64"), (124, "adjtimex")):
    call(_number, _name, PARTIAL, "EPERM: virtual time cannot be set")(_set_clock)


@call(43, "times")
def sys_times(process: Process, address: int, *_: int) -> int:
    """Ticks that were used, and since the beginning."""
    hz = process.kernel.hz
    used = (process.cycles_now(), process.cycles_system, process.cycles_children, 0)
    if address:
        process.space.write(address, struct.pack("<4I", *(cycles * TICKS // hz for cycles in used)))
    return process.kernel.now() * TICKS // hz & 0x7FFF_FFFF


# ---- sleeping


def _sleep(process: Process, until: int, rest: int, layout: str) -> Sleeping:
    """Until a time; `rest`: where to say what is left if a signal comes before."""
    while process.kernel.now() < until:
        try:
            yield Wait((), until)
        except Interrupted:
            if rest:
                left = max(until - process.kernel.now(), 0) * NANO // process.kernel.hz
                _write(process, rest, layout, left)
            raise Errno(EINTR) from None
    return 0


def _sleep_for(process: Process, wanted: int, rest: int, layout: str) -> Sleeping:
    return _sleep(process, process.kernel.now() + _cycles(process, _read(process, wanted, layout)), rest, layout)


def _sleep_by(process: Process, clock: int, flags: int, wanted: int, rest: int, layout: str) -> Sleeping:
    if clock not in REAL_CLOCKS | RUNNING_CLOCKS:
        raise Errno(EOPNOTSUPP if clock in (PROCESS_TIME, THREAD_TIME) else EINVAL)
    if not flags & ABSOLUTE:
        return _sleep_for(process, wanted, rest, layout)
    time = _read(process, wanted, layout) - (BOOT * NANO if clock in REAL_CLOCKS else 0)
    return _sleep(process, _cycles(process, time), 0, layout)


@call(162, "nanosleep")
def sys_nanosleep(process: Process, wanted: int, rest: int, *_: int) -> Sleeping:
    """Sleep for a time."""
    return _sleep_for(process, wanted, rest, SHORT)


@call(265, "clock_nanosleep")
def sys_clock_nanosleep(process: Process, clock: int, flags: int, wanted: int, rest: int, *_: int) -> Sleeping:
    """Sleep for a time, or until one."""
    return _sleep_by(process, clock, flags, wanted, rest, SHORT)


@call(407, "clock_nanosleep_time64")
def sys_clock_nanosleep64(process: Process, clock: int, flags: int, wanted: int, rest: int, *_: int) -> Sleeping:
    """With 64 bits."""
    return _sleep_by(process, clock, flags, wanted, rest, LONG)


# ---- timers


def _ring(process: Process) -> None:
    """The alarm's time has come."""
    leader = process
    leader.alarm = None
    if leader.alarm_period:
        leader.alarm = leader.kernel.at(leader.kernel.now() + leader.alarm_period, lambda: _ring(leader))
    leader.signals.send(leader, SIGALRM, Info(SI_KERNEL))


def _left(process: Process) -> int:
    """Cycles until the alarm rings; 0 for none."""
    return max(process.alarm.time - process.kernel.now(), 1) if process.alarm is not None else 0


def _set_alarm(process: Process, cycles: int, period: int) -> None:
    if process.alarm is not None:
        process.alarm.cancel()
        process.alarm = None
    process.alarm_period = period
    if cycles:
        process.alarm = process.kernel.at(process.kernel.now() + cycles, lambda: _ring(process))


def _leader(process: Process) -> Process:
    return process.kernel.processes.get(process.leader) or process


@call(27, "alarm")
def sys_alarm(process: Process, seconds: int, *_: int) -> int:
    """A signal in so many seconds; what was left of the last one."""
    one = _leader(process)
    left = -(-_left(one) // one.kernel.hz)
    _set_alarm(one, seconds * one.kernel.hz, 0)
    return left


def _tell_timer(process: Process, address: int) -> None:
    kernel = process.kernel
    times = [cycles * MICRO // kernel.hz for cycles in (process.alarm_period if process.alarm else 0, _left(process))]
    process.space.write(address, struct.pack("<4i", *(word for time in times for word in divmod(time, MICRO))))


@call(105, "getitimer", PARTIAL, "ITIMER_REAL")
def sys_getitimer(process: Process, which: int, address: int, *_: int) -> int:
    """What is left, and the period."""
    if which != ITIMER_REAL:
        raise Errno(EINVAL)
    _tell_timer(_leader(process), address)
    return 0


@call(104, "setitimer", PARTIAL, "ITIMER_REAL")
def sys_setitimer(process: Process, which: int, new: int, old: int, *_: int) -> int:
    """A signal after a time, and again and again."""
    one = _leader(process)
    if which != ITIMER_REAL:
        raise Errno(EINVAL)
    wanted = (_read(process, new, SHORT, MICRO), _read(process, new + 8, SHORT, MICRO)) if new else (0, 0)
    if old:
        _tell_timer(one, old)
    period, first = (_cycles(process, 1000 * time) for time in wanted)
    _set_alarm(one, first, period)
    return 0
