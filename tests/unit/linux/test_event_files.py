"""timerfd and signalfd: virtual time and signals as files that are read and polled."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signals import Signals
from cells.personalities.linux.timers import Timers
from tests.support.linux_process import HZ, begin, fake_process, go_on, invoke

OUT, DATA, NONBLOCK, MONOTONIC, REALTIME, BOOT = 0x2000, 0x1000, 0o4000, 1, 0, 1_262_304_000
SIGUSR1, SIGUSR2, SIGCHLD, NEW = 10, 12, 17, -1


class Vcpu:
    """As much as timers want of one."""

    limit = 1 << 62
    offset = 0


@pytest.fixture
def process() -> Any:
    process = fake_process()
    kernel = process.kernel
    kernel.timers = Timers(Vcpu())
    kernel.at = kernel.timers.at
    return process


def later(process: Any, seconds: float) -> None:
    process.kernel.time += int(seconds * HZ)
    process.kernel.timers.ring(process.kernel.time)


def set_timer(process: Any, descriptor: int, first: float, period: float = 0, flags: int = 0) -> int:
    parts = [part for value in (period, first) for part in (int(value), round(value % 1 * 10**9))]
    process.space.put(DATA, struct.pack("<4i", *parts))
    done = invoke(process, "timerfd_settime", descriptor, flags, DATA, 0)
    assert isinstance(done, int)
    return done


def rings(process: Any, descriptor: int) -> int:
    done = invoke(process, "read", descriptor, OUT, 8)
    return int.from_bytes(process.space.read(OUT, 8), "little") if done == 8 else done


def test_a_timer_rings_once_and_a_reader_waits_for_it(process: Any) -> None:
    timer = invoke(process, "timerfd_create", MONOTONIC, 0)
    assert set_timer(process, timer, 0.5) == 0
    sleeping, _ = begin(process, "read", timer, OUT, 8)
    later(process, 0.4)
    later(process, 0.2)
    assert go_on(sleeping) == 8
    assert process.kernel.timers.next() > 1 << 60


def test_a_periodic_timer_tells_how_often_and_costs_nothing_while_nobody_reads(process: Any) -> None:
    timer = invoke(process, "timerfd_create", MONOTONIC, NONBLOCK)
    set_timer(process, timer, 0.25, 0.1)
    assert rings(process, timer) == -e.EAGAIN
    later(process, 1.0)
    assert len(process.kernel.timers._heap) == 0
    assert rings(process, timer) == 8  # at 0.25, 0.35 ... 0.95
    assert rings(process, timer) == -e.EAGAIN
    assert invoke(process, "timerfd_gettime", timer, OUT) == 0
    assert struct.unpack("<4i", process.space.read(OUT, 16)) == (0, 100_000_000, 0, 50_000_000)
    later(process, 0.05)
    assert rings(process, timer) == 1


def test_a_point_in_time_that_is_past_rings_at_once_and_zero_stops(process: Any) -> None:
    timer = invoke(process, "timerfd_create", REALTIME, NONBLOCK)
    later(process, 2.0)
    set_timer(process, timer, BOOT + 1, flags=1)
    assert rings(process, timer) == 1
    set_timer(process, timer, 1)
    set_timer(process, timer, 0)
    later(process, 5.0)
    assert rings(process, timer) == -e.EAGAIN


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("timerfd_create", (3, 0), e.EINVAL),
        ("timerfd_create", (1, 1), e.EINVAL),
        ("timerfd_settime", (9, 0, DATA, 0), e.EBADF),
        ("timerfd_settime", (0, 8, DATA, 0), e.EINVAL),
        ("timerfd_settime", (0, 0, DATA + 32, 0), e.EINVAL),
        ("read", (0, OUT, 7), e.EINVAL),
        ("signalfd4", (NEW, DATA, 4, 0), e.EINVAL),
        ("signalfd4", (0, DATA, 8, 0), e.EINVAL),
    ],
)
def test_what_makes_no_sense_is_refused(process: Any, name: str, arguments: tuple[int, ...], expected: int) -> None:
    process.space.put(DATA, bytes(32) + struct.pack("<4i", 0, 10**9, 1, 0))
    assert invoke(process, "timerfd_create", MONOTONIC, 0) == 0
    assert invoke(process, name, *arguments) == -expected


def signals_of(process: Any, *numbers: int, flags: int = NONBLOCK) -> int:
    """A process that holds these back, and its file of them."""
    process.interrupt = lambda: None
    process.signals = Signals(blocked=(mask := sum(1 << number - 1 for number in numbers)))
    process.space.put(DATA, mask.to_bytes(8, "little"))
    descriptor = invoke(process, "signalfd4", NEW, DATA, 8, flags)
    assert isinstance(descriptor, int)
    return descriptor


def test_signals_that_are_held_back_are_read_with_who_sent_them(process: Any) -> None:
    file = signals_of(process, SIGUSR1, SIGCHLD)
    process.signals.send(process, SIGCHLD, Info(1, 42, 1000, 7))
    process.signals.send(process, SIGUSR1, Info(-1, 43, 1001, 0xFFFF_FFFF))
    process.signals.send(process, SIGUSR2)
    assert invoke(process, "read", file, OUT, 1000) == 256
    data = process.space.read(OUT, 256)
    number, _, code, sender, user = struct.unpack_from("<I2i2I", data)
    assert (number, code, sender, user) == (SIGUSR1, -1, 43, 1001)
    assert struct.unpack_from("<i", data, 44)[0] == -1
    assert struct.unpack_from("<I", data, 128)[0] == SIGCHLD
    assert struct.unpack_from("<i", data, 128 + 40)[0] == 7
    assert invoke(process, "read", file, OUT, 1000) == -e.EAGAIN
    assert set(process.signals.pending) == {SIGUSR2}


def test_a_reader_waits_for_a_signal_and_the_mask_can_change(process: Any) -> None:
    file = signals_of(process, SIGUSR1, flags=0)
    sleeping, _ = begin(process, "read", file, OUT, 128)
    process.signals.send(process, SIGUSR1)
    assert go_on(sleeping) == 128
    process.space.put(DATA, (1 << SIGUSR2 - 1).to_bytes(8, "little"))
    assert invoke(process, "signalfd4", file, DATA, 8, 0) == file
    process.signals.send(process, SIGUSR1)
    assert process.files.file(file).poll() == 0
    process.signals.blocked |= 1 << SIGUSR2 - 1
    process.signals.send(process, SIGUSR2)
    assert process.files.file(file).poll()
