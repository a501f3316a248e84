"""Shared pages: what is refused and bounded, looking into them, and who may run at once with them."""

from __future__ import annotations

import struct
from collections.abc import Generator

import pytest

from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core import memory
from hypervisor.core.errors import Refused
from hypervisor.core.handover import NEWS_LIMIT
from tests.support.memory import MemoryBench, refusal, shared
from tests.support.scripted import Bench, ScriptedVcpu

NEWS = struct.Struct("<QIB")
GONE, READABLE, WRITABLE = 0, 1, 3


@pytest.fixture
def bench() -> Generator[MemoryBench, None, None]:
    made = MemoryBench(4)
    yield made
    made.check()


# What is refused.


@pytest.mark.parametrize(
    ("address", "pages"),
    [(1, 1), (0, 0), (0, -1), (-PAGE, 1), (0, 17), (15 * PAGE, 2), (WINDOW_BASE, 1), (1 << 40, 1)],
    ids=["unaligned", "nothing", "less than nothing", "below", "huge", "over the end", "foreign", "nowhere"],
)
def test_only_whole_pages_of_its_own_can_be_shared(bench: MemoryBench, address: int, pages: int) -> None:
    cell = bench.cells[0]
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.share(cell, bench.base + address, pages, "x"))


@pytest.mark.parametrize(
    ("offset", "pages", "address", "status"),
    [
        (0, 3, None, Status.BAD_ARGUMENT),
        (-1, 1, None, Status.BAD_ARGUMENT),
        (2, 1, None, Status.BAD_ARGUMENT),
        (0, 0, None, Status.BAD_ARGUMENT),
        (0, 1, WINDOW_BASE + 1, Status.BAD_ARGUMENT),
        (0, 1, WINDOW_BASE - PAGE, Status.BAD_ARGUMENT),
        (0, 2, WINDOW_BASE + WINDOW_SIZE - PAGE, Status.BAD_ARGUMENT),
        (0, 1, 0, Status.BAD_ARGUMENT),
        (0, 2, WINDOW_BASE + PAGE, Status.WRONG_STATE),
    ],
)
def test_a_mapping_of_no_such_pages_or_to_no_such_place_is_refused(
    bench: MemoryBench, offset: int, pages: int, address: int | None, status: Status
) -> None:
    segment, back = shared(bench), bench.cells[1]
    bench.memory.map(segment, 0, 1, back, WINDOW_BASE + 2 * PAGE, writable=True)
    refusal(status, lambda: bench.memory.map(segment, offset, pages, back, address, writable=True))


def test_a_number_that_names_no_segment_is_refused(bench: MemoryBench) -> None:
    for call in (bench.memory.drop, bench.memory.revoke):
        refusal(Status.NOT_YOURS, lambda call=call: call(99))
    refusal(Status.NOT_YOURS, lambda: bench.memory.map(99, 0, 1, bench.cells[0], writable=True))


def test_pages_that_are_shared_already_are_refused(bench: MemoryBench) -> None:
    shared(bench, 2)
    cell = bench.cells[0]
    refusal(Status.WRONG_STATE, lambda: bench.memory.share(cell, bench.base + PAGE, 2, "again"))


def test_what_a_cell_has_not_it_cannot_give_back(bench: MemoryBench) -> None:
    segment, back = shared(bench), bench.cells[1]
    where = bench.memory.map(segment, 0, 2, back, writable=True)
    for address, pages in ((where + 2 * PAGE, 1), (where + PAGE, 2), (bench.base, 1)):
        refusal(Status.NOT_YOURS, lambda address=address, pages=pages: bench.memory.unmap(back, address, pages))
    refusal(Status.NOT_YOURS, lambda: bench.memory.unmap(bench.cells[0], bench.base, 2))
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.unmap(back, where + 1, 1))


def test_a_cell_on_another_host_is_refused_by_name() -> None:
    bench = MemoryBench(2, pages=(True, False))
    here, far = bench.cells
    segment = bench.memory.share(here, bench.base, 1, "x")
    for call in (
        lambda: bench.memory.map(segment, 0, 1, far, writable=True),
        lambda: bench.memory.share(far, bench.base, 1, "x"),
    ):
        assert refusal(Status.DENIED, call) == f"{far.name} runs on another host: it can share no memory"


def test_a_cell_that_is_connected_to_nobody_is_refused(bench: MemoryBench) -> None:
    bench.memory.bare = {1}
    segment = shared(bench)
    refusal(Status.DENIED, lambda: bench.memory.map(segment, 0, 1, bench.cells[1], writable=True))


def test_a_cell_that_has_ended_is_given_nothing(bench: MemoryBench) -> None:
    segment = shared(bench)
    bench.kill(bench.cells[1])
    refusal(Status.WRONG_STATE, lambda: bench.memory.map(segment, 0, 1, bench.cells[1], writable=True))
    refusal(Status.WRONG_STATE, lambda: bench.memory.read(bench.cells[1], bench.base, 1))


def test_segments_mappings_and_news_are_bounded(bench: MemoryBench, monkeypatch: pytest.MonkeyPatch) -> None:
    segments_limit, mappings_limit = 64, 128
    monkeypatch.setattr(memory, "SEGMENT_LIMIT", segments_limit)
    monkeypatch.setattr(memory, "MAPPING_LIMIT", mappings_limit)
    back = bench.cells[1]
    segments = [bench.memory.create("flood", 1, "x") for _ in range(segments_limit)]
    assert f"has {segments_limit} segments" in refusal(Status.NO_ROOM, lambda: bench.memory.create("flood", 1, "x"))
    for count in range(mappings_limit):
        bench.take_news(back)
        bench.memory.map(segments[count % segments_limit], 0, 1, back, writable=True)
    assert f"{mappings_limit} mappings" in refusal(
        Status.NO_ROOM, lambda: bench.memory.map(segments[0], 0, 1, back, writable=True)
    )
    other = bench.cells[2]
    for _ in range(2 * NEWS_LIMIT):
        try:
            bench.memory.map(segments[0], 0, 1, other, writable=True)
        except Refused as refused:
            assert "take note" in refused.why
            break
    assert 0 < len(other.vcpu.events) <= NEWS_LIMIT


def test_more_frames_than_there_are_leave_everything_as_it_was(bench: MemoryBench) -> None:
    free = bench.monitor.frames.free
    refusal(Status.NO_ROOM, lambda: bench.memory.create("greedy", 1 << 20, "x"))
    assert bench.monitor.frames.free == free


# Looking into memory.


def test_bytes_are_found_across_pages_of_every_kind(bench: MemoryBench) -> None:
    front, back, *_ = bench.cells
    text = bytes(range(200))
    bench.memory.share(front, bench.base + PAGE, 1, "middle")
    bench.memory.write(front, bench.base + PAGE - 100, text)
    assert bench.memory.read(front, bench.base + PAGE - 100, 200) == text
    assert bench.host.read(front.index, 0, PAGE - 100, 100) == text[:100]
    where = bench.memory.map(bench.memory.segment_at(front, bench.base + PAGE)[0], 0, 1, back, writable=False)  # type: ignore[index]
    assert bench.memory.read(back, where, 100) == text[100:]
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.write(back, where, b"x"))
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.read(back, where + PAGE - 1, 2))
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.read(back, where, -1))
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.read(back, bench.base + 16 * PAGE - 1, 2))


def test_a_write_that_is_refused_halfway_has_written_nothing(bench: MemoryBench) -> None:
    front = bench.cells[0]
    end = bench.base + 16 * PAGE
    refusal(Status.BAD_ARGUMENT, lambda: bench.memory.write(front, end - 2, b"four"))
    assert bench.memory.read(front, end - 2, 2) == bytes(2)


# On several modelled cores.


def test_only_those_who_share_pages_that_one_may_write_run_apart(bench: MemoryBench) -> None:
    first, second, third, fourth = bench.cells
    segment = shared(bench)
    bench.memory.map(segment, 0, 1, second, writable=False)
    fresh = bench.memory.create("x", 1, "x")
    bench.memory.map(fresh, 0, 1, third, writable=False)
    bench.memory.map(fresh, 0, 1, fourth, writable=False)
    apart = [bench.memory.runs_apart(cell.index) for cell in bench.cells]
    assert apart == [{1}, {0}, set(), set()]
    bench.memory.revoke(segment)
    assert bench.memory.runs_apart(first.index) == set()


def busy(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
    while True:
        yield from vcpu.work(10_000)


def test_cells_that_share_a_page_take_turns_on_the_host() -> None:
    bench = Bench({"a": busy, "b": busy, "c": busy}, cores=3, params={n: {"cores": (i,)} for i, n in enumerate("abc")})
    memory = bench.monitor.memory
    segment = memory.create("x", 1, "x")
    at_once: set[frozenset[str]] = set()
    running: set[str] = set()
    for name, host in bench.hosts.items():
        _watch(name, host, running, at_once)
    for cell in (bench.cell("a"), bench.cell("b")):
        memory.map(segment, 0, 1, cell, writable=True)
    bench.until(5_000)
    assert frozenset("ab") not in at_once
    assert frozenset("ac") in at_once
    assert all(bench.cell(name).account.ran > 4_000 for name in "abc")


def _watch(name: str, host: object, running: set[str], at_once: set[frozenset[str]]) -> None:
    resume, wait = host.resume, host.wait  # type: ignore[attr-defined]

    def resumed(record: object) -> None:
        running.add(name)
        at_once.update(frozenset((name, other)) for other in running)
        resume(record)

    def waited() -> object:
        running.discard(name)
        return wait()

    host.resume, host.wait = resumed, waited  # type: ignore[attr-defined]


def test_a_cell_that_cannot_be_given_its_pages_dies_before_it_runs_on() -> None:
    bench = Bench({"a": busy, "b": busy})
    bench.until(2_000)
    bench.loop._memory.trouble[0] = "no shared memory on this host"  # type: ignore[union-attr]
    seen = len(bench.hosts["a"].resumes)
    bench.until(6_000)
    assert bench.cell("a").why == "no shared memory on this host"
    assert len(bench.hosts["a"].resumes) == seen
