"""Regions of an address space: what may be done with which addresses, and where their content comes from.

    regions = Regions()
    regions.put(Region(0x10000, 0x12000, READ | WRITE))
    regions.at(0x10800).rights

Theory: regions lie in order and apart; neighbours that agree in everything are one, so that a program that maps page after page
has no more of them than it needs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

from cells.personalities.arm.errno import ENOMEM, Errno

READ, WRITE, EXECUTE = 1, 2, 4
"""Rights, as PROT_* of mmap."""
USER_START, USER_END = 0x1000, 0xBF00_0000
"""Where programs may map: below is for null pointers, above for the kernel."""
MAPPINGS = 0x4000_0000
"""mmap without a wish looks from here on."""
REGION_LIMIT = 4096
"""Regions of one space."""


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


class Regions(list[Region]):
    """All regions of a space, by address."""

    def at(self, address: int) -> Region | None:
        """The region of an address."""
        index = bisect_right(self, address, key=_start) - 1
        found = self[index] if index >= 0 else None
        return found if found is not None and address < found.end else None

    def overlapping(self, start: int, end: int) -> list[Region]:
        """Those that have a part in a range."""
        first = max(bisect_right(self, start, key=_start) - 1, 0)
        found = []
        for region in self[first:]:
            if region.start >= end:
                break
            if start < region.end:
                found.append(region)
        return found

    def above(self, address: int) -> Region | None:
        """The next one that begins behind an address."""
        index = bisect_right(self, address, key=_start)
        return self[index] if index < len(self) else None

    def room(self, size: int, lowest: int = MAPPINGS) -> int:
        """Where `size` bytes are free.

        Raises:
            Errno: ENOMEM.
        """
        at = lowest
        for region in self:
            if region.end <= at:
                continue
            if region.start - at >= size:
                break
            at = region.end
        if USER_END - at < size:
            raise Errno(ENOMEM)
        return at

    def put(self, region: Region) -> None:
        """One more, joined with its neighbours. Requires: nothing is there."""
        index = bisect_right(self, region.start, key=_start)
        before = self[index - 1] if index else None
        after = self[index] if index < len(self) else None
        if before is not None and _joins(before, region):
            region = replace(before, end=region.end)
            index -= 1
            del self[index]
        if after is not None and _joins(region, after):
            region = replace(region, end=after.end)
            del self[index]
        self.insert(index, region)

    def cut(self, region: Region, start: int, end: int) -> None:
        """Take a range out of a region."""
        index = self.index(region)
        parts = []
        if region.start < start:
            parts.append(region.at(region.start, start))
        if end < region.end:
            parts.append(region.at(end, region.end))
        self[index : index + 1] = parts

    def copy(self) -> Regions:
        """For a child."""
        return Regions(replace(region) for region in self)


def _start(region: Region) -> int:
    return region.start


def _joins(one: Region, other: Region) -> bool:
    """They can be one region."""
    return one.end == other.start and one.at(other.start, other.end) == other and not one.grows
