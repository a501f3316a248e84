"""Direct paging under any sequence of updates: no table becomes writable, no foreign frame reachable, and counts go back to zero.

The model knows nothing of types and counts: it reads the tables that a CPU would read, from the memory that was written, and
looks at what they let user mode do.
"""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hypervisor.abi.pv import L1_SIZE, L2_SIZE, PAGE, SECTION, VMM_BASE, Pte, TableFormat
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.paging import FrameType, PageTables

BASE, PAGES = 0x8000, 24
WINDOW = 0x0100_0000
"""A page that was granted, then one read-only, then one that is not there."""
GRANTED = {WINDOW: True, WINDOW + PAGE: False}
OWN = st.integers(0, PAGES - 1).map(lambda n: BASE + n * PAGE)
ANY = st.one_of(OWN, st.sampled_from([WINDOW, WINDOW + PAGE, WINDOW + 2 * PAGE, 0, BASE - PAGE, BASE + PAGES * PAGE]))
FLAGS = st.sampled_from([0, Pte.PRESENT, Pte.PRESENT | Pte.WRITE, Pte.PRESENT | Pte.WRITE | Pte.USER, Pte.WRITE])
SLOTS = st.sampled_from([0, 1, 2, 255, 256, 1023])


class Memory:
    """A guest's memory of words."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.shared: set[int] = set()

    def is_own(self, address: int) -> bool:
        return BASE <= address < BASE + PAGES * PAGE

    def is_shared(self, address: int) -> bool:
        return address in self.shared

    def was_granted(self, address: int, *, writable: bool) -> bool:
        return address in GRANTED and (GRANTED[address] or not writable)

    def is_empty(self, address: int) -> bool:
        return not any(self.words.get(at) for at in range(address, address + PAGE, 4))

    def store(self, address: int, word: int) -> None:
        self.words[address] = word

    def clear(self, address: int) -> None:
        for at in [at for at in self.words if at & -PAGE == address]:
            del self.words[at]


class Paging(RuleBasedStateMachine):
    """A guest that tries anything."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()
        self.tables = PageTables(self.memory, TableFormat.MODERN)

    @initialize(start=st.booleans())
    def begin(self, start: bool) -> None:
        if start:
            self.tables.pin(FrameType.L1, BASE)
            self.tables.pin(FrameType.L2, BASE + L1_SIZE)
            self.tables.new_base(BASE)

    @rule(level=st.sampled_from([FrameType.L1, FrameType.L2]), page=ANY)
    def pin(self, level: FrameType, page: int) -> None:
        self.attempt(self.tables.pin, level, page)

    @rule(page=ANY)
    def unpin(self, page: int) -> None:
        self.attempt(self.tables.unpin, page)

    @rule(page=ANY)
    def new_base(self, page: int) -> None:
        self.attempt(self.tables.new_base, page)

    @rule(page=OWN, slot=SLOTS, named=ANY, flags=FLAGS, quarter=st.integers(0, 3))
    def update(self, page: int, slot: int, named: int, flags: int, quarter: int) -> None:
        self.attempt(self.tables.update, page + 4 * slot, named | quarter * L2_SIZE | flags)

    @rule(page=OWN, slot=SLOTS, named=OWN, flags=FLAGS)
    def map_page(self, page: int, slot: int, named: int, flags: int) -> None:
        self.attempt(self.tables.update, page + 4 * slot, named | flags)

    @rule(page=OWN)
    def share(self, page: int) -> None:
        if not self.tables.is_table(page):
            self.memory.shared ^= {page}

    def attempt(self, act, *arguments) -> None:  # type: ignore[no-untyped-def]
        before = dict(self.memory.words), self.tables.base, self.types()
        with contextlib.suppress(XenError):
            act(*arguments)
            return
        assert before == (self.memory.words, self.tables.base, self.types()), "a refusal has changed something"

    def types(self) -> dict[int, tuple[int, int, int]]:
        return {page: (frame.type, frame.uses, frame.references) for page, frame in self.tables.frames.items()}

    def reachable(self) -> dict[int, bool]:
        """Pages that user mode reaches through any first-level table -> whether it may write them; as the CPU reads them."""
        reach: dict[int, bool] = {}
        firsts = {page & -L1_SIZE for page, frame in self.tables.frames.items() if frame.type is FrameType.L1}
        for l1 in firsts:
            for at in range(l1, l1 + L1_SIZE, 4):
                upper = self.memory.words.get(at, 0)
                if upper:
                    assert upper & 3 == 1
                    assert upper >> 5 & 0xF in (1, 2), "the monitor's domain"
                    assert (at - l1) // 4 * SECTION < VMM_BASE, "the monitor's part"
                    self.follow(upper & -L2_SIZE, reach)
        return reach

    def follow(self, l2: int, reach: dict[int, bool]) -> None:
        assert self.memory.is_own(l2 & -PAGE)
        assert self.tables.frames[l2 & -PAGE].type is FrameType.L2
        for at in range(l2, l2 + L2_SIZE, 4):
            lower = self.memory.words.get(at, 0)
            if lower:
                assert lower & 2
                page = lower & -PAGE
                reach[page] = reach.get(page, False) or lower >> 4 & 3 == 3

    @invariant()
    def no_table_is_writable_and_nothing_foreign_is_reached(self) -> None:
        for page, writable in self.reachable().items():
            assert self.memory.is_own(page) or page in GRANTED
            assert not (writable and GRANTED.get(page, True) is False)
            assert not (writable and self.tables.is_table(page))

    @invariant()
    def counts_add_up(self) -> None:
        assert self.tables.problems() == []

    def teardown(self) -> None:
        self.tables.clear()
        assert self.tables.frames == {}
        assert not any(self.memory.words.values())


Paging.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPaging = Paging.TestCase
