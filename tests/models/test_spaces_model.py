"""Address spaces against one dictionary each, through the tables that the CPU would walk."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hypervisor.abi.pv import DOMAIN_KERNEL, DOMAIN_USER, L1_SIZE, L2_SIZE, PAGE, SECTION, TableFormat
from hypervisor.core.spaces import AddressSpace, KernelHalf, PoolExhausted, TablePool
from tests.support.tables import Found, TableMemory

BASE, BLOCKS = 0x2000_4000, 3
KERNEL, KERNEL_PHYSICAL, KERNEL_SIZE = 0xC000_0000, 0x1000_0000, SECTION + 2 * PAGE
PLACES = [n * SECTION + m * PAGE for n in range(10) for m in (0, 255)]
VIRTUAL = st.sampled_from(PLACES)
PHYSICAL = st.integers(0, 9).map(lambda n: 0x1000_0000 + n * PAGE)
WHICH = st.integers(0, 2)


class SpacesMachine(RuleBasedStateMachine):
    """Up to three spaces and a kernel's half in a pool that is soon empty."""

    layout = TableFormat.MODERN

    def __init__(self) -> None:
        super().__init__()
        self.memory = TableMemory(BASE, BLOCKS * L1_SIZE)
        self.pool = TablePool(self.memory.write, BASE, BLOCKS * L1_SIZE)
        self.kernel = KernelHalf(self.pool, self.layout)
        self.kernel.map(KERNEL, KERNEL_PHYSICAL, KERNEL_SIZE)
        self.spaces: list[tuple[AddressSpace, dict[int, tuple[int, bool]]]] = []

    def tables(self) -> int:
        """Blocks that are needed at least."""
        return sum(len({virtual // SECTION for virtual in pages}) for _, pages in self.spaces) + 1

    @precondition(lambda self: len(self.spaces) < 3)
    @rule()
    def create(self) -> None:
        had_room = self.pool.free > 0
        try:
            self.spaces.append((AddressSpace(self.pool, self.layout, self.kernel), {}))
        except PoolExhausted:
            assert not had_room
        else:
            assert had_room

    @precondition(lambda self: self.spaces)
    @rule(which=WHICH)
    def destroy(self, which: int) -> None:
        self.spaces.pop(which % len(self.spaces))[0].destroy()

    @precondition(lambda self: self.spaces)
    @rule(which=WHICH)
    def fill(self, which: int) -> None:
        for virtual in PLACES[::2]:
            self.set(which, virtual, 0x1000_0000, True)

    @precondition(lambda self: self.spaces)
    @rule(which=WHICH, virtual=VIRTUAL, physical=PHYSICAL, writable=st.booleans())
    def set(self, which: int, virtual: int, physical: int, writable: bool) -> None:
        space, pages = self.spaces[which % len(self.spaces)]
        try:
            stale = space.set(virtual, physical, writable=writable)
        except PoolExhausted:
            assert not self.pool.free and virtual // SECTION not in {page // SECTION for page in pages}
            return
        assert stale == (pages.get(virtual, (physical, writable)) != (physical, writable))
        pages[virtual] = (physical, writable)

    @precondition(lambda self: self.spaces)
    @rule(which=WHICH, virtual=VIRTUAL, place=st.none() | st.integers(0, 30))
    def clear(self, which: int, virtual: int, place: int | None) -> None:
        space, pages = self.spaces[which % len(self.spaces)]
        if place is not None and pages:
            virtual = sorted(pages)[place % len(pages)]
        assert space.clear(virtual) == (pages.pop(virtual, None) is not None)

    @invariant()
    def the_cpu_agrees(self) -> None:
        for space, pages in self.spaces:
            for virtual in PLACES:
                known = pages.get(virtual)
                expected = Found(known[0], known[1], DOMAIN_USER) if known else None
                assert self.memory.walk(space.base, virtual, self.layout) == expected
            for offset in (0, SECTION, SECTION + PAGE):
                found = Found(KERNEL_PHYSICAL + offset, True, DOMAIN_KERNEL)
                assert self.memory.walk(space.base, KERNEL + offset, self.layout) == found
            assert self.memory.walk(space.base, KERNEL + KERNEL_SIZE, self.layout) is None

    @invariant()
    def nothing_leaks(self) -> None:
        taken = self.pool.taken()
        assert len(taken) == self.tables() + len(self.spaces)
        assert taken == self.kernel.tables().union(*(space.tables() for space, _ in self.spaces))
        spans = sorted((table, L1_SIZE if table in self.bases() else L2_SIZE) for table in taken)
        assert all(one + size <= other for (one, size), (other, _) in pairwise(spans))

    def bases(self) -> set[int]:
        return {space.base for space, _ in self.spaces}


class LegacySpacesMachine(SpacesMachine):
    """The same, in the older format."""

    layout = TableFormat.LEGACY


@pytest.mark.slow
@pytest.mark.parametrize("machine", [SpacesMachine, LegacySpacesMachine])
def test_spaces_agree_with_dictionaries(machine: type[SpacesMachine]) -> None:
    model = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(machine, settings=model)
