"""Injected faults in the monitor, with scripted cells: times, points, records, what never strikes, and resources that run out."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from hypervisor.abi.faults import Armed
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status, to_word
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.errors import Refused
from hypervisor.core.frames import FRAME, FrameTable, OutOfFrames
from hypervisor.core.injected import flipped
from hypervisor.core.spaces import PoolExhausted, TablePool
from hypervisor.faults.injector import Injector
from hypervisor.shell.inputs import Input, InputKind
from tests.support.scripted import Bench, ScriptedVcpu


def busy(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    yield from vcpu.work(20_000)


def sleeper(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    yield from vcpu.wait(50_000)


def caller(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    for _ in range(5):
        yield from vcpu.work(100)
        yield from vcpu.call(Hypercall.TIME)


class Watched(Bench):
    """A bench whose trace is kept."""

    def __init__(self, **scripts: Any) -> None:
        self.lines: list[dict[str, Any]] = []
        more = scripts.pop("more", {})
        super().__init__(scripts, **more)

    def order(self, cell: str, fault: Armed) -> None:
        self.loop.take(Input(self.loop.step, self.monitor.now, InputKind.INJECT, cell, fault.to_text()))

    def records(self, kind: str = "fault") -> list[str]:
        """Records of a kind so far, as text."""
        chunks: list[bytes] = []
        self.trace.on_chunk.append(chunks.append)
        self.trace.flush()
        self.lines += [line for chunk in chunks for line in chunk.decode().splitlines()]  # type: ignore[misc]
        self.trace.on_chunk.clear()
        return [str(line) for line in self.lines if f'"k":"{kind}"' in str(line)]

    def given(self, cell: str) -> list[Armed]:
        """Faults that the cell was handed."""
        events = [event for resume in self.hosts[cell].resumes for event in resume.events]
        return [Armed.from_event(event.payload)[1] for event in events if event.kind == EventKind.FAULT]


def test_a_fault_of_a_guest_comes_with_the_resume_that_begins_at_its_cycle() -> None:
    bench = Watched(a=busy, b=busy)
    bench.order("a", Armed("flip_ram", at=3_333, values={"offset": 5}))
    bench.until(20_000)
    (resume,) = [resume for resume in bench.hosts["a"].resumes if resume.events]
    assert 3_333 <= resume.events[0].time <= resume.start
    assert bench.given("a")[0].values == {"offset": 5}
    assert bench.given("b") == []
    assert bench.records() == [
        f'{{"t":{resume.events[0].time},"k":"fault","cell":"a","action":"flip_ram","cause":"injected","offset":5}}'
    ]


def test_a_fault_that_never_strikes_leaves_the_trace_as_it_was_and_is_known() -> None:
    def trace(*orders: Armed) -> tuple[str, int]:
        bench = Watched(a=caller)
        for fault in orders:
            bench.order("a", fault)
        bench.until(20_000)
        waiting = bench.monitor.faults.waiting() if bench.monitor.faults else []
        return bench.trace.digest(), len(waiting)

    never = Armed("loop", point="core.exit", visit=1000)
    assert trace(never) == (trace()[0], 1)
    assert trace(Armed("loop", at=19_999)) == (trace()[0], 1)  # the cell has ended by then
    assert trace(Armed("nothing", at=3)) != (trace()[0], 0)


def test_a_fault_wakes_nobody() -> None:
    bench = Watched(a=sleeper, b=busy)
    bench.order("a", Armed("flip_ram", at=5_000))
    bench.until(40_000)
    assert bench.given("a") == []
    bench.until(60_000)
    assert len(bench.given("a")) == 1


def test_a_point_counts_visits_from_the_time_of_the_order_on() -> None:
    bench = Watched(a=caller)
    bench.order("a", Armed("nothing", point="core.exit", visit=3))
    bench.until(20_000)
    (record,) = bench.records()
    assert '"point":"core.exit","visit":3' in record


def test_a_fault_at_a_point_is_over_after_its_hold() -> None:
    bench = Watched(a=busy)
    bench.order("a", Armed("nothing", at=1_000, point="core.exit", times=0, hold=5_000))
    bench.until(20_000)
    assert bench.records()
    assert bench.monitor.faults is not None
    fired = bench.monitor.faults.fates[0].fired
    bench.until(30_000)
    assert bench.monitor.faults.fates[0].fired == fired < 12


@pytest.mark.parametrize("factor", [2, 10])
def test_who_is_slowed_pays_a_multiple_for_each_cycle(factor: int) -> None:
    bench = Watched(a=busy)
    bench.order("a", Armed("slow", values={"factor": factor}))
    bench.until(1_000_000)
    assert bench.monitor.ledger.cycles("a", "slowed") == (factor - 1) * 20_000
    assert bench.monitor.scheduler.time() >= factor * 20_000


def test_slowness_ends_with_its_hold_and_with_the_life() -> None:
    bench = Watched(a=busy)
    bench.order("a", Armed("slow", at=1_000, hold=4_000, values={"factor": 2}))
    bench.until(1_000_000)
    assert 1_000 < bench.monitor.ledger.cycles("a", "slowed") < 4_000
    again = Watched(a=busy, more={"params": {"a": {"on_crash": "restart"}}})
    again.order("a", Armed("slow", values={"factor": 3}))
    again.until(3_000)
    again.loop.take(Input(again.loop.step, again.monitor.now, InputKind.RESTART, "a"))
    assert again.cell("a").vcpu.slowness == 1


def test_nobody_may_say_that_a_fault_struck_which_it_was_not_given() -> None:
    answers: list[int] = []

    def liar(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        for number in (0, 1, 7):
            answer = yield from vcpu.call(Hypercall.FAULTED, number, 1)
            answers.append(answer)

    without = Watched(a=liar)
    without.until(5_000)
    assert answers == [to_word(Status.BAD_ARGUMENT)] * 3
    answers.clear()
    bench = Watched(a=liar, b=busy)
    bench.order("a", Armed("drop_entry", point="ring.put"))
    bench.order("b", Armed("drop_entry", point="ring.put"))
    bench.until(5_000)
    assert answers == [0, *[to_word(Status.BAD_ARGUMENT)] * 2]
    assert bench.monitor.faults is not None
    assert [fate.fired for fate in bench.monitor.faults.fates] == [1, 0]


def test_a_message_has_one_bit_flipped() -> None:
    injector = Injector(lambda *_, **__: None)
    injector.expect("a", fault := Armed("flip_message", point="core.reply", times=0, draw=9))
    injector.open("a", fault)
    hits = [injector.visit("core.reply", "a") for _ in range(2)]
    changed = [flipped(bytes(16), hit) for hit in hits if hit]
    assert [sum(byte.bit_count() for byte in data) for data in changed] == [1, 1]
    assert changed[0] != changed[1]
    assert flipped(b"", hits[0]) == b""  # type: ignore[arg-type]


# ---- resources


def test_frames_are_refused_as_if_there_were_none_and_the_account_stays() -> None:
    table = FrameTable(1 << 20)
    table.faults = injector = Injector(lambda *_, **__: None)
    injector.expect("a", fault := Armed("no_frames", point="core.frames", visit=2))
    injector.open("a", fault)
    table.allocate("a", FRAME, "ram")
    with pytest.raises(OutOfFrames, match='1 frames for "a": the largest gap has 0'):
        table.allocate("a", FRAME, "more")
    table.allocate("a", FRAME, "more")
    table.check_invariants()
    assert table.account("a").now == 2 * FRAME


def test_a_cell_for_which_no_frames_are_left_does_not_come_up_and_the_others_go_on() -> None:
    bench = Watched(a=busy, b=busy)
    bench.order("a", Armed("no_frames", point="core.frames"))
    bench.until(1_000)
    for kind in (InputKind.KILL, InputKind.RESTART):
        bench.loop.take(Input(bench.loop.step, bench.monitor.now, kind, "a"))
    bench.until(100_000)
    assert (str(bench.cell("a").state), str(bench.cell("b").state)) == ("failed", "shut down")
    assert "frames" in bench.cell("a").why
    assert bench.monitor.frames.account("a").now == 0


def test_a_table_of_capabilities_passes_for_full() -> None:
    authority = Authority(static=False)
    slot = authority.give(0, Kind.CHANNEL, "pipe", Right.SEND | Right.GRANT)
    authority.full = lambda cell: cell == 1
    with pytest.raises(Refused, match="slots of the table are taken"):
        authority.grant(0, slot, 1, Right.SEND)
    assert authority.listing(1) == {}
    authority.grant(0, slot, 2, Right.SEND)
    authority.check_invariants()


def test_a_pool_of_tables_passes_for_empty() -> None:
    pool = TablePool(lambda *_: None, 0, 1 << 16)
    pool.starved = lambda: True
    with pytest.raises(PoolExhausted, match="no room for a first-level table"):
        pool.first_level()
    pool.starved = lambda: False
    assert pool.first_level() == 0
    assert pool.taken() == {0}
