"""The virtual MMU: the guest's own page tables, walked when the virtual TLB misses, and that TLB, a set of real page tables.

```python
mmu = VirtualMmu(frames, pool, TableFormat.MODERN, kernel, entries=64)
mmu.enter(root)                       # an address space, by the root of the guest's table; mmu.base is what the CPU gets
found = mmu.resolve(0x8000)           # after an abort there: filled from the guest's table; None: it has no such page
mmu.forget_page(root, 0x8000)         # the guest says FLUSH
```

Theory (the survey, IV): "a virtual TLB that is larger than the real TLB, implemented as a page table and traversed by the
microkernel in case of a page fault". Each address space of the guest that ran lately has real tables, with what was found in
its own so far; the CPU walks these by itself, so that a hit costs nothing and nobody learns of it. Therefore the virtual TLB
cannot know which entry was used last: when it is full, or the tables' pool is empty, the entry goes that came first. Of
address spaces the monitor sees each use, and the one goes that ran longest ago. What was evicted is found again at the next
miss: the size changes how often that happens, and never what a process sees.

A guest's table is plain memory and may say anything. An entry counts only if it names memory of the guest: its RAM below what
is reserved, or pages of others that are mapped in its window, written only if the guest itself may. Everything is looked at
anew at each miss, nothing of it is remembered but the real entry.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hypervisor.abi.okl4_door import ROOT_SIZE, USER_END
from hypervisor.abi.pv import L2_SIZE, PAGE, SECTION, Pte, TableFormat
from hypervisor.abi.status import Status
from hypervisor.core.errors import InvariantBroken, require
from hypervisor.core.spaces import AddressSpace, KernelHalf, PoolExhausted, TablePool

SPACES = 15
"""Address spaces that are kept at once: as many as an ARMv5 CPU can tell apart by domains."""
LEAST = 4
"""Translations that one instruction can need (two pages of its own, two of data): with fewer it would never end."""
UNBOUNDED = 1 << 20
"""For `entries` of 0: the pool is the only bound."""
FLAGS = int(Pte.PRESENT | Pte.WRITE | Pte.USER)
_TABLE_BLOCKS = 4
"""16 KiB each, for second-level tables: 64, of which a process has some four."""
BLOCKS = SPACES + 2 + _TABLE_BLOCKS
"""The spaces, the kernel's own, and its half's second-level tables beside."""


class Frames(Protocol):
    """The guest's memory, by physical address."""

    def holds(self, address: int, size: int) -> bool:
        """Whether that is RAM of the guest, and not reserved."""
        ...

    def word(self, address: int) -> int:
        """A word of RAM. Requires: it is held."""
        ...

    def may_map(self, page: int, *, writable: bool) -> bool:
        """Whether the guest has this page, RAM or window, with this right."""
        ...


class Page(NamedTuple):
    """What the guest's own table says of a page."""

    physical: int
    writable: bool


class Fill(NamedTuple):
    """What `resolve` did. `evicted`: (root, virtual page) of each entry that made room."""

    page: Page
    evicted: tuple[tuple[int, int], ...] = ()


class VirtualMmu:
    """The address spaces of one guest. `stale`: the real TLB may know what is no more; who lets the CPU go on flushes it."""

    def __init__(
        self,
        frames: Frames,
        pool: TablePool,
        layout: TableFormat,
        kernel: KernelHalf,
        entries: int,
        spaces: int = SPACES,
    ) -> None:
        self._frames, self._pool, self._format, self._kernel = frames, pool, layout, kernel
        self._limit, self._most_spaces = max(entries or UNBOUNDED, LEAST), spaces
        self._own = AddressSpace(pool, layout, kernel)
        self._spaces: dict[int, AddressSpace] = {}
        """By root; the one that ran last at the end."""
        self._entries: dict[tuple[int, int], Page] = {}
        """The virtual TLB, by root and virtual page; the oldest first."""
        self.current: int | None = None
        self.stale = False

    @property
    def base(self) -> int:
        """For the CPU: of the space entered last, or of one with the kernel's half alone."""
        return self._own.base if self.current is None else self._spaces[self.current].base

    def __len__(self) -> int:
        return len(self._entries)

    # ---- spaces

    def enter(self, root: int) -> tuple[int, ...]:
        """The space is the current one. The roots of those that made room.

        Raises:
            Refused: no table can lie there.
        """
        fits = root % PAGE == 0 and self._frames.holds(root, ROOT_SIZE)
        require(fits, Status.BAD_ARGUMENT, f"no page table can lie at {root:#x}")
        gone: list[int] = []
        if root not in self._spaces:
            self.current = None
            while len(self._spaces) >= self._most_spaces:
                gone.append(self._forget_oldest_space())
            self._spaces[root] = self._new_space(gone)
        self._spaces[root] = self._spaces.pop(root)
        self.current = root
        return tuple(gone)

    def forget_space(self, root: int) -> bool:
        """Of this space nothing is known any more; whether there was anything."""
        space = self._spaces.pop(root, None)
        if space is None:
            return False
        for virtual, _ in space.pages():
            del self._entries[root, virtual]
        space.destroy()
        self.stale = True
        if self.current == root:
            self.current = None
        return True

    def _new_space(self, gone: list[int]) -> AddressSpace:
        while True:
            try:
                return AddressSpace(self._pool, self._format, self._kernel)
            except PoolExhausted:
                gone.append(self._forget_oldest_space())

    def _forget_oldest_space(self) -> int:
        if not self._spaces:
            raise InvariantBroken("vmmu: the pool is empty, and no space has anything of it")
        root = next(iter(self._spaces))
        self.forget_space(root)
        return root

    # ---- entries

    def resolve(self, virtual: int) -> Fill | None:
        """A process of the current space aborted there: fill the virtual TLB from the guest's table.

        None: the table has no such page, or the entry was there already and something else is wrong.
        Raises:
            Refused: the table names what the guest has not got. Nothing has changed.
        """
        root, virtual = self.current, virtual & -PAGE
        page = self.walk(root, virtual) if root is not None else None
        if root is None or page is None or self._entries.get((root, virtual)) == page:
            return None
        return Fill(page, self._insert(root, virtual, page))

    def forget_page(self, root: int, virtual: int) -> bool:
        """Of this page nothing is known any more; whether there was anything."""
        known = self._entries.pop((root, virtual & -PAGE), None) is not None
        if known:
            self._spaces[root].clear(virtual & -PAGE)
            self.stale = True
        return known

    def walk(self, root: int, virtual: int) -> Page | None:
        """What the guest's own table says of a page now. Requires: `root` was entered.

        Raises:
            Refused: what it says cannot be.
        """
        if virtual >= USER_END or virtual // SECTION in self._kernel.words:
            return None
        upper = self._frames.word(root + virtual // SECTION * 4)
        if not upper & Pte.PRESENT:
            return None
        table = upper & -L2_SIZE
        sound = not upper % L2_SIZE & ~FLAGS and self._frames.holds(table, L2_SIZE)
        require(sound, Status.DENIED, f"entry {upper:#x} for {virtual:#x} names no table of the guest's")
        lower = self._frames.word(table + virtual % SECTION // PAGE * 4)
        if not lower & Pte.PRESENT:
            return None
        page = Page(lower & -PAGE, bool(lower & Pte.WRITE))
        sound = not lower % PAGE & ~FLAGS and self._frames.may_map(page.physical, writable=page.writable)
        require(sound, Status.DENIED, f"entry {lower:#x} for {virtual:#x} names no page of the guest's")
        return page

    def _insert(self, root: int, virtual: int, page: Page) -> tuple[tuple[int, int], ...]:
        evicted: list[tuple[int, int]] = []
        if (root, virtual) not in self._entries:
            while len(self._entries) >= self._limit:
                evicted.append(self._evict())
        while True:
            try:
                self.stale |= self._spaces[root].set(virtual, page.physical, writable=page.writable)
            except PoolExhausted:
                evicted.append(self._evict())
            else:
                self._entries[root, virtual] = page
                return tuple(evicted)

    def _evict(self) -> tuple[int, int]:
        if not self._entries:
            raise InvariantBroken("vmmu: the pool is empty, and no entry has anything of it")
        root, virtual = next(iter(self._entries))
        self.forget_page(root, virtual)
        return root, virtual

    # ---- questions

    def problems(self) -> list[str]:
        """What contradicts itself: entries and real tables, their number, the pool, what they lead to."""
        real = {
            (root, virtual): Page(found.address, found.writable)
            for root, space in self._spaces.items()
            for virtual, found in space.pages()
        }
        problems = []
        if real != self._entries:
            problems.append(f"vmmu: the tables hold {real}, known are {self._entries}")
        if len(self._entries) > self._limit or len(self._spaces) > self._most_spaces:
            problems.append(f"vmmu: {len(self._entries)} entries in {len(self._spaces)} spaces are too many")
        if self.current is not None and self.current not in self._spaces:
            problems.append(f"vmmu: {self.current:#x} is entered and no space")
        used = {table for part in (self._kernel, self._own, *self._spaces.values()) for table in part.tables()}
        if used != self._pool.taken():
            problems.append(
                f"vmmu: tables {sorted(used)} are in use, of the pool are taken {sorted(self._pool.taken())}"
            )
        return problems
