"""Pages that can be handed over: what a segment is, where it appears, and what each cell finds at which page.

A *segment* is made of *backings*: files of the host, each handed over whole or not at all, since whoever holds a file's
descriptor reaches all of it. At first there is one. Where part of a segment is given away, the backing is cut there: two are
made of one, their content is moved, and who had the old one gets the new ones.

>>> segment = Segment(1, "front", cell=0, pages=4, purpose="ring", home=None, frames=None, backings=[Backing(7, 0, 4)])
>>> [(piece.backing.host, piece.at, piece.pages) for piece in segment.pieces(1, 2)]
[(7, 1, 2)]
>>> segment.cuts(1, 2)
{7: [1, 3]}
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import abc
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypervisor.abi.memory import PAGE

OWN = 0
"""In orders to the shell, the number that stands for the cell's own memory instead of a backing's."""


@dataclass(slots=True)
class Backing:
    """`pages` of a segment from its page `offset` on, in a file of their own. `seen`: cells that were handed it in this life."""

    host: int
    offset: int
    pages: int
    seen: set[int] = field(default_factory=set)

    @property
    def end(self) -> int:
        """The segment's page behind it."""
        return self.offset + self.pages


class Piece(NamedTuple):
    """`pages` of a backing from its page `at` on."""

    backing: Backing
    at: int
    pages: int


@dataclass(slots=True)
class Segment:
    """Pages under one number. `cell`: the owner's index if it is a cell. `home`: where they lie in its own memory, None for
    pages beside that; `frames`: the allocation that those were taken from."""

    id: int
    owner: str
    cell: int | None
    pages: int
    purpose: str
    home: int | None
    frames: int | None
    backings: list[Backing] = field(default_factory=list)

    def pieces(self, offset: int, pages: int) -> list[Piece]:
        """What a range of its pages is made of."""
        end = offset + pages
        return [
            Piece(
                backing,
                max(offset, backing.offset) - backing.offset,
                min(end, backing.end) - max(offset, backing.offset),
            )
            for backing in self.backings
            if backing.offset < end and offset < backing.end
        ]

    def backing_of(self, page: int) -> Backing:
        """The backing that one of its pages is in."""
        return next(backing for backing in self.backings if backing.offset <= page < backing.end)

    def cuts(self, offset: int, pages: int) -> dict[int, list[int]]:
        """Where which backings must be cut for a range of pages to be made of whole ones."""
        borders = (offset, offset + pages)
        cuts = {b.host: [page for page in borders if b.offset < page < b.end] for b in self.backings}
        return {host: pages for host, pages in cuts.items() if pages}

    def homes(self) -> list[Mapping]:
        """Its place in its owner's own memory, as if that were a mapping; nothing if it has none."""
        if self.home is None or self.cell is None:
            return []
        return [Mapping(self.cell, self.home, 0, self.pages, writable=True, segment=self.id)]

    def problems(self, up: Container[int]) -> Iterator[str]:
        """What contradicts itself. `up`: the cells that are."""
        behind = 0
        for backing in self.backings:
            if backing.offset != behind or backing.pages <= 0:
                yield f"memory: {self} has a backing out of place"
            behind = backing.end
            yield from (
                f"memory: {self} was seen by cell {cell}, which is not up" for cell in backing.seen if cell not in up
            )
        if behind != self.pages:
            yield f"memory: {self} is not backed to its end"


class Mapping(NamedTuple):
    """Where pages of a segment appear: `pages` from its page `offset` on, at `address` of the cell with this index.

    `permanent`: it is made again at each start of the cell.
    """

    cell: int
    address: int
    offset: int
    pages: int
    writable: bool
    segment: int
    permanent: bool = False

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.pages * PAGE

    def part(self, address: int, end: int) -> Mapping:
        """What of it lies between two addresses of pages in it."""
        offset = self.offset + (address - self.address) // PAGE
        return self._replace(address=address, offset=offset, pages=(end - address) // PAGE)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Its pages, by number, and what lies there."""
        for page in range(self.pages):
            yield self.address // PAGE + page, Entry(self.segment, self.offset + page, self.writable)


class Entry(NamedTuple):
    """What a cell finds at one page: page `offset` of a segment."""

    segment: int
    offset: int
    writable: bool


def _address(mapping: Mapping) -> int:
    return mapping.address


class PageMap:
    """What one cell has of segments: its mappings, and page by page what lies where, its own shared pages among them."""

    def __init__(self) -> None:
        self.mappings: list[Mapping] = []  # by address
        self.entries: dict[int, Entry] = {}

    def enter(self, mapping: Mapping, *, home: bool = False) -> None:
        """From now on it has this. `home`: pages of its own memory, which are no mapping to be given back."""
        if not home:
            insort(self.mappings, mapping, key=_address)
        self.entries.update(mapping.entries())

    def leave(self, mapping: Mapping, *, home: bool = False) -> None:
        """It has this no longer."""
        if not home:
            del self.mappings[bisect_left(self.mappings, mapping.address, key=_address)]
        for page, _ in mapping.entries():
            del self.entries[page]

    def taken(self, address: int, pages: int) -> bool:
        """Whether anything lies in a range."""
        first = address // PAGE
        return any(page in self.entries for page in range(first, first + pages))

    def gap(self, base: int, size: int, pages: int) -> int | None:
        """The lowest free place for so many pages in a range."""
        address = base
        for mapping in self.mappings:
            if mapping.address - address >= pages * PAGE:
                break
            address = max(address, mapping.end)
        return address if address + pages * PAGE <= base + size else None

    def overlapping(self, address: int, end: int) -> list[Mapping]:
        """The mappings that reach into a range, whole."""
        first = bisect_right(self.mappings, address, key=_address)
        first -= first > 0 and self.mappings[first - 1].end > address
        return self.mappings[first : bisect_left(self.mappings, end, key=_address)]

    def problems(self, homes: Iterable[Mapping], segments: abc.Mapping[int, Segment]) -> Iterator[str]:
        """What contradicts itself or the segments by number. `homes`: its own shared pages."""
        behind = 0
        for mapping in self.mappings:
            segment = segments.get(mapping.segment)
            if mapping.address < behind or mapping.pages <= 0:
                yield f"memory: {mapping} overlaps the one before it"
            if segment is None or mapping.offset < 0 or mapping.offset + mapping.pages > segment.pages:
                yield f"memory: {mapping} is of pages that are no more"
            elif mapping.cell != segment.cell and segment.cuts(mapping.offset, mapping.pages):
                yield f"memory: {mapping} is not made of whole backings"
            behind = mapping.end
        found = {page: entry for mapping in [*self.mappings, *homes] for page, entry in mapping.entries()}
        if found != self.entries:
            yield f"memory: entered is {self.entries}, but mapped {found}"
