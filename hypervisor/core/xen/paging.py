"""Direct paging: a guest's page tables are the CPU's own, in the guest's memory, and only the monitor writes them.

```python
tables = PageTables(frames, TableFormat.MODERN)
tables.pin(1, l1); tables.pin(2, l2)
tables.update(l2 + 4 * 5, page | Pte.PRESENT | Pte.WRITE)      # raises XenError, and then nothing has changed
tables.update(l1 + 4 * (virtual >> 20), l2 | Pte.PRESENT)
tables.new_base(l1)
```

Theory (Xen): each frame has at most one type at a time, L1, L2 or WRITABLE, counted by how many use it as such: mappings that
let it be written, entries that lead to it, pins. A type can change only while its count is zero. So a table is never
writable, and what can be written is never a table; from this all safety follows. A frame is named only if it is the guest's
own, or was granted to it and lies in its window. Tables are empty when they get their type, and are emptied when they lose
it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from hypervisor.abi.pv import (
    DOMAIN_KERNEL,
    DOMAIN_USER,
    L1_PAGES,
    L1_SIZE,
    L2_SIZE,
    PAGE,
    SECTION,
    VMM_BASE,
    Pte,
    TableFormat,
)
from hypervisor.abi.xen import Errno
from hypervisor.core.xen.errors import XenError

PRESENT, WRITE, USER = int(Pte.PRESENT), int(Pte.WRITE), int(Pte.USER)
FLAGS = PRESENT | WRITE | USER
CACHED = 0xC
SMALL_PAGE, COARSE_TABLE, BIT_4 = 0b10, 0b01, 0x10
RIGHTS = {
    (TableFormat.LEGACY, True): 0xFF0,
    (TableFormat.LEGACY, False): 0xAA0,
    (TableFormat.MODERN, True): 0x030,
    (TableFormat.MODERN, False): 0x020,
}
"""AP bits of a small page that user mode may read, and write if so (LEGACY: four subpages alike)."""


class FrameType(IntEnum):
    """What a frame is used as. NONE: as nothing that matters; it may be mapped for reading all the same."""

    NONE = 0
    L1 = 1
    L2 = 2
    WRITABLE = 3


class Frames(Protocol):
    """The guest's memory, as far as paging has to know. Addresses are guest physical."""

    def is_own(self, address: int) -> bool:
        """Whether a page is of the guest's own RAM."""
        ...

    def is_shared(self, address: int) -> bool:
        """Whether others have one of its own pages mapped, or the hypervisor writes to it."""
        ...

    def was_granted(self, address: int, *, writable: bool) -> bool:
        """Whether a page of the window is there, with this right."""
        ...

    def is_empty(self, address: int) -> bool:
        """Whether a page holds zeros only."""
        ...

    def store(self, address: int, word: int) -> None:
        """Write a word of a table."""
        ...

    def clear(self, address: int) -> None:
        """Empty a page."""
        ...


@dataclass(slots=True)
class Frame:
    """A frame in use. `references`: everything that leads to it; `uses`: those as its type; `entries`: of a table, by index."""

    type: FrameType = FrameType.NONE
    uses: int = 0
    references: int = 0
    pinned: FrameType = FrameType.NONE
    entries: dict[int, int] = field(default_factory=dict)


class Translation(NamedTuple):
    """Where a virtual address leads."""

    address: int
    writable: bool
    user: bool


class PageTables:
    """All tables of a domain. Methods raise `XenError`, and then nothing has changed."""

    def __init__(self, frames: Frames, layout: TableFormat) -> None:
        self._memory = frames
        self._format = layout
        self.frames: dict[int, Frame] = {}
        self.base: int | None = None
        self.stale = False
        """The TLB may know translations that are no more; whoever lets the CPU go on flushes it, and says so here."""
        self._user_pages: int | None = None
        self._tables: set[int] = set()

    # ---- what a guest asks for

    def pin(self, level: int, address: int) -> None:
        """Make pages a table and keep them one: L1 is 16 KiB at such a border, L2 a page of four tables of 1 KiB."""
        kind = FrameType(level)
        pages = self._table_pages(kind, address)
        if self._frame(pages[0]).pinned is not FrameType.NONE:
            raise XenError(Errno.EBUSY, f"{address:#x} is pinned")
        self._acquire_all(pages, kind)
        self.frames[pages[0]].pinned = kind

    def unpin(self, address: int) -> None:
        """Let go of a pin: what nothing else uses as a table is an ordinary page again."""
        frame = self.frames.get(address)
        if frame is None or frame.pinned is FrameType.NONE:
            raise XenError(Errno.EINVAL, f"{address:#x} is not pinned")
        pages = self._table_pages(frame.pinned, address)
        kind, frame.pinned = frame.pinned, FrameType.NONE
        self._user_pages = None
        for page in pages:
            self._release(page, kind)

    def new_base(self, address: int) -> None:
        """The address space that the CPU uses from now on."""
        frame = self.frames.get(address)
        if frame is None or frame.type is not FrameType.L1 or address % L1_SIZE:
            raise XenError(Errno.EINVAL, f"{address:#x} is no first-level table")
        self._acquire_all(self._table_pages(FrameType.L1, address), FrameType.L1)
        before, self.base, self.stale = self.base, address, True
        self._user_pages = None
        self._leave(before)

    def update(self, at: int, value: int) -> None:
        """Change one entry."""
        page, place = at & -PAGE, at % PAGE
        frame = self.frames.get(page)
        if at % 4:
            raise XenError(Errno.ENOSYS, f"no update of kind {at & 3}")
        if frame is None or frame.type not in (FrameType.L1, FrameType.L2):
            raise XenError(Errno.EINVAL, f"{at:#x} is in no page table")
        entry = int(value) if value & PRESENT else 0
        if frame.type is FrameType.L1:
            self._check_slot(page, place // 4)
        self._acquire_target(frame.type, entry)
        self._user_pages = None
        before = frame.entries.pop(place // 4, 0)
        if entry:
            frame.entries[place // 4] = entry
        self._memory.store(at, self._descriptor(frame.type, entry))
        self.stale |= bool(before)
        self._release_target(frame.type, before)

    def clear(self) -> None:
        """The domain is gone or begins anew: no base, no pins, and so no tables."""
        before, self.base = self.base, None
        self._leave(before)
        for page in [page for page, frame in self.frames.items() if frame.pinned is not FrameType.NONE]:
            self.unpin(page)

    # ---- questions

    def is_table(self, address: int) -> bool:
        """Whether the page of an address is (part of) a page table: nobody but the monitor may write it."""
        return address & -PAGE in self._tables

    def table_pages(self) -> set[int]:
        """All of them."""
        return set(self._tables)

    def walk(self, virtual: int) -> Translation | None:
        """Where a virtual address leads in the address space in use."""
        if self.base is None or not 0 <= virtual < VMM_BASE:
            return None
        slot = self.base + virtual // SECTION * 4
        upper = self.frames[slot & -PAGE].entries.get(slot % PAGE // 4, 0)
        if not upper:
            return None
        place = (upper & -L2_SIZE) + virtual % SECTION // PAGE * 4
        lower = self.frames[place & -PAGE].entries.get(place % PAGE // 4, 0)
        if not lower:
            return None
        return Translation((lower & -PAGE) | virtual % PAGE, bool(lower & WRITE), bool(upper & USER))

    def user_pages(self) -> int:
        """How many pages the process in the address space in use has mapped."""
        if self._user_pages is None:
            self._user_pages = self._count_user_pages()
        return self._user_pages

    def problems(self) -> list[str]:
        """What contradicts itself: counts that are not what the entries, pins and the base add up to."""
        uses, references = self._counted()
        found = []
        for page, frame in sorted(self.frames.items()):
            count = uses.get((page, frame.type), 0)
            others = [kind.name for kind in FrameType if kind is not frame.type and (page, kind) in uses]
            if others or count != frame.uses or references.get(page, 0) != frame.references:
                seen = f"{count} uses, {references.get(page, 0)} references, also as {others}"
                found.append(f"paging: frame {page:#x} is {frame}, found {seen}")
        tables = {page for page, frame in self.frames.items() if frame.type in (FrameType.L1, FrameType.L2)}
        if tables != self._tables:
            found.append(f"paging: the tables are {sorted(tables)}, known are {sorted(self._tables)}")
        found += [
            f"paging: frame {page:#x} is referred to and not known" for page in references if page not in self.frames
        ]
        return found

    def _count_user_pages(self) -> int:
        first = [] if self.base is None else self._table_pages(FrameType.L1, self.base)
        upper = [entry for page in first for entry in self.frames[page].entries.values()]
        tables = {entry & -PAGE for entry in upper if entry & USER}
        return sum(len(self.frames[table].entries) for table in tables)

    def _counted(self) -> tuple[dict[tuple[int, FrameType], int], dict[int, int]]:
        uses: dict[tuple[int, FrameType], int] = {}
        references: dict[int, int] = {}

        def count(page: int, kind: FrameType) -> None:
            references[page] = references.get(page, 0) + 1
            if kind is not FrameType.NONE:
                uses[page, kind] = uses.get((page, kind), 0) + 1

        for page, frame in self.frames.items():
            if frame.pinned is not FrameType.NONE:
                for one in self._table_pages(frame.pinned, page):
                    count(one, frame.pinned)
            for entry in frame.entries.values():
                count(*_target(frame.type, entry))
        if self.base is not None:
            for one in self._table_pages(FrameType.L1, self.base):
                count(one, FrameType.L1)
        return uses, references

    # ---- checks

    @staticmethod
    def _table_pages(kind: FrameType, address: int) -> list[int]:
        size = L1_SIZE if kind is FrameType.L1 else PAGE
        if address % size:
            raise XenError(Errno.EINVAL, f"a table at {address:#x} is not aligned to {size:#x}")
        return [address + n * PAGE for n in range(L1_PAGES if kind is FrameType.L1 else 1)]

    @staticmethod
    def _check_slot(page: int, index: int) -> None:
        """The monitor's part of every address space is nobody else's."""
        slot = page % L1_SIZE // 4 + index
        if slot * SECTION >= VMM_BASE:
            raise XenError(Errno.EPERM, f"virtual address {slot * SECTION:#x} is the monitor's")

    def _check_target(self, kind: FrameType, entry: int) -> None:
        """What an entry names may be named by this guest."""
        size = L2_SIZE if kind is FrameType.L1 else PAGE
        if entry % size & ~FLAGS or entry >> 32:
            raise XenError(Errno.EINVAL, f"no entry {entry:#x}")
        page = entry & -PAGE
        if self._memory.is_own(page):
            return
        if kind is FrameType.L1 or not self._memory.was_granted(page, writable=bool(entry & WRITE)):
            raise XenError(Errno.EPERM, f"frame {page:#x} is neither the guest's own nor granted to it like this")

    # ---- counts

    def _frame(self, page: int) -> Frame:
        return self.frames.get(page, Frame())

    def _acquire_target(self, kind: FrameType, entry: int) -> None:
        if entry:
            self._check_target(kind, entry)
            self._acquire(*_target(kind, entry))

    def _release_target(self, kind: FrameType, entry: int) -> None:
        if entry:
            self._release(*_target(kind, entry))

    def _acquire_all(self, pages: list[int], kind: FrameType) -> None:
        for done, page in enumerate(pages):
            try:
                self._acquire(page, kind)
            except XenError:
                for taken in pages[:done]:
                    self._release(taken, kind)
                raise

    def _acquire(self, page: int, kind: FrameType) -> None:
        """One more reference, and unless `kind` is NONE one more use as that."""
        frame = self._frame(page)
        if kind is not FrameType.NONE and frame.type is not kind:
            if frame.uses:
                raise XenError(Errno.EBUSY, f"frame {page:#x} is in use as {frame.type.name}, not as {kind.name}")
            if kind is not FrameType.WRITABLE:
                self._check_fit_for_table(page)
                self._tables.add(page)
            frame.type = kind
        self.frames[page] = frame
        frame.references += 1
        frame.uses += kind is not FrameType.NONE

    def _check_fit_for_table(self, page: int) -> None:
        if not self._memory.is_own(page):
            raise XenError(Errno.EPERM, f"frame {page:#x} is not the guest's own")
        if self._memory.is_shared(page):
            raise XenError(Errno.EBUSY, f"frame {page:#x} is written by others")
        if not self._memory.is_empty(page):
            raise XenError(Errno.EINVAL, f"frame {page:#x} is not empty: tables are filled by updates")

    def _release(self, page: int, kind: FrameType) -> None:
        frame = self.frames[page]
        frame.references -= 1
        if kind is not FrameType.NONE:
            frame.uses -= 1
            if not frame.uses:
                self._lose_type(page, frame)
        if not frame.references:  # its own entries may have been the last that led to it
            self.frames.pop(page, None)

    def _lose_type(self, page: int, frame: Frame) -> None:
        """Nothing uses it as what it was: an empty page, if it was a table. A table never leads back to itself."""
        kind, frame.type = frame.type, FrameType.NONE
        if kind is FrameType.WRITABLE:
            return
        self._tables.discard(page)
        entries, frame.entries = frame.entries, {}
        if entries:
            self._memory.clear(page)
            self.stale = True
        for entry in entries.values():
            self._release_target(kind, entry)

    def _leave(self, base: int | None) -> None:
        if base is not None:
            for page in self._table_pages(FrameType.L1, base):
                self._release(page, FrameType.L1)

    # ---- the CPU's own form

    def _descriptor(self, kind: FrameType, entry: int) -> int:
        """A page table entry as the CPU reads it; 0 for none."""
        if not entry:
            return 0
        if kind is FrameType.L2:
            return (entry & -PAGE) | RIGHTS[self._format, bool(entry & WRITE)] | CACHED | SMALL_PAGE
        domain = DOMAIN_USER if entry & USER else DOMAIN_KERNEL
        bit_4 = BIT_4 if self._format is TableFormat.LEGACY else 0
        return (entry & -L2_SIZE) | domain << 5 | bit_4 | COARSE_TABLE


def _target(kind: FrameType, entry: int) -> tuple[int, FrameType]:
    """The page that an entry of such a table leads to, and as what it uses it."""
    if kind is FrameType.L1:
        return entry & -PAGE, FrameType.L2
    return entry & -PAGE, FrameType.WRITABLE if entry & WRITE else FrameType.NONE
