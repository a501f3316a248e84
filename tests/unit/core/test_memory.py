"""Shared pages: who can see them, who is told, and that nothing of them is left."""

from __future__ import annotations

import struct
from collections.abc import Generator

import pytest

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core import events as on
from hypervisor.core.cell import Cell
from hypervisor.core.handover import NEWS_LIMIT
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.monitor import Monitor
from tests.support.memory import AccessError, MemoryBench, refusal, shared
from tests.support.scripted import Bench, ScriptedVcpu

NEWS = struct.Struct("<QIB")
GONE, READABLE, WRITABLE = 0, 1, 3


@pytest.fixture
def bench() -> Generator[MemoryBench, None, None]:
    made = MemoryBench(4)
    yield made
    made.check()


# What is shared is the same memory.


def test_pages_of_a_cell_keep_their_content_and_their_place_when_they_are_shared(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    bench.host.store(front, bench.base + PAGE, b"before")
    segment = shared(bench)
    where = bench.memory.map(segment, 0, 2, back, writable=True)
    assert where == WINDOW_BASE
    assert bench.load(front, bench.base + PAGE, 6) == bench.load(back, where + PAGE, 6) == b"before"
    bench.host.store(back, where + PAGE, b"after ")
    assert bench.load(front, bench.base + PAGE, 6) == b"after "


def test_fresh_pages_are_zero_and_belong_to_whoever_is_named(bench: MemoryBench) -> None:
    segment = bench.memory.create("channel", 3, "ring")
    assert bench.monitor.frames.account("channel").now == 3 * PAGE
    where = bench.memory.map(segment, 1, 1, bench.cells[1], writable=True)
    assert bench.load(bench.cells[1], where, PAGE) == bytes(PAGE)
    bench.memory.drop(segment)
    assert bench.monitor.frames.account("channel").now == 0


def test_a_page_for_reading_cannot_be_written(bench: MemoryBench) -> None:
    segment = shared(bench)
    where = bench.memory.map(segment, 0, 2, bench.cells[1], writable=False)
    bench.settle()
    with pytest.raises(AccessError):
        bench.host.store(bench.cells[1], where, b"x")


def test_whoever_gets_a_part_gets_no_descriptor_of_the_rest(bench: MemoryBench) -> None:
    front, back, other, _ = bench.cells
    segment = shared(bench, 4)
    bench.memory.write(front, bench.base, b"".join(bytes([page]) * PAGE for page in range(4)))
    whole = bench.memory.map(segment, 0, 4, other, writable=True)
    where = bench.memory.map(segment, 1, 2, back, writable=True)
    bench.settle()
    assert sum(bench.reach(back).values()) == 2 * PAGE
    assert bench.load(back, where, 1) + bench.load(back, where + PAGE, 1) == b"\1\2"
    bench.host.store(front, bench.base + 2 * PAGE, b"seen")
    assert bench.load(back, where + PAGE, 4) == bench.load(other, whole + 2 * PAGE, 4) == b"seen"


# The vCPU is told.


def test_the_vcpu_is_told_of_what_comes_and_goes_before_anything_else(bench: MemoryBench) -> None:
    back = bench.cells[1]
    bench.monitor.handle(on.Typed(1, b"typed first"), bench.monitor.now)
    segment = shared(bench)
    where = bench.memory.map(segment, 0, 2, back, writable=False)
    bench.memory.revoke(segment)
    bench.monitor.reply(back, b"answer")
    kinds = [event.kind for event in back.vcpu.events]
    assert kinds == [7, 5, 5, 1]
    news = [NEWS.unpack(event.payload) for event in back.vcpu.events if event.kind == 5]
    assert news == [(where, 2, READABLE), (where, 2, GONE)]


def test_news_of_memory_wakes_nobody(bench: MemoryBench) -> None:
    back = bench.cells[1]
    before = back.vcpu.wake
    bench.memory.map(shared(bench), 0, 1, back, writable=True)
    assert back.vcpu.wake == before == NEVER


class Giver(Mechanism):
    """Call 99 gives the first cell a page."""

    def calls(self) -> dict[int, Handler]:
        return {99: self._give}

    def _give(self, monitor: Monitor, _cell: Cell, _record: Exit) -> int:
        return monitor.memory.map(monitor.memory.create("x", 1, "x"), 0, 1, monitor.cells[0], writable=True)


def test_a_vcpu_that_waits_goes_on_waiting_though_there_is_news_of_memory() -> None:
    def sleepy(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        yield from vcpu.work(200)
        yield vcpu.exit(ExitKind.WAIT, deadline=NEVER)

    def giver(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
        yield from vcpu.work(100)
        assert (yield from vcpu.call(99)) == WINDOW_BASE

    bench = Bench({"a": sleepy, "b": giver}, cores=2, mechanism=Giver)
    bench.until(3_000)
    assert len(bench.hosts["a"].resumes) == 1
    assert [event.kind for event in bench.cell("a").vcpu.events] == [EventKind.MEMORY]


def test_owner_is_told_to_use_the_fresh_pages_after_a_revocation(bench: MemoryBench) -> None:
    front = bench.cells[0]
    segment = shared(bench)
    bench.memory.map(segment, 0, 2, bench.cells[1], writable=True)
    assert bench.memory.revoke(segment) == 1
    news = [NEWS.unpack(event.payload) for event in front.vcpu.events]
    assert news == [(bench.base, 2, WRITABLE), (bench.base, 2, WRITABLE)]


def test_an_owner_who_could_not_be_told_of_fresh_pages_is_refused_the_revocation(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    segment = shared(bench)
    bench.memory.map(segment, 0, 2, back, writable=True)
    other = bench.memory.create("other", 1, "x")
    while len(front.vcpu.events) < NEWS_LIMIT - 2:
        bench.memory.map(other, 0, 1, front, writable=True)
    front.vcpu.events += front.vcpu.events[:2]
    refusal(Status.NO_ROOM, lambda: bench.memory.revoke(segment))
    assert len(bench.memory.mappings(segment)) == 1
    bench.take_news(front)
    assert bench.memory.revoke(segment) == 1


# What is taken back is gone.


def test_a_grantee_that_does_not_listen_keeps_zeros(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    segment = shared(bench)
    bench.memory.write(front, bench.base, b"secret")
    where = bench.memory.map(segment, 0, 2, back, writable=True)
    bench.settle()
    bench.host.stubborn.add(back.index)
    assert bench.memory.revoke(segment) == 1
    bench.settle()
    assert bench.host.load(back, where, 6) == bytes(6)
    bench.host.store(back, where, b"forged")
    assert bench.load(front, bench.base, 6) == b"secret"
    assert bench.memory.segment_at(back, where) is None


def test_a_mapping_that_was_given_back_may_still_be_held_and_revoking_ends_that(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    segment = shared(bench)
    where = bench.memory.map(segment, 0, 2, back, writable=True)
    bench.settle()
    bench.host.stubborn.add(back.index)
    bench.memory.unmap(back, where, 2)
    assert bench.memory.revoke(segment) == 0
    bench.settle()
    bench.host.store(back, where, b"forged")
    assert bench.load(front, bench.base, 6) == bytes(6)


def test_revoking_from_one_leaves_it_to_the_others(bench: MemoryBench) -> None:
    front, back, other, _ = bench.cells
    segment = shared(bench)
    bench.memory.map(segment, 0, 2, back, writable=True)
    where = bench.memory.map(segment, 0, 2, other, writable=True)
    assert bench.memory.revoke(segment, only={back.index}) == 1
    bench.settle()
    bench.host.store(other, where, b"still")
    assert bench.load(front, bench.base, 5) == b"still"
    assert [mapping.cell for mapping in bench.memory.mappings(segment)] == [other.index]


def test_revoking_what_nobody_else_has_had_moves_nothing(bench: MemoryBench) -> None:
    segment = shared(bench)
    bench.settle()
    done = len(bench.host.orders)
    assert bench.memory.revoke(segment) == 0
    bench.settle()
    assert len(bench.host.orders) == done


def test_a_dropped_segment_is_plain_memory_again(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    segment = shared(bench)
    where = bench.memory.map(segment, 0, 2, back, writable=True)
    bench.memory.write(back, where, b"written")
    bench.memory.drop(segment)
    assert bench.load(front, bench.base, 7) == b"written"
    assert bench.host.segments == {}
    refusal(Status.NOT_YOURS, lambda: bench.memory.revoke(segment))
    assert bench.memory.share(front, bench.base, 1, "again") != segment


def test_giving_back_a_part_leaves_the_rest_and_no_more(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    segment = shared(bench, 4)
    where = bench.memory.map(segment, 0, 4, back, writable=True)
    bench.memory.unmap(back, where + PAGE, 2)
    assert [(m.address, m.offset, m.pages) for m in bench.memory.mappings(segment)] == [
        (where, 0, 1),
        (where + 3 * PAGE, 3, 1),
    ]
    bench.memory.revoke(segment, only=())
    bench.settle()
    assert sum(bench.reach(back).values()) == 2 * PAGE
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.read(back, where + PAGE, 1))
    bench.host.store(front, bench.base + 3 * PAGE, b"end")
    assert bench.load(back, where + 3 * PAGE, 3) == b"end"


# Lives.


def test_what_a_dead_cell_had_is_returned(bench: MemoryBench) -> None:
    front, back, other, _ = bench.cells
    bench.memory.map(shared(bench), 0, 2, back, writable=True)
    bench.memory.map(bench.memory.create(front.name, 3, "more"), 0, 3, other, writable=True)
    elsewhere = bench.memory.create(other.name, 1, "kept")
    bench.memory.map(elsewhere, 0, 1, front, writable=True)
    bench.kill(front)
    assert bench.monitor.frames.account(front.name).now == 0
    assert bench.memory.mappings(elsewhere) == ()
    assert [bench.memory.segment_at(back, WINDOW_BASE), bench.memory.segment_at(other, WINDOW_BASE)] == [None, None]
    assert bench.reach(back) == {}


def test_a_permanent_mapping_is_there_again_in_the_next_life() -> None:
    bench = MemoryBench(2, on_crash="restart")
    segment = bench.memory.create("channel", 1, "ring")
    first, second = bench.cells
    where = [bench.memory.map(segment, 0, 1, cell, writable=True, permanent=True) for cell in bench.cells]
    bench.memory.write(first, where[0], b"kept")
    bench.kill(second)
    bench.ready(second)
    assert bench.load(second, where[1], 4) == b"kept"
    bench.check()


def test_a_mapping_from_before_the_first_start_appears_at_it() -> None:
    bench = MemoryBench(2, up=False)
    segment = bench.memory.create("channel", 1, "ring")
    where = bench.memory.map(segment, 0, 1, bench.cells[0], writable=True)
    assert bench.cells[0].vcpu.events == []
    bench.ready(bench.cells[0])
    assert bench.load(bench.cells[0], where, 4) == bytes(4)
    assert [NEWS.unpack(event.payload) for event in bench.cells[0].vcpu.events] == [(where, 1, WRITABLE)]
    bench.check()


def test_memory_that_is_kept_for_inspection_has_back_what_was_shared() -> None:
    bench = MemoryBench(2, on_crash="preserve")
    front, back = bench.cells
    segment = bench.memory.share(front, bench.base, 1, "x")
    bench.memory.write(back, bench.memory.map(segment, 0, 1, back, writable=True), b"evidence")
    bench.kill(front)
    assert bench.host.read(front.index, 0, 0, 8) == b"evidence"
    bench.check()
