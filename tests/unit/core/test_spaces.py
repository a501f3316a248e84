"""Address spaces of the monitor's own: what the CPU finds in their tables, and what the pool has left."""

from __future__ import annotations

import pytest

from hypervisor.abi.pv import DOMAIN_KERNEL, DOMAIN_USER, L1_SIZE, L2_SIZE, PAGE, SECTION, TableFormat
from hypervisor.core.errors import Refused
from hypervisor.core.spaces import AddressSpace, KernelHalf, PoolExhausted, TablePool, Translation
from tests.support.tables import Found, TableMemory

BASE = 0x4070_0000
FRAME = 0x4012_3000
FORMATS = pytest.mark.parametrize("layout", TableFormat)


def made(blocks: int = 4, base: int = BASE) -> tuple[TableMemory, TablePool]:
    memory = TableMemory(base, blocks * L1_SIZE)
    return memory, TablePool(memory.write, base, blocks * L1_SIZE)


@FORMATS
def test_the_cpu_finds_what_was_set_and_nothing_beside(layout: TableFormat) -> None:
    memory, pool = made()
    space = AddressSpace(pool, layout)
    assert not space.set(0x8000, FRAME, writable=False)
    assert memory.walk(space.base, 0x8123, layout) == Found(FRAME + 0x123, False, DOMAIN_USER)
    assert memory.walk(space.base, 0x9000, layout) is None
    assert memory.walk(space.base, 0x10_8000, layout) is None
    assert space.walk(0x8123) == Translation(FRAME + 0x123, writable=False, user=True)


def test_what_changes_what_was_there_says_that_the_tlb_may_know_it() -> None:
    _, pool = made()
    space = AddressSpace(pool, TableFormat.MODERN)
    assert not space.set(0x8000, FRAME, writable=False)
    assert not space.set(0x8000, FRAME, writable=False)
    assert space.set(0x8000, FRAME, writable=True)
    assert space.clear(0x8000)
    assert not space.clear(0x8000)


def test_a_table_that_is_empty_is_free_again_and_new_ones_begin_empty() -> None:
    memory, pool = made(2)
    space = AddressSpace(pool, TableFormat.MODERN)
    space.set(0x8000, FRAME, writable=True)
    space.set(0x9000, FRAME, writable=True)
    space.clear(0x8000)
    assert len(pool.taken()) == 2
    space.clear(0x9000)
    assert pool.taken() == {space.base}
    space.set(0x70_1000, FRAME, writable=True)
    assert memory.walk(space.base, 0x8000, TableFormat.MODERN) is None
    assert memory.walk(space.base, 0x70_0000, TableFormat.MODERN) is None


def test_a_pool_that_is_empty_says_so_and_nothing_has_changed() -> None:
    memory, pool = made(2)
    space = AddressSpace(pool, TableFormat.LEGACY)
    for n in range(L1_SIZE // L2_SIZE):
        space.set(n * SECTION, FRAME, writable=True)
    before = bytes(memory.bytes)
    with pytest.raises(PoolExhausted):
        space.set(100 * SECTION, FRAME, writable=True)
    with pytest.raises(PoolExhausted):
        AddressSpace(pool, TableFormat.LEGACY)
    assert memory.bytes == before and space.walk(100 * SECTION) is None


def test_a_destroyed_space_gives_all_its_tables_back() -> None:
    _, pool = made(3)
    space = AddressSpace(pool, TableFormat.MODERN)
    space.set(0, FRAME, writable=True)
    space.set(SECTION, FRAME, writable=True)
    space.destroy()
    assert pool.taken() == set() and pool.free == 3


def test_a_pool_uses_only_whole_aligned_blocks() -> None:
    memory, pool = made(4, BASE + PAGE)
    taken = [pool.first_level() for _ in range(pool.free)]
    assert len(taken) == 3 and all(block % L1_SIZE == 0 for block in taken)
    assert taken[0] >= memory.base and taken[-1] + L1_SIZE <= memory.base + memory.size


@FORMATS
def test_the_kernels_half_is_in_each_space_in_its_own_domain(layout: TableFormat) -> None:
    memory, pool = made(6)
    kernel = KernelHalf(pool, layout)
    kernel.map(0xC000_0000, 0x4000_0000, 2 * SECTION + 3 * PAGE)
    spaces = [AddressSpace(pool, layout, kernel) for _ in range(2)]
    for space in spaces:
        for offset in (0, 0x1F_FFFC, 2 * SECTION + 2 * PAGE):
            found = Found(0x4000_0000 + offset, True, DOMAIN_KERNEL)
            assert memory.walk(space.base, 0xC000_0000 + offset, layout) == found
            assert space.walk(0xC000_0000 + offset) == Translation(found.address, writable=True, user=False)
        assert memory.walk(space.base, 0xC000_0000 + 2 * SECTION + 3 * PAGE, layout) is None
    assert len(pool.taken()) == 3, "one second-level table, and it is shared"


def test_a_space_cannot_change_the_kernels_half() -> None:
    _, pool = made()
    kernel = KernelHalf(pool, TableFormat.MODERN)
    kernel.map(0xC000_0000, 0x4000_0000, PAGE)
    space = AddressSpace(pool, TableFormat.MODERN, kernel)
    for virtual in (0xC000_0000, 0xC000_1000):
        with pytest.raises(Refused):
            space.set(virtual, FRAME, writable=True)
    assert not space.clear(0xC000_0000) and space.walk(0xC000_0000) is not None


@pytest.mark.parametrize(
    ("virtual", "physical"), [(0x8001, FRAME), (0x8000, FRAME + 4), (1 << 32, FRAME), (0, 1 << 32)]
)
def test_what_is_no_page_is_refused(virtual: int, physical: int) -> None:
    _, pool = made()
    space = AddressSpace(pool, TableFormat.MODERN)
    with pytest.raises(Refused):
        space.set(virtual, physical, writable=True)
    assert len(pool.taken()) == 1


def test_a_mebibyte_has_one_domain() -> None:
    memory, pool = made()
    space = AddressSpace(pool, TableFormat.MODERN)
    space.set(0x8000, FRAME, writable=True, user=False)
    assert memory.walk(space.base, 0x8000, TableFormat.MODERN) == Found(FRAME, True, DOMAIN_KERNEL)
    with pytest.raises(Refused):
        space.set(0x9000, FRAME, writable=True)
    space.set(SECTION, FRAME, writable=True)


def test_the_halfs_tables_go_back_too() -> None:
    _, pool = made()
    kernel = KernelHalf(pool, TableFormat.LEGACY)
    kernel.map(0xC000_1000, 0x4000_1000, PAGE)
    kernel.destroy()
    assert pool.taken() == set() and kernel.walk(0xC000_1000) is None


def test_pages_lists_what_is_the_spaces_own() -> None:
    _, pool = made()
    kernel = KernelHalf(pool, TableFormat.MODERN)
    kernel.map(0xC000_0000, 0x4000_0000, PAGE)
    space = AddressSpace(pool, TableFormat.MODERN, kernel)
    space.set(SECTION, FRAME, writable=True)
    space.set(0x8000, FRAME, writable=False)
    assert [virtual for virtual, _ in space.pages()] == [0x8000, SECTION]
