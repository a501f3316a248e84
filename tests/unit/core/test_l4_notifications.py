"""Bits and interrupts under the microkernel: merged, kept, and told in an open receive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import ANY, INTERRUPT, NIL, NOTIFICATION, Label
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.costs import Costs
from tests.support.l4_cells import call, channel, hear, meet, pause, peers, records, rest, rings, send, take
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Iterator[Exit]
LINK = channel("disk", 0, 1, kind="block")
BELL = 2
"""The slot of the partner's notification: the first is its endpoint."""
PARAMS = {"a": {"ram": 1 << 17}, "b": {"ram": 1 << 17}}


def ringer(*bits: int, then: int = 0) -> Any:
    def script(vcpu: ScriptedVcpu) -> Steps:
        for some in bits:
            assert (yield from call(vcpu, Hypercall.NOTIFY, BELL, some)) == 0
        yield from pause(vcpu, then)
        yield from rest(vcpu)

    return script


def test_bits_reach_an_open_receive_as_a_message() -> None:
    got: list[Any] = []

    def listens(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from hear(vcpu)))
        got.append(rings(vcpu))
        yield from rest(vcpu)

    def late(vcpu: ScriptedVcpu) -> Steps:
        yield from pause(vcpu, 1_000)
        yield from ringer(1 << 40 | 5)(vcpu)

    bench = meet({"a": late, "b": listens}, LINK, params=PARAMS)
    bench.until(NEVER)
    heard, events = got
    assert (heard.who, heard.message.label) == (NOTIFICATION, Label.NOTIFICATION)
    assert heard.message.words == (BELL, 5, 1 << 8)
    assert events == []
    assert [record["bits"] for record in records(bench, "notify")] == [1 << 40 | 5]


def test_bits_that_nobody_waits_for_are_merged_and_kept_and_hinted_at_by_an_event() -> None:
    got: list[Any] = []

    def busy(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(5_000)
        got.append(rings(vcpu))
        got.append((yield from hear(vcpu)).message.words)
        got.append((yield from hear(vcpu, timeout=0)).status)
        yield from rest(vcpu)

    bench = meet({"a": ringer(1, 2, 4), "b": busy}, LINK, params=PARAMS)
    bench.until(NEVER)
    assert got == [[(BELL, 7)], (BELL, 7, 0), Status.EMPTY]


def test_a_hint_that_has_not_left_goes_with_the_bits() -> None:
    got: list[Any] = []

    def reader(vcpu: ScriptedVcpu) -> Steps:
        yield from hear(vcpu, 1, timeout=1_024)  # closed: bits do not end it
        got.append((yield from hear(vcpu, timeout=0)).message.words)
        got.append(rings(vcpu))
        yield from rest(vcpu)

    bench = meet({"a": ringer(8), "b": reader}, LINK, params=PARAMS)
    bench.until(NEVER)
    assert got[0] == (BELL, 8, 0)


def test_a_receive_of_signals_alone_leaves_messages_to_wait() -> None:
    got: list[Any] = []

    def sender(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from send(vcpu, b"x", timeout=2_048)).status)
        yield from rest(vcpu)

    def listens(vcpu: ScriptedVcpu) -> Steps:
        got.append((yield from hear(vcpu, INTERRUPT, timeout=8_192)).status)
        yield from rest(vcpu)

    bench = meet({"a": sender, "b": listens}, LINK, params=PARAMS)
    bench.until(NEVER)
    assert got == [Status.TIMEOUT, Status.EMPTY]


class Pulse:
    """A device that raises its line at a time, until a store takes it down."""

    def __init__(self, bench: Bench, line: int, at: int) -> None:
        self.registers = self
        self._bench, self._line, self._at = bench, line, at

    def deadline(self) -> int:
        return self._at

    def advance(self) -> None:
        if self._bench.monitor.now >= self._at:
            self._at = NEVER
            self._bench.monitor.set_line(self._line, True)

    def read(self, offset: int, size: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        self._bench.monitor.set_line(self._line, False)


def with_device(driver: Any, at: int) -> Bench:
    bench = meet({"driver": driver}, costs=Costs(virq=100))
    device = Pulse(bench, 3, at)
    bench.monitor.interrupts.route(3, 0)
    bench.monitor.bus.attach(PhysicalDevice("pulse", 0x9000_0000, 0x1000, device, owner=0, line=3))
    return bench


def test_an_interrupt_is_a_message_to_a_driver_that_waits_for_it() -> None:
    got: list[Any] = []

    def driver(vcpu: ScriptedVcpu) -> Steps:
        heard = yield from hear(vcpu, INTERRUPT)
        got.append((heard.who, heard.message.label, heard.message.words, take(vcpu, EventKind.LINE)))
        got.append((yield from call(vcpu, Hypercall.IRQ_ACK)))
        yield from rest(vcpu)

    bench = with_device(driver, 5_000)
    bench.until(NEVER)
    assert got == [(INTERRUPT, Label.INTERRUPT, (3,), []), 3]
    assert bench.monitor.ledger.cycles("driver", "virq") == 100
    (told,) = records(bench, "irq")
    assert (told["line"], told["cause"], told["told"]) == (3, "pulse", "message")


def test_an_interrupt_that_comes_while_the_driver_is_busy_is_kept_until_it_listens() -> None:
    got: list[Any] = []

    def driver(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(10_000)
        got.append(len(take(vcpu, EventKind.LINE)))
        got.append((yield from hear(vcpu, ANY)).message.words)
        yield from rest(vcpu)

    with_device(driver, 5_000).until(NEVER)
    assert got == [1, (3,)]


def test_an_interrupt_that_was_acknowledged_meanwhile_is_no_news() -> None:
    got: list[Any] = []

    def driver(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(10_000)
        assert (yield from call(vcpu, Hypercall.IRQ_ACK)) == 3
        vcpu.events.clear()
        got.append((yield from hear(vcpu, ANY, timeout=0)).status)
        yield from rest(vcpu)

    with_device(driver, 5_000).until(NEVER)
    assert got == [Status.EMPTY]


def test_an_event_that_is_on_its_way_from_another_core_ends_an_open_receive_at_once() -> None:
    got: list[Any] = []

    def listens(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(300)  # meanwhile, in the same round, the partner ends
        got.append(((yield from hear(vcpu, ANY)), peers(vcpu)))
        yield from rest(vcpu)

    def ends(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(100)

    params = {"a": {"cores": (0,)}, "b": {"cores": (1,)}}
    bench = meet({"a": listens, "b": ends}, channel("x", 0, 1), params=params, cores=2)
    bench.until(100_000)
    ((heard, news),) = got
    assert (heard.status, heard.who) == (0, NIL)
    assert news == [(1, 0)]
