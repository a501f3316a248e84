"""The cell's RAM: frames of 4 KiB with a count of users, and behind them room for page tables.

    frames = Frames(ram, base, first, end)          # physical; what lies below `first` is not ours
    page = frames.take()                            # zeroed, one user
    frames.view(page)[:5] = b"hello"
    frames.release(page)

Theory: a frame is shared by a fork until somebody writes (copy on write), and by all who map the same page of a file. Whoever
holds a frame is one user; the last one who releases it gives it back. Page tables are words in RAM that the CPU walks: 16 KiB
for a first level, 1 KiB for a second one (hypervisor/abi/descriptors.py), from a fixed part of RAM, so that programs cannot
use up what the kernel needs to end them.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

from hypervisor.abi.pv import L1_SIZE, L2_SIZE, PAGE

TABLES_SHARE = 12
"""One part in this many of RAM is for page tables: assumed; two hundred small processes in 64 MiB."""
EMPTY = bytes(PAGE)


class OutOfMemory(MemoryError):  # noqa: N818  the cell's, not the host's
    """No frame is left, or no room for a table."""


class Frames:
    """Frames from `first` to `end`. `reclaim`: asked for frames when none is left; says whether it gave any back."""

    def __init__(self, ram: mmap.mmap | bytearray, base: int, first: int, end: int) -> None:
        self.base, self.end = base, end
        self.memory = memoryview(ram)
        self._users: dict[int, int] = {}
        self._free = list(range(end - PAGE, first - 1, -PAGE))
        self._dirty: set[int] = set()
        """Frames that have been in use: new ones are zero already."""
        self._adopted: dict[int, memoryview] = {}
        self.total = len(self._free)
        self.reclaim: Callable[[], bool] = lambda: False
        self.written: Callable[[int, int], object] = lambda _address, _size: None
        """Told of memory that is filled here and not by the CPU: it may have known code in it."""

    @property
    def free(self) -> int:
        """Frames that nobody uses."""
        return len(self._free)

    def take(self) -> int:
        """A zeroed frame with one user.

        Raises:
            OutOfMemory: none is left.
        """
        page = self.take_any()
        if page in self._dirty:
            self.fill(page, EMPTY)
        return page

    def take_any(self) -> int:
        """A frame with one user, who fills it at once. Raises as `take`."""
        if not self._free and not self.reclaim():
            raise OutOfMemory("no frame is left")
        page = self._free.pop()
        self._users[page] = 1
        return page

    def fill(self, page: int, data: bytes | memoryview) -> None:
        """The frame's content from now on. Requires: at most a page; the rest stays."""
        at = page - self.base
        self.memory[at : at + len(data)] = data
        self._dirty.add(page)
        self.written(page, PAGE)

    def share(self, page: int) -> int:
        """One user more; the frame."""
        self._users[page] += 1
        return page

    def release(self, page: int) -> None:
        """One user less."""
        users = self._users[page] - 1
        if users:
            self._users[page] = users
        else:
            del self._users[page]
            self._dirty.add(page)
            self._free.append(page)

    def users(self, page: int) -> int:
        """How many hold it."""
        return self._users.get(page, 0)

    def adopt(self, page: int, view: memoryview) -> None:
        """A page that is not ours to give out, with its 4096 bytes: of a device, or of another cell. It has one user for ever."""
        self._adopted[page] = view
        self._users.setdefault(page, 1)

    def view(self, page: int) -> memoryview:
        """Its 4096 bytes."""
        if page in self._adopted:
            return self._adopted[page]
        at = page - self.base
        return self.memory[at : at + PAGE]


class Tables:
    """Room for page tables, in `memory` from `first` to `end` (physical; `base` is where memory begins)."""

    def __init__(self, memory: memoryview, base: int, first: int, end: int) -> None:
        self._memory, self._base = memory, base
        self.words = memory.cast("I")
        """All of RAM in words: index = (physical - base) / 4."""
        self._blocks = list(range(end - L1_SIZE, -(-first // L1_SIZE) * L1_SIZE - 1, -L1_SIZE))
        self._small: list[int] = []
        self._used: dict[int, int] = {}
        """Second-level tables in use, by the block of 16 KiB."""

    @property
    def free(self) -> int:
        """Blocks of 16 KiB that nobody uses."""
        return len(self._blocks)

    def first_level(self) -> int:
        """A zeroed table of 4096 words.

        Raises:
            OutOfMemory: no room.
        """
        return self._clear(self._block(), L1_SIZE)

    def second_level(self) -> int:
        """A zeroed table of 256 words. Raises as `first_level`."""
        if not self._small:
            block = self._block()
            self._small.extend(range(block + L1_SIZE - L2_SIZE, block - 1, -L2_SIZE))
            self._used[block] = 0
        table = self._small.pop()
        self._used[table & -L1_SIZE] += 1
        return self._clear(table, L2_SIZE)

    def release(self, table: int) -> None:
        """A table of either kind is not in use any more."""
        block = table & -L1_SIZE
        if block not in self._used:
            self._blocks.append(block)
            return
        self._small.append(table)
        self._used[block] -= 1
        if not self._used[block]:
            del self._used[block]
            self._small = [other for other in self._small if other & -L1_SIZE != block]
            self._blocks.append(block)

    def index(self, physical: int) -> int:
        """Where a word lies in `words`."""
        return (physical - self._base) >> 2

    def _block(self) -> int:
        if not self._blocks:
            raise OutOfMemory("no room for a page table")
        return self._blocks.pop()

    def _clear(self, table: int, size: int) -> int:
        at = table - self._base
        self._memory[at : at + size] = bytes(size)
        return table


def divide(ram: mmap.mmap | bytearray, base: int, size: int, first: int) -> tuple[Frames, Tables]:
    """All of a cell's RAM from `first` on: frames, and tables at its end."""
    end = base + size
    border = (end - max(size // TABLES_SHARE, 4 * L1_SIZE)) & -L1_SIZE
    frames = Frames(ram, base, first, border)
    return frames, Tables(frames.memory, base, border, end)
