"""Address spaces whose tables the monitor keeps: real page tables of the CPU, in RAM of the cell that only the monitor writes.

```python
pool = TablePool(write, base, size)                    # `write(address, data)` reaches the cell's memory
kernel = KernelHalf(pool, TableFormat.MODERN)
kernel.map(0xC000_0000, ram_base, ram_size)            # before the first space; every one that shares it has it
space = AddressSpace(pool, TableFormat.MODERN, kernel)
stale = space.set(0x8000, physical, writable=True)     # whether the TLB may know something else
space.base                                             # for the CPU's translation table base register
```

Theory (DDI 0100I, B4.7; DDI 0406C, B3.5): a first-level table of 4096 words describes a mebibyte each: by a second-level table of
256 pages, or as a section. A word of the first level carries a domain, and the domain access register says which domains
may be entered now. So the kernel's half may be present in each space, and yet be reachable only while the kernel runs: the
monitor changes one register and no table. Tables come from a pool of fixed size; when it is empty, `PoolExhausted` says so
before anything has changed, and the caller decides what to give up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from hypervisor.abi.descriptors import page_descriptor, section_descriptor, table_descriptor
from hypervisor.abi.pv import L1_SIZE, L2_SIZE, PAGE, SECTION, TableFormat
from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused

ADDRESSES = 1 << 32
PAGES_PER_TABLE = SECTION // PAGE


class PoolExhausted(Refused):
    """No table is free. Nothing has changed."""

    def __init__(self, what: str) -> None:
        super().__init__(Status.NO_ROOM, f"no room for {what}")


class Translation(NamedTuple):
    """Where a virtual address leads."""

    address: int
    writable: bool
    user: bool


def _never() -> bool:
    """No pool passes for empty."""
    return False


class TablePool:
    """RAM for tables: blocks of 16 KiB, each a first-level table, or cut into second-level ones. Lowest first.

    `write(physical address, bytes)` changes the cell's memory.
    """

    def __init__(self, write: Callable[[int, bytes], None], base: int, size: int) -> None:
        self.write = write
        first = -(-base // L1_SIZE) * L1_SIZE
        self._free = list(range(first, base + size - L1_SIZE + 1, L1_SIZE))
        self._cut: dict[int, set[int]] = {}
        """Blocks cut into second-level tables -> those of them that are in use."""
        self._whole: set[int] = set()
        self.starved: Callable[[], bool] = _never
        """Whether it is to pass for empty, by an injected fault."""

    @property
    def free(self) -> int:
        """Blocks that nobody uses."""
        return len(self._free)

    def first_level(self) -> int:
        """Take 16 KiB; their content is the taker's to write.

        Raises:
            PoolExhausted: there are none.
        """
        block = self._take("a first-level table")
        self._whole.add(block)
        return block

    def second_level(self) -> int:
        """Take 1 KiB; their content is the taker's to write.

        Raises:
            PoolExhausted: there is none.
        """
        for block in sorted(self._cut):
            for table in range(block, block + L1_SIZE, L2_SIZE):
                if table not in self._cut[block]:
                    self._cut[block].add(table)
                    return table
        block = self._take("a second-level table")
        self._cut[block] = {block}
        return block

    def give_back(self, table: int) -> None:
        """A table of either kind is in use no more. Requires: it was taken here."""
        block = table & -L1_SIZE
        if block in self._whole:
            self._whole.remove(block)
        else:
            self._cut[block].remove(table)
            if self._cut[block]:
                return
            del self._cut[block]
        self._free.append(block)
        self._free.sort()

    def taken(self) -> set[int]:
        """All tables in use."""
        return self._whole.union(*self._cut.values())

    def _take(self, what: str) -> int:
        if not self._free or self.starved():
            raise PoolExhausted(what)
        return self._free.pop(0)


@dataclass(slots=True)
class _Table:
    """A second-level table: its address, whether its domain is the user's, what it holds by index."""

    address: int
    user: bool
    pages: dict[int, tuple[int, bool]] = field(default_factory=dict)


class _Tables(ABC):
    """Second-level tables by mebibyte, and the words of the first level that lead to them."""

    def __init__(self, pool: TablePool, layout: TableFormat) -> None:
        self._pool, self._format = pool, layout
        self._tables: dict[int, _Table] = {}

    def _enter(self, virtual: int, physical: int, writable: bool, user: bool) -> bool:
        """One page; whether there was another. Requires: whole pages."""
        slot, index = divmod(virtual // PAGE, PAGES_PER_TABLE)
        table = self._tables.get(slot) or self._new_table(slot, user)
        if table.user != user:
            raise Refused(Status.BAD_ARGUMENT, f"{virtual:#x} lies beside pages of the other domain")
        before = table.pages.get(index)
        if before != (physical, writable):
            self._pool.write(table.address + 4 * index, _word(page_descriptor(self._format, physical, writable)))
            table.pages[index] = (physical, writable)
        return before not in (None, (physical, writable))

    def _leave(self, virtual: int) -> bool:
        """Take a page out; whether there was one."""
        slot, index = divmod(virtual // PAGE, PAGES_PER_TABLE)
        table = self._tables.get(slot)
        if table is None or table.pages.pop(index, None) is None:
            return False
        self._pool.write(table.address + 4 * index, _word(0))
        if not table.pages:
            self._write_slot(slot, 0)
            self._pool.give_back(self._tables.pop(slot).address)
        return True

    def _new_table(self, slot: int, user: bool) -> _Table:
        table = _Table(self._pool.second_level(), user)
        self._pool.write(table.address, bytes(L2_SIZE))
        self._write_slot(slot, table_descriptor(self._format, table.address, user))
        self._tables[slot] = table
        return table

    @abstractmethod
    def _write_slot(self, slot: int, word: int) -> None:
        """Change a word of the first level."""

    def _look(self, virtual: int) -> Translation | None:
        slot, index = divmod(virtual // PAGE, PAGES_PER_TABLE)
        table = self._tables.get(slot)
        if table is None or index not in table.pages:
            return None
        physical, writable = table.pages[index]
        return Translation(physical | virtual % PAGE, writable, table.user)

    def tables(self) -> Set[int]:
        """Addresses of all tables that were taken from the pool."""
        return {table.address for table in self._tables.values()}

    def _give_back_tables(self) -> None:
        for table in self._tables.values():
            self._pool.give_back(table.address)
        self._tables.clear()


class KernelHalf(_Tables):
    """What all address spaces of a guest have alike, in the kernel's domain: made once, before the first of them."""

    def __init__(self, pool: TablePool, layout: TableFormat) -> None:
        super().__init__(pool, layout)
        self.words: dict[int, int] = {}
        """Words of the first level by index; whoever makes a space puts them there."""
        self._sections: dict[int, int] = {}

    def map(self, virtual: int, physical: int, size: int, *, writable: bool = True) -> None:
        """A stretch of whole pages: sections where they fit, pages elsewhere.

        Raises:
            PoolExhausted: in the middle: throw the half away.
        """
        end = virtual + size
        while virtual < end:
            whole = virtual % SECTION == physical % SECTION == 0 and end - virtual >= SECTION and writable
            step = SECTION if whole else PAGE
            if whole:
                self._sections[virtual // SECTION] = physical
                self.words[virtual // SECTION] = section_descriptor(self._format, physical, writable, user=False)
            else:
                self._enter(virtual, physical, writable, user=False)
            virtual, physical = virtual + step, physical + step

    def walk(self, virtual: int) -> Translation | None:
        """Where a virtual address leads; None: nowhere."""
        section = self._sections.get(virtual // SECTION)
        if section is not None:
            return Translation(section | virtual % SECTION, writable=True, user=False)
        return self._look(virtual)

    def destroy(self) -> None:
        """Its tables are free. Requires: no space has it any more."""
        self._give_back_tables()
        self.words.clear()
        self._sections.clear()

    def _write_slot(self, slot: int, word: int) -> None:
        self.words[slot] = word


class AddressSpace(_Tables):
    """One address space, and with `kernel` that half as well, which cannot be changed here.

    Raises:
        PoolExhausted: no first-level table is free.
    """

    def __init__(self, pool: TablePool, layout: TableFormat, kernel: KernelHalf | None = None) -> None:
        super().__init__(pool, layout)
        self._kernel = kernel
        self.base = pool.first_level()
        """Physical address of the first-level table."""
        words = bytearray(L1_SIZE)
        for slot, word in kernel.words.items() if kernel else ():
            words[4 * slot : 4 * slot + 4] = _word(word)
        pool.write(self.base, bytes(words))

    def set(self, virtual: int, physical: int, *, writable: bool, user: bool = True) -> bool:
        """Map a page, instead of what was there. True: there was something else, and the TLB may know it.

        Raises:
            PoolExhausted: nothing has changed. Refused: not two pages, of the kernel's half, or beside pages of the other
            domain (a domain is a mebibyte's).
        """
        odd = virtual % PAGE or physical % PAGE or not 0 <= virtual < ADDRESSES or not 0 <= physical < ADDRESSES
        if odd or (self._kernel and virtual // SECTION in self._kernel.words):
            raise Refused(Status.BAD_ARGUMENT, f"no page of this space: {virtual:#x} to {physical:#x}")
        return self._enter(virtual, physical, writable, user)

    def clear(self, virtual: int) -> bool:
        """Unmap the page of an address. True: there was one, and the TLB may know it."""
        return self._leave(virtual)

    def walk(self, virtual: int) -> Translation | None:
        """Where a virtual address leads, the kernel's half included; None: nowhere."""
        found = self._look(virtual)
        return self._kernel.walk(virtual) if found is None and self._kernel else found

    def tables(self) -> Set[int]:
        """The first-level table, and those that belong to this space alone."""
        return super().tables() | {self.base}

    def pages(self) -> Iterator[tuple[int, Translation]]:
        """What is mapped in this space alone: virtual page, translation. By address."""
        for slot in sorted(self._tables):
            for index in sorted(self._tables[slot].pages):
                virtual = (slot * PAGES_PER_TABLE + index) * PAGE
                physical, writable = self._tables[slot].pages[index]
                yield virtual, Translation(physical, writable, self._tables[slot].user)

    def destroy(self) -> None:
        """Its tables are free; whoever lets the CPU go on uses another base and flushes the TLB. Nothing may follow."""
        self._give_back_tables()
        self._pool.give_back(self.base)

    def _write_slot(self, slot: int, word: int) -> None:
        self._pool.write(self.base + 4 * slot, _word(word))


def _word(value: int) -> bytes:
    return value.to_bytes(4, "little")
