"""Restarts after a crash: how long a cell waits for them, how many it gets, and what is held of one that waits."""

from __future__ import annotations

import struct
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.virtual import POWER_KEY, PRESSED
from hypervisor.core import effects as do
from hypervisor.core.calls.basic import FIRMWARE_CYCLES
from hypervisor.core.cell import CellState
from hypervisor.core.events import Event
from hypervisor.core.inventory import inventory
from hypervisor.shell.inputs import Input, InputKind
from tests.support.scripted import Bench, ScriptedVcpu

BEAT = 3_000
"""A hog never beats: it dies of that after so many cycles of each life."""


def hog(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    yield from vcpu.work(1 << 40)


class Watched(Bench):
    """One that dies again and again, and one that computes; what happens to the first is written down."""

    def __init__(self, **params: Any) -> None:
        self.seen: list[tuple[str, int]] = []
        super().__init__({"a": hog, "b": hog}, params={"a": {"on_crash": "restart", "heartbeat": BEAT, **params}})
        handle = self.monitor.handle

        def watch(event: Event, now: int) -> list[do.Effect]:
            effects = handle(event, now)
            self.seen += [(e.kind, e.time) for e in effects if isinstance(e, do.TraceRecord) and e.cell == "a"]
            return effects

        self.monitor.handle = watch  # type: ignore[method-assign]


def bench(end: int, **params: Any) -> Watched:
    found = Watched(**params)
    found.until(end)
    return found


def deaths(found: Watched) -> list[int]:
    return [time for kind, time in found.seen if kind == "dead"]


def starts(found: Watched) -> list[int]:
    return [time for kind, time in found.seen if kind == "start"]


def waits(found: Watched) -> list[int]:
    return [start - death for death, start in zip(deaths(found), starts(found), strict=False)]


def test_it_waits_twice_as_long_each_time_up_to_a_limit() -> None:
    found = bench(80_000, back_off=1_000, back_off_limit=5_000, max_restarts=5)
    assert [round(wait, -3) for wait in waits(found)] == [1_000, 2_000, 4_000, 5_000, 5_000]
    assert found.cell("a").why == "heartbeat missed; gave up after 5 restarts"


def test_without_a_back_off_it_is_there_again_at_once() -> None:
    assert waits(bench(20_000, max_restarts=3)) == [0, 0, 0]


def test_restarts_that_are_long_ago_do_not_count() -> None:
    forgiving = bench(60_000, max_restarts=2, restart_window=2 * BEAT)
    assert forgiving.cell("a").account.restarts > 10
    strict = bench(60_000, max_restarts=2, restart_window=10 * BEAT)
    assert strict.cell("a").why == "heartbeat missed; gave up after 2 restarts"


def test_the_others_go_on_while_it_waits() -> None:
    found = bench(20_000, back_off=10_000, back_off_limit=10_000)
    assert found.cell("b").account.ran > 14_000


def waiting(**params: Any) -> Watched:
    """While it waits: from 3,000 on, for 10,000 cycles."""
    found = bench(5_000, back_off=10_000, back_off_limit=10_000, **params)
    assert found.cell("a").state is CellState.STARTING
    return found


def order(found: Watched, verb: str) -> None:
    found.loop.feed([Input(found.loop.step, found.monitor.now, InputKind(verb), "a", b"")])


@pytest.mark.parametrize(("let_go", "start"), [(8_000, 13_000), (17_000, 17_000)])
def test_one_that_is_held_while_it_waits_comes_when_it_may_and_is_let_go(let_go: int, start: int) -> None:
    found = waiting()
    order(found, "pause")
    found.until(let_go)
    order(found, "unpause")
    found.until(19_000)
    assert [round(time, -3) for time in starts(found)] == [start]


def test_the_operator_need_not_wait() -> None:
    found = waiting()
    order(found, "restart")
    found.until(7_000)
    assert len(starts(found)) == 1
    found.until(7_500)
    assert found.cell("a").comeback is None


@pytest.mark.parametrize("end", [2_000, 5_000, 14_000])
def test_when_all_have_ended_nothing_is_held(end: int) -> None:
    found = bench(end, back_off=10_000, back_off_limit=10_000)
    assert inventory(found.monitor) == {}


def test_what_is_forgotten_is_named() -> None:
    found = bench(2_000)
    found.monitor.frames.allocate("a", 8192, "forgotten")
    found.monitor.alarms.at(9_000, lambda: None)
    found.monitor.frames.release = lambda _owner: ()  # type: ignore[method-assign]  a clean-up that forgets
    assert inventory(found.monitor)["alarms"] == 1
    assert inventory(found.monitor)["frames of a"] > 2


# ---- what a guest is asked for, and does by itself


def rebooting(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    yield from vcpu.work(1_000)
    yield from vcpu.call(Hypercall.REBOOT)


def test_a_guest_that_reboots_begins_anew_each_time_after_the_time_of_its_firmware() -> None:
    found = Bench({"a": rebooting})
    found.until(2_000)
    assert found.cell("a").state is CellState.STARTING
    found.until(3 * FIRMWARE_CYCLES)
    assert found.cell("a").account.restarts == 3, "a reboot is no crash: nobody counts how many there may be"
    assert found.cell("a").account.ran < 10_000


def test_a_guest_without_a_power_key_or_a_driver_for_it_is_asked_for_nothing() -> None:
    found = Bench({"a": hog})
    a, mechanism = found.cell("a"), found.monitor.mechanism
    assert "understands no such request" in mechanism.ask(a, "shutdown")
    mechanism.power_keys[a.index] = SimpleNamespace(ready=False)
    assert "no driver for its power key" in mechanism.ask(a, "shutdown")
    assert not a.vcpu.events


@pytest.mark.parametrize("verb", ["shutdown", "reboot"])
def test_a_pressed_key_rings_once_however_often_it_is_pressed(verb: str) -> None:
    found = Bench({"a": hog})
    a, mechanism = found.cell("a"), found.monitor.mechanism
    mechanism.power_keys[a.index] = SimpleNamespace(ready=True)
    found.until(100)
    for _ in range(3):
        assert mechanism.ask(a, verb) == ""
    rung = [struct.unpack("<IQ", event.payload) for event in a.vcpu.events]
    assert rung == [(POWER_KEY, PRESSED[verb])]
