"""Counted references of BREW objects against a dictionary: what is held, what is gone, what is left at the end."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from cells.personalities.brew.graphics import Graphics
from cells.personalities.brew.heap import Heap
from cells.personalities.brew.object import SLOT, Object, Objects
from cells.personalities.brew.shell import Shell

HEAP_BASE, HEAP_SIZE = 0x1000, 4096


class References(RuleBasedStateMachine):
    """A module that creates, adds and releases in any order; its heap beside it."""

    objects_held = Bundle("objects_held")
    blocks = Bundle("blocks")

    def __init__(self) -> None:
        super().__init__()
        self.visible: dict[int, Object] = {}
        self.objects = Objects(SLOT, lambda new: self.visible.update({new.address: new}), self.visible.pop)
        self.module: Any = SimpleNamespace(objects=self.objects)
        self.counts: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.heap = Heap(HEAP_BASE, HEAP_SIZE)
        self.taken: dict[int, int] = {}

    @rule(target=objects_held, kind=st.sampled_from([Graphics, Shell]))
    def create(self, kind: type[Object]) -> Object:
        new = self.objects.add(kind(self.module))
        assert new.address not in self.counts
        self.counts[new.address], self.names[new.address] = 1, kind.NAME
        return new

    @rule(held=objects_held)
    def add(self, held: Object) -> None:
        if self.objects.get(held.address) is held:
            self.counts[held.address] += 1
            assert held.add_ref() == self.counts[held.address]

    @rule(held=objects_held)
    def release(self, held: Object) -> None:
        if self.objects.get(held.address) is not held:
            return
        self.counts[held.address] -= 1
        assert held.release() == self.counts[held.address]
        if not self.counts[held.address]:
            del self.counts[held.address]

    @rule(target=blocks, size=st.integers(0, 1500))
    def take(self, size: int) -> int:
        address = self.heap.take(size)
        if address:
            assert all(address + size <= at or at + length <= address for at, length in self.taken.items())
            assert address >= HEAP_BASE and address + size <= HEAP_BASE + HEAP_SIZE
            self.taken[address] = max(size, 1)
        return address

    @rule(address=consumes(blocks))
    def give(self, address: int) -> None:
        assert self.heap.give(address) == (self.taken.pop(address, 0) > 0)
        assert not self.heap.give(address)

    @invariant()
    def what_is_held_is_what_is_visible(self) -> None:
        assert self.visible.keys() == self.counts.keys()
        assert len(self.objects) == len(self.counts)

    @invariant()
    def an_empty_heap_is_whole(self) -> None:
        if not self.taken:
            assert (self.heap.largest, self.heap.used) == (HEAP_SIZE, 0)

    def teardown(self) -> None:
        expected: Counter[str] = Counter()
        for address, count in self.counts.items():
            expected[self.names[address]] += count
        assert self.objects.clear() == expected
        assert not self.visible
        assert len(self.objects) == 0


TestReferences = References.TestCase
