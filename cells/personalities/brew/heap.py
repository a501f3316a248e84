"""The heap of a module: MALLOC and FREE. Where blocks are stands here and not in the module's memory.

    heap = Heap(0x0100_0000, 1 << 20)
    address = heap.take(100)
    heap.give(address)

Theory: first fit over gaps that are joined when they meet. A module that writes past a block destroys its own data and no
account of ours.
"""

from __future__ import annotations

from bisect import insort

GRAIN = 8
"""Bytes: what AAPCS aligns a double word to."""
BLOCKS = 1024
"""Blocks of one heap."""


class Heap:
    """`size` bytes from `base` on."""

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self._gaps = [(base, base + size)]
        self.blocks: dict[int, int] = {}
        """Sizes by address."""
        self.used = 0

    def take(self, size: int) -> int:
        """The address of a block, 0 if there is none."""
        size = max(size + GRAIN - 1 & -GRAIN, GRAIN)
        if len(self.blocks) >= BLOCKS:
            return 0
        for index, (start, end) in enumerate(self._gaps):
            if end - start >= size:
                self._gaps[index : index + 1] = [(start + size, end)] if end - start > size else []
                self.blocks[start] = size
                self.used += size
                return start
        return 0

    def give(self, address: int) -> bool:
        """The block is free again; False if there is none at this address."""
        size = self.blocks.pop(address, 0)
        if not size:
            return False
        self.used -= size
        insort(self._gaps, (address, address + size))
        index = self._gaps.index((address, address + size))
        for left in (index, index - 1):  # with the gap behind, then with the one before
            if 0 <= left < len(self._gaps) - 1 and self._gaps[left][1] == self._gaps[left + 1][0]:
                self._gaps[left : left + 2] = [(self._gaps[left][0], self._gaps[left + 1][1])]
        return True

    @property
    def largest(self) -> int:
        """Bytes of the largest gap."""
        return max((end - start for start, end in self._gaps), default=0)
