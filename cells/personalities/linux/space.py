"""The address space of a process: regions, what they show, and the page tables of the CPU that follow from use.

    space = Space(memory)                                  # `Memory`: frames, tables, format
    space.map(0x10000, 0x12000, READ | WRITE)
    space.write(0x10000, b"hello")
    child = space.fork()                                   # shares every frame until somebody writes
    space.page(0x10000, WRITE)                             # physical page, ready for a store; raises Fault

Theory: a region says what may be done with addresses and where their content comes from; a page comes into being when it is
touched first (demand paging): zeroes, or a page of a file. The page table holds no more than what the CPU may do at once: a page
that is shared is not writable there, and the abort of a store is the moment to copy it. So the table can forget any page at any
time, except what was written privately; that is in `pages`, which is the truth, and the table its shadow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from cells.personalities.linux.errno import EFAULT, EINVAL, ENAMETOOLONG, ENOMEM, Errno
from cells.personalities.linux.frames import Frames, OutOfMemory, Tables
from hypervisor.abi.descriptors import page_descriptor, table_descriptor
from hypervisor.abi.pv import PAGE, SECTION, TableFormat

READ, WRITE, EXECUTE = 1, 2, 4
"""Rights, as PROT_* of mmap."""
SIGBUS, SIGSEGV = 7, 11
SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR = 1, 2, 2
USER_START, USER_END = 0x1000, 0xBF00_0000
"""Where programs may map: below is for null pointers, above for the kernel."""
MAPPINGS = 0x4000_0000
"""mmap without a wish looks from here on."""
REGION_LIMIT = 4096
"""Regions of one space."""
PER_TABLE = SECTION // PAGE


class Fault(Exception):  # noqa: N818  the program's
    """An access that the space does not allow: the signal for it, its code."""

    def __init__(self, signal: int, code: int, address: int) -> None:
        super().__init__(f"signal {signal} at {address:#x}")
        self.signal, self.code, self.address = signal, code, address


@dataclass(slots=True)
class Region:
    """Addresses from `start` to `end`. `offset`: of `start` in the inode. `may`: rights that mprotect can give."""

    start: int
    end: int
    rights: int
    shared: bool = False
    inode: Any = None
    offset: int = 0
    name: str = ""
    may: int = READ | WRITE | EXECUTE
    grows: bool = False

    def at(self, start: int, end: int) -> Region:
        """A part of it."""
        offset = 0 if self.inode is None else self.offset + start - self.start
        return replace(self, start=start, end=end, offset=offset)


@dataclass
class Memory:
    """What all spaces of a kernel share. `common`: words of the first level that each space has. `stale`: flush the TLB."""

    frames: Frames
    tables: Tables
    layout: TableFormat
    common: dict[int, int] = field(default_factory=dict)
    stale: Callable[[], None] = lambda: None
    made: int = 0
    """Pages made on demand or copied so far, for the charge in virtual time."""


class Space:
    """One address space. `users`: processes that have it.

    Raises:
        OutOfMemory: no room for its first-level table.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.base = memory.tables.first_level()
        """Physical address of the first-level table."""
        for slot, word in memory.common.items():
            memory.tables.words[memory.tables.index(self.base) + slot] = word
        self.regions: list[Region] = []
        self.pages: dict[int, int] = {}
        """Number of a virtual page -> its frame, of which this space is a user."""
        self._seconds: dict[int, int] = {}
        self.users = 1
        self.brk_start = self.brk_end = 0

    # ---- regions

    def region(self, address: int) -> Region | None:
        """The region of an address."""
        index = bisect_right(self.regions, address, key=_start) - 1
        found = self.regions[index] if index >= 0 else None
        return found if found is not None and address < found.end else None

    def overlapping(self, start: int, end: int) -> list[Region]:
        """Regions that have a part in a range, by address."""
        return [region for region in self.regions if region.start < end and start < region.end]

    def map(
        self,
        start: int,
        end: int,
        rights: int,
        *,
        shared: bool = False,
        inode: Any = None,
        offset: int = 0,
        **more: Any,
    ) -> None:
        """A region, in place of what was there. Requires: whole pages within what programs may map.

        Raises:
            Errno: EINVAL, or ENOMEM for too many regions.
        """
        if start % PAGE or end % PAGE or not USER_START <= start < end <= USER_END:
            raise Errno(EINVAL)
        if len(self.regions) >= REGION_LIMIT:
            raise Errno(ENOMEM)
        self.unmap(start, end)
        self._insert(Region(start, end, rights, shared, inode, offset, **more))

    def unmap(self, start: int, end: int) -> None:
        """Nothing is there any more. Requires: whole pages."""
        for region in self.overlapping(start, end):
            self._cut(region, start, end)
        self._forget(start, end)

    def protect(self, start: int, end: int, rights: int) -> bool:
        """Change rights; False if a part is not mapped (nothing has changed)."""
        regions = self.overlapping(start, end)
        covered = sum(min(end, region.end) - max(start, region.start) for region in regions)
        if covered != end - start or any(rights & ~region.may for region in regions):
            return False
        for region in regions:
            self._cut(region, start, end)
        for region in regions:  # only now: what is put in may join what is beside it
            self._insert(replace(region.at(max(start, region.start), min(end, region.end)), rights=rights))
        self._shadow_clear(start, end)
        return True

    def move(self, start: int, end: int, to: int, size: int) -> None:
        """A part of one region, with its pages, to another place, as large as said there. Requires: it lies in one region.

        Raises:
            Errno: as `map`; nothing has changed then.
        """
        region = self.region(start)
        assert region is not None
        more = {name: getattr(region, name) for name in ("shared", "inode", "may", "name")}
        offset = region.offset + start - region.start if region.inode is not None else 0
        self.map(to, to + size, region.rights, offset=offset, **more)
        for number in self._numbers(start, min(end, start + size)):
            self.pages[number + (to - start) // PAGE] = self.pages.pop(number)
        self.unmap(start, end)

    def discard(self, start: int, end: int) -> None:
        """Private pages of a range are as if they had never been touched."""
        for region in self.overlapping(start, end):
            self._forget(max(start, region.start), min(end, region.end))

    def room(self, size: int, lowest: int = MAPPINGS) -> int:
        """Where `size` bytes are free.

        Raises:
            Errno: ENOMEM.
        """
        at = lowest
        for region in self.regions:
            if region.end <= at:
                continue
            if region.start - at >= size:
                break
            at = region.end
        if USER_END - at < size:
            raise Errno(ENOMEM)
        return at

    def brk(self, wanted: int) -> int:
        """Move the heap's end if that can be; where it is."""
        old, new = _up(self.brk_end), _up(wanted)
        if not self.brk_start <= wanted <= MAPPINGS or (new > old and self.overlapping(old, new)):
            return self.brk_end
        if new > old:
            self._grow_heap(old, new)
        elif new < old:
            self.unmap(new, old)
        self.brk_end = wanted
        return wanted

    def _grow_heap(self, old: int, new: int) -> None:
        below = self.region(old - 1)
        if below is not None and below.name == "[heap]" and below.end == old:
            below.end = new
        else:
            self.map(old, new, READ | WRITE, name="[heap]")

    def _insert(self, region: Region) -> None:
        index = bisect_right(self.regions, region.start, key=_start)
        before = self.regions[index - 1] if index else None
        after = self.regions[index] if index < len(self.regions) else None
        if before is not None and _joins(before, region):
            region = replace(before, end=region.end)
            index -= 1
            del self.regions[index]
        if after is not None and _joins(region, after):
            region = replace(region, end=after.end)
            del self.regions[index]
        self.regions.insert(index, region)

    def _cut(self, region: Region, start: int, end: int) -> None:
        """Take a range out of a region."""
        index = self.regions.index(region)
        parts = []
        if region.start < start:
            parts.append(region.at(region.start, start))
        if end < region.end:
            parts.append(region.at(end, region.end))
        self.regions[index : index + 1] = parts

    # ---- pages

    def page(self, address: int, access: int) -> int:
        """The physical page of an address, ready for this access.

        Raises:
            Fault: the access is not allowed. OutOfMemory: no frame is left.
        """
        region = self.region(address)
        if region is None:
            region = self._grown(address)
        if access & ~self._allowed(region.rights):
            raise Fault(SIGSEGV, SEGV_ACCERR, address)
        number = address // PAGE
        frame = self.pages.get(number)
        if frame is None:
            frame = self._demand(region, address, access)
        elif access & WRITE and not region.shared:
            frame = self._own(number, frame)
        self._shadow(number, frame, region)
        return frame

    def _allowed(self, rights: int) -> int:
        """What the CPU cannot help allowing: to read, and before ARMv6 to execute what can be read (DDI 0100I, B4.7.2)."""
        if not rights:
            return 0
        return rights | READ | (EXECUTE if self.memory.layout is TableFormat.LEGACY else 0)

    def _grown(self, address: int) -> Region:
        """The stack's region, grown down to an address below it."""
        above = next((region for region in self.regions if region.start > address), None)
        if above is None or not above.grows or above.end - (address & -PAGE) > STACK_LIMIT or address < USER_START:
            raise Fault(SIGSEGV, SEGV_MAPERR, address)
        if self.region(max((address & -PAGE) - PAGE, 0)) is not None:
            raise Fault(SIGSEGV, SEGV_MAPERR, address)
        above.start = address & -PAGE
        return above

    def _demand(self, region: Region, address: int, access: int) -> int:
        """The page's first use."""
        memory = self.memory
        memory.made += 1
        if region.inode is None:
            frame = memory.frames.take()
        else:
            at = region.offset + (address & -PAGE) - region.start
            if at >= region.inode.size:
                raise Fault(SIGBUS, BUS_ADRERR, address)
            frame = memory.frames.share(_page_of(region, at // PAGE, address))
        self.pages[address // PAGE] = frame
        if access & WRITE and not region.shared:
            frame = self._own(address // PAGE, frame)
        return frame

    def _own(self, number: int, frame: int) -> int:
        """A frame that nobody else sees."""
        memory = self.memory
        if memory.frames.users(frame) == 1:
            return frame
        copy = memory.frames.take_any()
        memory.frames.fill(copy, memory.frames.view(frame))
        memory.made += 1
        memory.frames.release(frame)
        self.pages[number] = copy
        memory.stale()
        return copy

    def _forget(self, start: int, end: int) -> None:
        self._shadow_clear(start, end)
        for number in self._numbers(start, end):
            self.memory.frames.release(self.pages.pop(number))

    def _numbers(self, start: int, end: int) -> list[int]:
        """Numbers of pages that are there, within a range: by the shorter way."""
        first, last = start // PAGE, end // PAGE
        if last - first < len(self.pages):
            return [number for number in range(first, last) if number in self.pages]
        return [number for number in self.pages if first <= number < last]

    # ---- the CPU's tables

    def _shadow(self, number: int, frame: int, region: Region) -> None:
        """Let the CPU do what can be done at once."""
        memory = self.memory
        rights = region.rights
        if rights == 0:
            return
        writable = bool(rights & WRITE) and (region.shared or memory.frames.users(frame) == 1)
        slot, index = divmod(number, PER_TABLE)
        table = self._seconds.get(slot) or self._second(slot)
        word = page_descriptor(memory.layout, frame, writable, executable=bool(rights & EXECUTE))
        memory.tables.words[memory.tables.index(table) + index] = word

    def _second(self, slot: int) -> int:
        tables = self.memory.tables
        table = self._seconds[slot] = tables.second_level()
        tables.words[tables.index(self.base) + slot] = table_descriptor(self.memory.layout, table, user=True)
        return table

    def _shadow_clear(self, start: int, end: int) -> None:
        """The CPU has to ask again for these pages."""
        tables, words = self.memory.tables, self.memory.tables.words
        for slot in [slot for slot in self._seconds if start < (slot + 1) * SECTION and slot * SECTION < end]:
            first = max(start - slot * SECTION, 0) // PAGE
            last = min(end - slot * SECTION, SECTION) // PAGE
            at = tables.index(self._seconds[slot])
            for index in range(at + first, at + last):
                words[index] = 0
        self.memory.stale()

    # ---- the life of a space

    def fork(self) -> Space:
        """Another space that sees the same until one of them writes.

        Raises:
            OutOfMemory: no room for its table.
        """
        child = Space(self.memory)
        child.regions = [replace(region) for region in self.regions]
        child.pages = dict(self.pages)
        child.brk_start, child.brk_end = self.brk_start, self.brk_end
        share = self.memory.frames.share
        for frame in self.pages.values():
            share(frame)
        for region in self.regions:
            if region.rights & WRITE and not region.shared:
                self._shadow_clear(region.start, region.end)
        return child

    def release(self) -> None:
        """A process less has it; the last one destroys it."""
        self.users -= 1
        if not self.users:
            self.destroy()

    def destroy(self) -> None:
        """All frames and tables are given back. Requires: the CPU uses another."""
        memory = self.memory
        for frame in self.pages.values():
            memory.frames.release(frame)
        for table in self._seconds.values():
            memory.tables.release(table)
        memory.tables.release(self.base)
        self.pages.clear()
        self._seconds.clear()
        self.regions.clear()
        memory.stale()

    # ---- the kernel's access

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the program.

        Raises:
            Errno: EFAULT.
        """
        offset = address % PAGE
        if offset + size <= PAGE and size:
            at = self._reach(address, READ) + offset
            return bytes(self.memory.frames.memory[at : at + size])
        return b"".join(bytes(part) for part in self._parts(address, size, READ))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Change the program's memory. Raises as `read`; what lies before the fault is written."""
        at = 0
        for part in self._parts(address, len(data), WRITE):
            part[:] = data[at : at + len(part)]
            self.memory.frames.written(self.pages[address + at >> 12], PAGE)
            at += len(part)

    def cstring(self, address: int, limit: int = 4096) -> bytes:
        """A text that ends with a zero, without it.

        Raises:
            Errno: EFAULT, or ENAMETOOLONG if there is no end within `limit` bytes.
        """
        found = bytearray()
        while len(found) < limit:
            piece = self.read(address, min(PAGE - address % PAGE, limit - len(found)))
            end = piece.find(b"\0")
            if end >= 0:
                return bytes(found + piece[:end])
            found += piece
            address += len(piece)
        raise Errno(ENAMETOOLONG)

    def _parts(self, address: int, size: int, access: int) -> Iterator[memoryview]:
        """Memory of a range, page by page."""
        end = address + size
        while address < end:
            step = min(PAGE - address % PAGE, end - address)
            at = self._reach(address, access) + address % PAGE
            yield self.memory.frames.memory[at : at + step]
            address += step

    def _reach(self, address: int, access: int) -> int:
        """Where in memory the page of an address lies, ready for this access."""
        if not 0 <= address < 1 << 32:
            raise Errno(EFAULT)
        try:
            return self.page(address, access) - self.memory.frames.base
        except (Fault, OutOfMemory) as error:
            raise Errno(EFAULT) from error


STACK_LIMIT = 8 << 20
"""How far a stack grows (RLIMIT_STACK as Linux has it)."""


def _start(region: Region) -> int:
    return region.start


def _up(size: int) -> int:
    return size + PAGE - 1 & -PAGE


def _page_of(region: Region, index: int, address: int) -> int:
    """The frame of a file's page."""
    try:
        return int(region.inode.page(index, region.shared and bool(region.may & WRITE)))
    except Errno as error:  # the file system is full
        raise Fault(SIGBUS, BUS_ADRERR, address) from error


def _joins(one: Region, other: Region) -> bool:
    """They can be one region."""
    return one.end == other.start and one.at(other.start, other.end) == other and not one.grows
