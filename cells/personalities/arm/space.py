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

from dataclasses import replace
from typing import Any

from cells.personalities.arm.errno import EINVAL, ENOMEM, Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.reach import Fault, Memory, Reach
from cells.personalities.arm.regions import (
    EXECUTE,
    MAPPINGS,
    READ,
    REGION_LIMIT,
    USER_END,
    USER_START,
    WRITE,
    Region,
    Regions,
)
from cells.personalities.arm.shadow import Shadow
from hypervisor.abi.pv import PAGE, TableFormat

SIGBUS, SIGSEGV = 7, 11
SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR = 1, 2, 2
STACK_LIMIT = 8 << 20
"""How far a stack grows unless said otherwise (RLIMIT_STACK as Linux has it)."""


class Space(Reach):
    """One address space. `users`: processes that have it.

    Raises:
        OutOfMemory: no room for its first-level table.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._shadow = Shadow(memory.tables, memory.layout, memory.common, memory.stale)
        self.base = self._shadow.base
        """Physical address of the first-level table."""
        self.regions = Regions()
        self.pages: dict[int, int] = {}
        """Number of a virtual page -> its frame, of which this space is a user."""
        self.users = 1
        self.brk_start = self.brk_end = 0
        self.stack_limit = STACK_LIMIT

    # ---- regions

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
        self.regions.put(Region(start, end, rights, shared, inode, offset, **more))

    def unmap(self, start: int, end: int) -> None:
        """Nothing is there any more. Requires: whole pages.

        Raises:
            Errno: ENOMEM, a region would become two and there are too many; nothing has changed then.
        """
        region = self.regions.at(start)
        if region is not None and region.start < start and end < region.end and len(self.regions) >= REGION_LIMIT:
            raise Errno(ENOMEM)
        for region in self.regions.overlapping(start, end):
            self.regions.cut(region, start, end)
        self._forget(start, end)

    def protect(self, start: int, end: int, rights: int) -> bool:
        """Change rights; False if a part is not mapped (nothing has changed).

        Raises:
            Errno: ENOMEM, there would be too many regions; nothing has changed then.
        """
        regions = self.regions.overlapping(start, end)
        covered = sum(min(end, region.end) - max(start, region.start) for region in regions)
        if covered != end - start or any(rights & ~region.may for region in regions):
            return False
        if len(self.regions) + 2 > REGION_LIMIT:
            raise Errno(ENOMEM)
        for region in regions:
            self.regions.cut(region, start, end)
        for region in regions:  # only now: what is put in may join what is beside it
            self.regions.put(replace(region.at(max(start, region.start), min(end, region.end)), rights=rights))
        self._shadow.hide(start, end)
        return True

    def move(self, start: int, end: int, to: int, size: int) -> None:
        """A part of one region, with its pages, to another place, as large as said there. Requires: it lies in one region.

        Raises:
            Errno: as `map`; nothing has changed then.
        """
        region = self.regions.at(start)
        assert region is not None
        if len(self.regions) + 3 > REGION_LIMIT:
            raise Errno(ENOMEM)
        more = {name: getattr(region, name) for name in ("shared", "inode", "may", "name")}
        offset = region.offset + start - region.start if region.inode is not None else 0
        self.map(to, to + size, region.rights, offset=offset, **more)
        for number in self._numbers(start, min(end, start + size)):
            self.pages[number + (to - start) // PAGE] = self.pages.pop(number)
        self.unmap(start, end)

    def discard(self, start: int, end: int) -> None:
        """Private pages of a range are as if they had never been touched."""
        for region in self.regions.overlapping(start, end):
            self._forget(max(start, region.start), min(end, region.end))

    def brk(self, wanted: int) -> int:
        """Move the heap's end if that can be; where it is."""
        old, new = _up(self.brk_end), _up(wanted)
        if not self.brk_start <= wanted <= MAPPINGS or (new > old and self.regions.overlapping(old, new)):
            return self.brk_end
        if new > old:
            self._grow_heap(old, new)
        elif new < old:
            self.unmap(new, old)
        self.brk_end = wanted
        return wanted

    def _grow_heap(self, old: int, new: int) -> None:
        below = self.regions.at(old - 1)
        if below is not None and below.name == "[heap]" and below.end == old:
            below.end = new
        else:
            self.map(old, new, READ | WRITE, name="[heap]")

    # ---- pages

    def page(self, address: int, access: int) -> int:
        """The physical page of an address, ready for this access.

        Raises:
            Fault: the access is not allowed. OutOfMemory: no frame is left.
        """
        region = self.regions.at(address)
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
        self._show(number, frame, region)
        return frame

    def _allowed(self, rights: int) -> int:
        """What the CPU cannot help allowing: to read, and before ARMv6 to execute what can be read (DDI 0100I, B4.7.2)."""
        if not rights:
            return 0
        return rights | READ | (EXECUTE if self.memory.layout is TableFormat.LEGACY else 0)

    def _grown(self, address: int) -> Region:
        """The stack's region, grown down to an address below it."""
        above = self.regions.above(address)
        if above is None or not above.grows or above.end - (address & -PAGE) > self.stack_limit or address < USER_START:
            raise Fault(SIGSEGV, SEGV_MAPERR, address)
        if self.regions.at(max((address & -PAGE) - PAGE, 0)) is not None:
            raise Fault(SIGSEGV, SEGV_MAPERR, address)
        above.start = address & -PAGE
        return above

    def _demand(self, region: Region, address: int, access: int) -> int:
        """The page's first use."""
        memory = self.memory
        memory.enter(1)
        memory.made += 1
        try:
            frame = self._first_frame(region, address)
        except (OutOfMemory, Fault):
            memory.enter(-1)
            raise
        self.pages[address // PAGE] = frame
        if access & WRITE and not region.shared:
            frame = self._own(address // PAGE, frame)
        return frame

    def _first_frame(self, region: Region, address: int) -> int:
        frames = self.memory.frames
        if region.inode is None:
            return frames.take()
        at = region.offset + (address & -PAGE) - region.start
        if at >= region.inode.size:
            raise Fault(SIGBUS, BUS_ADRERR, address)
        return frames.share(_page_of(region, at // PAGE, address))

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
        self._shadow.hide(start, end)
        for number in self._numbers(start, end):
            self.memory.frames.release(self.pages.pop(number))
            self.memory.entries -= 1

    def _numbers(self, start: int, end: int) -> list[int]:
        """Numbers of pages that are there, within a range: by the shorter way."""
        first, last = start // PAGE, end // PAGE
        if last - first < len(self.pages):
            return [number for number in range(first, last) if number in self.pages]
        return [number for number in self.pages if first <= number < last]

    def _show(self, number: int, frame: int, region: Region) -> None:
        """Let the CPU do what can be done at once."""
        if region.rights:
            writable = bool(region.rights & WRITE) and (region.shared or self.memory.frames.users(frame) == 1)
            self._shadow.show(number, frame, writable=writable, executable=bool(region.rights & EXECUTE))

    # ---- the life of a space

    def fork(self) -> Space:
        """Another space that sees the same until one of them writes.

        Raises:
            OutOfMemory: no room for its table.
        """
        self.memory.enter(len(self.pages))
        try:
            child = Space(self.memory)
        except OutOfMemory:
            self.memory.entries -= len(self.pages)
            raise
        child.regions = self.regions.copy()
        child.pages = dict(self.pages)
        child.brk_start, child.brk_end, child.stack_limit = self.brk_start, self.brk_end, self.stack_limit
        share = self.memory.frames.share
        for frame in self.pages.values():
            share(frame)
        for region in self.regions:
            if region.rights & WRITE and not region.shared:
                self._shadow.hide(region.start, region.end)
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
        memory.entries -= len(self.pages)
        self._shadow.destroy()
        self.pages.clear()
        self.regions.clear()
        memory.stale()


def _up(size: int) -> int:
    return size + PAGE - 1 & -PAGE


def _page_of(region: Region, index: int, address: int) -> int:
    """The frame of a file's page."""
    try:
        return int(region.inode.page(index, region.shared and bool(region.may & WRITE)))
    except Errno as error:  # the file system is full
        raise Fault(SIGBUS, BUS_ADRERR, address) from error
