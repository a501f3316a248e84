"""Timers that processes make: when they ring, how often, and what they leave behind."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux import sys_timer
from tests.support.linux_process import HZ, fake_process, invoke

SIGALRM, SIGUSR1, SILENT = 14, 10, 1
REALTIME, MONOTONIC, ABSOLUTE = 0, 1, 1
EVENT, ID, NEW, OLD = 0x100, 0x200, 0x300, 0x400
JUNK = 0x5EED_0000_0000
"""What programs leave behind 32-bit nanoseconds."""


@pytest.fixture
def process() -> Any:
    process = fake_process()
    kernel = process.kernel
    kernel.events = []

    def at(time: int, function: Any) -> Any:
        event = SimpleNamespace(time=time, function=function)
        event.cancel = lambda: kernel.events.remove(event) if event in kernel.events else None
        kernel.events.append(event)
        return event

    def send(_target: Any, number: int, info: Any = None) -> None:
        process.signals.sent.append((number, info))

    kernel.at, process.signals.pending, process.signals.send = at, {}, send
    return process


def run(process: Any, until: int) -> None:
    """Let time pass, in microseconds."""
    kernel = process.kernel
    while due := [event for event in kernel.events if event.time <= until]:
        event = min(due, key=lambda one: one.time)
        kernel.events.remove(event)
        kernel.time = event.time
        event.function()
    kernel.time = until


def make(process: Any, signal: int = SIGUSR1, value: int = 0x1234, how: int = 0, clock: int = MONOTONIC) -> int:
    process.space.put(EVENT, struct.pack("<IiiI", value, signal, how, 0))
    assert invoke(process, "timer_create", clock, EVENT, ID) == 0
    return int.from_bytes(process.space.read(ID, 4), "little")


def wind(process: Any, number: int, first: int, period: int = 0, flags: int = 0) -> int:
    """Times in microseconds."""
    words = [word for time in (period, first) for word in (time // HZ, time % HZ * 1000 | JUNK)]
    process.space.put(NEW, struct.pack("<4q", *words))
    return int(invoke(process, "timer_settime64", number, flags, NEW, OLD))


def test_it_rings_once_with_its_value(process: Any) -> None:
    assert wind(process, make(process), 500) == 0
    run(process, 499)
    assert process.signals.sent == []
    run(process, 5000)
    ((signal, info),) = process.signals.sent
    assert (signal, info.code, info.value) == (SIGUSR1, -2, 0x1234)


def test_it_rings_again_and_again_until_it_is_deleted(process: Any) -> None:
    number = make(process)
    wind(process, number, 100, 50)
    run(process, 260)
    assert len(process.signals.sent) == 4
    assert invoke(process, "timer_gettime64", number, OLD) == 0
    assert struct.unpack("<qi4xqi4x", process.space.read(OLD, 32)) == (0, 50_000, 0, 40_000)
    assert invoke(process, "timer_delete", number) == 0
    run(process, 1000)
    assert len(process.signals.sent) == 4
    assert invoke(process, "timer_delete", number) == -e.EINVAL


def test_what_comes_while_its_signal_waits_is_counted(process: Any) -> None:
    number = make(process)
    process.signals.pending = {SIGUSR1: []}
    wind(process, number, 10, 10)
    run(process, 35)
    assert process.signals.sent == []
    assert invoke(process, "timer_getoverrun", number) == 100
    assert len(process.kernel.events) == 1
    assert invoke(process, "timer_gettime64", number, OLD) == 0
    assert struct.unpack("<qi4xqi4x", process.space.read(OLD, 32)) == (0, 10_000, 0, 5_000)
    process.signals.pending = {}
    run(process, 1010)
    assert invoke(process, "timer_getoverrun", number) == 0
    assert len(process.signals.sent) == 1


def test_points_in_time_are_of_the_timers_clock(process: Any) -> None:
    run(process, 1000)
    wind(process, make(process), 1500, flags=ABSOLUTE)
    wind(process, make(process, clock=REALTIME), 1_262_304_000 * HZ + 1700, flags=ABSOLUTE)
    wind(process, make(process), 400, flags=ABSOLUTE)
    rung = []
    for time in (1001, 1499, 1500, 1699, 1700):
        run(process, time)
        rung.append(len(process.signals.sent))
    assert rung == [1, 1, 2, 2, 3]


def test_a_silent_one_only_tells_what_is_left_and_without_an_event_it_is_the_alarm(process: Any) -> None:
    number = make(process, how=SILENT)
    wind(process, number, 100)
    assert invoke(process, "timer_create", MONOTONIC, 0, ID) == 0
    wind(process, 1, 100)
    run(process, 100)
    assert [(signal, info.value) for signal, info in process.signals.sent] == [(SIGALRM, 1)]


@pytest.mark.parametrize(
    ("clock", "signal", "how", "code"),
    [
        (99, SIGUSR1, 0, e.EINVAL),
        (MONOTONIC, 0, 0, e.EINVAL),
        (MONOTONIC, 65, 0, e.EINVAL),
        (MONOTONIC, 1, 8, e.EINVAL),
    ],
)
def test_what_makes_no_timer_is_told(process: Any, clock: int, signal: int, how: int, code: int) -> None:
    process.space.put(EVENT, struct.pack("<IiiI", 0, signal, how, 0))
    assert invoke(process, "timer_create", clock, EVENT, ID) == -code
    assert not process.timers


def test_a_process_has_so_many_and_loses_them_all_at_its_end(process: Any) -> None:
    for number in range(sys_timer.MOST):
        assert make(process) == number
        wind(process, number, 100, 1)
    assert invoke(process, "timer_create", MONOTONIC, 0, ID) == -e.EAGAIN
    sys_timer.forget(process)
    assert not process.kernel.events
    assert not process.timers


def test_no_period_is_so_short_that_nothing_else_happens(process: Any) -> None:
    number = make(process)
    process.space.put(NEW, struct.pack("<qi4xqi4x", 0, 1, 0, 1))
    assert invoke(process, "timer_settime64", number, 0, NEW, 0) == 0
    run(process, 100)
    assert len(process.signals.sent) <= 100
