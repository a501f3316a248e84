"""Shared memory against the plainest possible model: who may see which byte, whatever is mapped, cut, revoked and killed.

The model keeps the content of every page and a set of who was given it. After each step every cell's view of every page is
compared with it: by the monitor's table, and by what the cell's process really holds, one that never lets go included.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.core.errors import Refused
from tests.support.memory import MemoryBench

CELLS = 3
STUBBORN = 2
"""The cell that keeps everything it was ever given mapped where it was, unless something else is put there."""

cells = st.integers(0, CELLS - 1)
small = st.integers(0, 3)


class Page(NamedTuple):
    """A page of a segment."""

    segment: int
    offset: int


class MemoryMachine(RuleBasedStateMachine):
    segments = Bundle("segments")

    def __init__(self) -> None:
        super().__init__()
        self.bench = MemoryBench(CELLS, on_crash="restart", restarts=1000)
        self.bench.host.stubborn.add(STUBBORN)
        self.content: dict[Page, int] = {}
        self.owner: dict[int, int | None] = {}
        self.home: dict[int, int] = {}
        self.given: dict[tuple[int, int], tuple[Page, bool]] = {}
        self.own: dict[tuple[int, int], int] = {}
        self.stamp = 0

    # ---- what happens

    @rule(target=segments, owner=st.integers(-1, CELLS - 1), pages=st.integers(1, 4))
    def create(self, owner: int, pages: int) -> int:
        name = self.bench.cells[owner].name if owner >= 0 else "channel"
        segment = self.bench.memory.create(name, pages, "test")
        self.owner[segment] = owner if owner >= 0 else None
        self.content |= {Page(segment, page): 0 for page in range(pages)}
        return segment

    @rule(target=segments, cell=cells, first=st.integers(0, 12), pages=st.integers(1, 4))
    def share(self, cell: int, first: int, pages: int) -> int:
        address = self.bench.base + first * PAGE
        try:
            segment = self.bench.memory.share(self.bench.cells[cell], address, pages, "test")
        except Refused:
            return 0
        self.owner[segment], self.home[segment] = cell, address
        for page in range(pages):
            self.content[Page(segment, page)] = self.own.pop((cell, address + page * PAGE), 0)
        return segment

    @rule(segment=segments, cell=cells, offset=small, pages=st.integers(1, 4), writable=st.booleans(), place=small)
    def map(self, segment: int, cell: int, offset: int, pages: int, writable: bool, place: int) -> None:
        address = WINDOW_BASE + place * PAGE
        with suppress(Refused):
            self.bench.memory.map(segment, offset, pages, self.bench.cells[cell], address, writable=writable)
            for page in range(pages):
                self.given[cell, address + page * PAGE] = Page(segment, offset + page), writable

    @rule(cell=cells, place=small, pages=st.integers(1, 4))
    def unmap(self, cell: int, place: int, pages: int) -> None:
        address = WINDOW_BASE + place * PAGE
        with suppress(Refused):
            self.bench.memory.unmap(self.bench.cells[cell], address, pages)
            for page in range(pages):
                del self.given[cell, address + page * PAGE]

    @rule(segment=segments, only=st.none() | st.frozensets(cells, max_size=2))
    def revoke(self, segment: int, only: frozenset[int] | None) -> None:
        with suppress(Refused):
            self.bench.memory.revoke(segment, only)
            self._forget(segment, [c for c in range(CELLS) if c != self.owner[segment] and (only is None or c in only)])

    @rule(segment=consumes(segments))
    def drop(self, segment: int) -> None:
        with suppress(Refused):
            self.bench.memory.drop(segment)
            self._drop(segment, keep=True)

    @rule(cell=cells)
    def die(self, cell: int) -> None:
        self.bench.kill(self.bench.cells[cell])
        self.bench.ready(self.bench.cells[cell])
        for segment in [segment for segment, owner in self.owner.items() if owner == cell]:
            self._drop(segment, keep=False)
        self.given = {key: page for key, page in self.given.items() if key[0] != cell}
        self.own = {key: value for key, value in self.own.items() if key[0] != cell}

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        cell, address = data.draw(st.sampled_from(sorted(self.given)))
        page, writable = self.given[cell, address]
        self.stamp = self.stamp % 250 + 1
        try:
            self.bench.memory.write(self.bench.cells[cell], address, bytes([self.stamp]))
        except Refused:
            assert not writable
        else:
            assert writable
            self.content[page] = self.stamp

    @rule(cell=cells, first=st.integers(0, 15))
    def write_own(self, cell: int, first: int) -> None:
        address = self.bench.base + first * PAGE
        self.stamp = self.stamp % 250 + 1
        self.bench.memory.write(self.bench.cells[cell], address, bytes([self.stamp]))
        page = self._home_page(cell, address)
        if page is None:
            self.own[cell, address] = self.stamp
        else:
            self.content[page] = self.stamp

    @rule(cell=cells)
    def run(self, cell: int) -> None:
        self.bench.take_news(self.bench.cells[cell])

    # ---- the model

    def _home_page(self, cell: int, address: int) -> Page | None:
        for segment, home in self.home.items():
            page = Page(segment, (address - home) // PAGE)
            if self.owner[segment] == cell and address >= home and page in self.content:
                return page
        return None

    def _forget(self, segment: int, who: list[int]) -> None:
        self.given = {
            key: (page, writable)
            for key, (page, writable) in self.given.items()
            if page.segment != segment or key[0] not in who
        }

    def _drop(self, segment: int, *, keep: bool) -> None:
        self._forget(segment, list(range(CELLS)))
        owner, home = self.owner.pop(segment), self.home.pop(segment, None)
        for page in [page for page in self.content if page.segment == segment]:
            value = self.content.pop(page)
            if home is not None and owner is not None and keep:
                self.own[owner, home + page.offset * PAGE] = value

    # ---- what must hold

    @invariant()
    def everybody_sees_what_was_given_to_him_and_nothing_else(self) -> None:
        for cell in self.bench.cells:
            for place in range(8):
                address = WINDOW_BASE + place * PAGE
                given = self.given.get((cell.index, address))
                if given is None:
                    assert self.bench.memory.segment_at(cell, address) is None
                    continue
                assert self.bench.memory.segment_at(cell, address) == given[0]
                assert self.bench.load(cell, address, 1) == bytes([self.content[given[0]]])

    @invariant()
    def own_memory_holds_what_was_written_there(self) -> None:
        for cell in self.bench.cells:
            for first in range(16):
                address = self.bench.base + first * PAGE
                page = self._home_page(cell.index, address)
                value = self.own.get((cell.index, address), 0) if page is None else self.content[page]
                assert self.bench.load(cell, address, 1) == bytes([value])

    @invariant()
    def a_process_holds_on_to_no_page_that_was_revoked_or_never_given(self) -> None:
        """Whoever gave a mapping back may hold it until the owner revokes; the model's stubborn cell does."""
        for cell in self.bench.cells:
            held = {Page(*page) for page in self.bench.held_pages(cell)}
            given = {page for key, (page, _) in self.given.items() if key[0] == cell.index}
            own = {Page(*page) for page in self.content if self.owner[page[0]] == cell.index}
            kept = {p for p in held - given - own if cell.index == STUBBORN and p.segment in self._left_open}
            assert held <= given | own | kept

    @property
    def _left_open(self) -> set[int]:
        """Segments that cells had and gave back, with nobody having revoked them."""
        return self.bench.seen_by(STUBBORN)

    @invariant()
    def all_is_accounted_for(self) -> None:
        self.bench.check()
        frames = self.bench.monitor.frames
        for owner in range(-1, CELLS):
            name = self.bench.cells[owner].name if owner >= 0 else "channel"
            index = owner if owner >= 0 else None
            fresh = sum(self.owner[p.segment] == index and p.segment not in self.home for p in self.content)
            ram = 16 if owner >= 0 else 0
            assert frames.account(name).now == (fresh + ram) * PAGE


MemoryMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestMemory = MemoryMachine.TestCase
