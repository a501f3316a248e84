"""The heap of a module: blocks are apart, aligned and as large as they were asked for, and gaps meet again."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cells.personalities.brew.heap import BLOCKS, GRAIN, Heap

BASE, SIZE = 0x0100_0000, 4096


@given(st.lists(st.one_of(st.integers(0, 600), st.integers(0, 30).map(lambda at: -1 - at)), max_size=60))
def test_blocks_are_apart_and_nothing_is_lost(steps: list[int]) -> None:
    heap, blocks = Heap(BASE, SIZE), dict[int, int]()
    for step in steps:
        if step >= 0:
            largest = heap.largest
            address = heap.take(step)
            assert bool(address) == (max(step, 1) <= largest)
            if address:
                assert address % GRAIN == 0
                blocks[address] = max(step, 1)
        elif blocks:
            address = sorted(blocks)[step % len(blocks)]
            del blocks[address]
            assert heap.give(address)
            assert not heap.give(address), "once"
        ends = [(address, address + size) for address, size in sorted(blocks.items())]
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
        assert all(start >= BASE and end <= BASE + SIZE for start, end in ends)
        assert heap.used == sum(-(-size // GRAIN) * GRAIN for size in blocks.values())
    for address in blocks:
        heap.give(address)
    assert (heap.largest, heap.used) == (SIZE, 0)


def test_a_heap_has_no_more_than_so_many_blocks() -> None:
    heap = Heap(BASE, 1 << 20)
    assert all(heap.take(1) for _ in range(BLOCKS))
    assert heap.take(1) == 0
    assert heap.give(BASE)
    assert heap.take(1) == BASE


def test_only_a_blocks_beginning_is_a_block() -> None:
    heap = Heap(BASE, SIZE)
    address = heap.take(16)
    assert not heap.give(address + GRAIN)
    assert not heap.give(0)
    assert heap.blocks == {address: 16}
