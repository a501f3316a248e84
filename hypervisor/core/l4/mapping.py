"""Address spaces built by map, grant and flush: pages travel as items of messages, and the database knows from whom each one
came.

Theory: a page of a cell is its own, or derived from a page of another cell by a map item; a grant item moves the giver's place
in the tree to the receiver. What is mapped on has no more rights than its origin. Unmapping takes a page from all that was
derived from it, however far it went, and from cells that do not co-operate, for the frames themselves are exchanged
(`Memory.revoke`). When a cell dies, what it had mapped on goes with it. A receiver gets pages only where it has said that it
would (IPC_ACCEPT); the page that it has faulted on is such a place too.

All of a segment that is to go goes at once, or is refused and stays: the database and `Memory` never differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hypervisor.abi.l4 import FLUSH, Item, ItemKind
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WINDOW_SIZE, WRITE
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused, require_none
from hypervisor.core.l4.pages import Key, Page, Region, Run, runs

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

DEPTH = 8
"""Times that a page can be mapped on from hand to hand; a choice of ours, to bound what an unmap has to walk."""


class MappingDatabase:
    """Who has which page from whom."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._pages: dict[Key, Page] = {}
        self._accepted: dict[int, Region] = {}
        self._shared: set[int] = set()

    # ---- hypercalls

    def accept(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """IPC_ACCEPT: where the caller wants pages."""
        address, pages = record.a1, record.a2
        if not pages:
            self._accepted.pop(cell.index, None)
            return Status.OK
        if address % PAGE or not WINDOW_BASE <= address <= address + pages * PAGE <= WINDOW_BASE + WINDOW_SIZE:
            raise Refused(Status.BAD_ARGUMENT, f"{pages} pages at {address:#x} are not in the window")
        self._accepted[cell.index] = Region(address, pages)
        return Status.OK

    def unmap_call(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """IPC_UNMAP: take pages, or the right to write them, back from all that they were mapped on to."""
        address, pages, what = record.a1, record.a2, record.a3
        if address % PAGE or not 0 < pages <= WINDOW_SIZE // PAGE or not what & (READ | WRITE) or address >> 32:
            raise Refused(Status.BAD_ARGUMENT, f"unmap {pages} pages at {address:#x} from {what:#x}")
        first = address // PAGE
        mine = [page for number in range(first, first + pages) if (page := self._pages.get((cell.index, number)))]
        gone = self.take_write(mine) if not what & READ else self.take_back(mine, flush=bool(what & FLUSH))
        if gone:
            monitor.step(cell, "unmap", times=gone, address=address, pages=gone)
        return gone

    def may(self, cell: Cell, address: int, *, write: bool) -> bool:
        """Whether a cell has a page, with that right."""
        page = self._find(cell, address // PAGE)
        return page is not None and (page.writable or not write)

    # ---- items

    def region_of(self, cell: Cell) -> Region | None:
        """Where a cell takes pages now."""
        return self._accepted.get(cell.index)

    def check(self, item: Item, sender: Cell, receiver: Cell, region: Region | None) -> None:
        """Whether an item can pass, as far as that can be seen before anything is done.

        Raises:
            Refused: not the sender's pages, no right to them, mapped on too often, no place at the receiver's.
        """
        if not item.rights & READ:
            raise Refused(Status.BAD_ARGUMENT, "an item without the right to read")
        self._place(receiver, region, item.count)
        memory = self._monitor.memory
        own = sender.params.ram - self._monitor.mechanism.reserved(sender)
        for number in _numbers(item):
            page = self._find(sender, number)
            if page is not None:
                _check_page(page, item)
            elif not memory.ram_base <= number * PAGE <= memory.ram_base + own - PAGE:
                raise Refused(Status.BAD_ARGUMENT, f"{sender.name} has no page at {number * PAGE:#x}")
            elif item.kind is ItemKind.GRANT:
                raise Refused(Status.WRONG_STATE, "a cell's own memory can be mapped, not granted away")

    def pass_on(self, item: Item, sender: Cell, receiver: Cell, region: Region | None, served: Cell) -> Item:
        """Carry out a map or grant item that was checked; the item as the receiver sees it.

        Raises:
            Refused: as `check`, or what `Memory` refuses.
        """
        if region is not None and region.exact:
            self._clear(receiver, region, item.count)
        first = self._place(receiver, region, item.count)
        origins = self._origins(sender, item)
        try:
            pages = self._derive(origins, receiver, first, writable=bool(item.rights & WRITE))
        except Refused:
            self._tidy({origin.segment for origin in origins})
            raise
        if item.kind is ItemKind.GRANT:
            self._give_up(origins, pages)
        names = {"to": receiver.name, "what": item.kind.name.lower()}
        self._monitor.step(served, "map", times=item.count, pages=item.count, address=first * PAGE, **names)
        return Item(item.kind, first * PAGE, item.count, item.rights)

    def undo(self, item: Item, receiver: Cell) -> None:
        """The message cannot pass after all."""
        self._remove([self._pages[receiver.index, number] for number in _numbers(item)])

    def _clear(self, receiver: Cell, region: Region, count: int) -> None:
        """Who answers a fault may put a page in the place of one that gave too few rights."""
        first = region.address // PAGE
        there = (self._pages.get((receiver.index, number)) for number in range(first, first + count))
        self._remove([page for page in there if page is not None and page.parent is not None and not page.children])

    def _place(self, receiver: Cell, region: Region | None, count: int) -> int:
        """The page number where so many pages fit."""
        if region is None:
            raise Refused(Status.WRONG_STATE, f"{receiver.name} accepts no pages")
        first, free = region.address // PAGE, 0
        for number in range(first, first + region.pages):
            if self._is_taken(receiver, number, region):
                if region.exact:
                    break
                free = 0
            else:
                free += 1
            if free == count:
                return number - count + 1
        raise Refused(Status.NO_ROOM, f"{receiver.name} has no place for {count} pages where it accepts them")

    def _is_taken(self, receiver: Cell, number: int, region: Region) -> bool:
        if self._monitor.memory.segment_at(receiver, number * PAGE) is None:
            return False
        page = self._pages.get((receiver.index, number))
        replaceable = page is not None and page.parent is not None and not page.children
        return not (region.exact and replaceable)

    def _find(self, cell: Cell, number: int) -> Page | None:
        """A cell's page, if anything is known of it: shared memory that it has from boot on is a root like its own."""
        known = self._pages.get((cell.index, number))
        place = self._monitor.memory.segment_at(cell, number * PAGE) if known is None else None
        if place is None:
            return known
        segment, offset = place
        views = self._monitor.memory.mappings(segment)
        seen = (m for m in views if m.cell == cell.index and m.offset <= offset < m.offset + m.pages)
        writable = number * PAGE < WINDOW_BASE or any(mapping.writable for mapping in seen)
        page = self._pages[cell.index, number] = Page(cell.index, number, segment, offset, writable)
        return page

    def _origins(self, sender: Cell, item: Item) -> list[Page]:
        """The sender's pages; those of its own memory that were never mapped become a segment, all neighbours together."""
        fresh: list[int] = []
        for number in _numbers(item):
            known = self._find(sender, number) is not None
            if not known:
                fresh.append(number)
            if fresh and (known or number == _numbers(item)[-1]):
                self._share(sender, fresh)
                fresh = []
        return [self._pages[sender.index, number] for number in _numbers(item)]

    def _share(self, sender: Cell, numbers: list[int]) -> None:
        segment = self._monitor.memory.share(sender, numbers[0] * PAGE, len(numbers), "mapped on")
        self._shared.add(segment)
        for offset, number in enumerate(numbers):
            self._pages[sender.index, number] = Page(sender.index, number, segment, offset, writable=True)

    def _derive(self, origins: list[Page], receiver: Cell, first: int, *, writable: bool) -> list[Page]:
        pages = [
            Page(receiver.index, first + place, origin.segment, origin.offset, writable, origin)
            for place, origin in enumerate(origins)
        ]
        made: list[Run] = []
        try:
            for run in runs(pages):
                self._map(run)
                made.append(run)
        except Refused:
            for run in made:
                self._monitor.memory.unmap(receiver, run.number * PAGE, run.pages)
            raise
        for page, origin in zip(pages, origins, strict=True):
            origin.children.append(page)
            self._pages[page.key] = page
        return pages

    def _map(self, run: Run) -> None:
        cell, memory = self._monitor.cells[run.cell], self._monitor.memory
        memory.map(run.segment, run.offset, run.pages, cell, run.number * PAGE, writable=run.writable)

    def _give_up(self, origins: list[Page], pages: list[Page]) -> None:
        """The receiver's pages take the sender's place in the tree."""
        for origin, page in zip(origins, pages, strict=True):
            parent = origin.parent
            assert parent is not None  # `_check_page` has seen to it
            for child in origin.children:
                if child is not page:
                    child.parent = page
                    page.children.append(child)
            parent.children.append(page)
            page.parent, origin.children = parent, []
        self._remove(origins)

    # ---- taking back

    def take_back(self, roots: Iterable[Page], *, flush: bool = False) -> int:
        """Everything derived from these pages goes; with `flush` they themselves too, unless nobody gave them.

        Raises:
            Refused: NO_ROOM: somebody has to take note of earlier changes first. What has not gone then is as it was.
        """
        gone = {page.key: page for root in roots for page in root.below()}
        if flush:
            gone |= {root.key: root for root in roots if root.parent is not None}
        self._remove(list(gone.values()))
        return len(gone)

    def take_write(self, roots: Iterable[Page]) -> int:
        """Everything derived from these pages can be read only from now on.

        Raises:
            Refused: as `take_back`.
        """
        found = {page.key: page for root in roots for page in root.below() if page.writable}
        for segment, pages in _by_segment(found.values()).items():
            for page in pages:
                page.writable = False
            try:
                self._withdraw(segment, pages, again=pages)
            except Refused:
                for page in pages:
                    page.writable = True
                raise
        return len(found)

    def cell_ended(self, cell: Cell) -> list[Cell]:
        """A life is over: what it had mapped on goes; its own pages are taken care of by `Memory`.

        Answers with cells that have pages which cannot be taken from them, since somebody does not take note: they must go too.
        """
        self._accepted.pop(cell.index, None)
        mine = [page for page in self._pages.values() if page.cell == cell.index]
        own = {page.segment for page in mine if page.parent is None} & self._shared
        self._shared -= own  # `Memory` dissolves these
        self._unlink([page for page in self._pages.values() if page.segment in own])
        doomed: set[int] = set()
        gone = {page.key: page for root in mine if root.segment not in own for page in (root, *root.below())}
        given = [page for page in gone.values() if page.parent is not None]
        for segment, pages in _by_segment(given).items():
            try:
                self._withdraw(segment, pages)
            except Refused:
                doomed |= {page.cell for page in pages} - {cell.index}
        self._unlink(gone.values())
        self._tidy({page.segment for page in given})
        return [self._monitor.cells[index] for index in sorted(doomed)]

    def _remove(self, pages: list[Page]) -> None:
        for segment, some in _by_segment(pages).items():
            self._withdraw(segment, some)
            self._unlink(some)
            self._tidy({segment})

    def _unlink(self, pages: Iterable[Page]) -> None:
        for page in list(pages):
            self._pages.pop(page.key, None)
            if page.parent is not None and page in page.parent.children:
                page.parent.children.remove(page)

    def _withdraw(self, segment: int, pages: list[Page], again: Iterable[Page] = ()) -> None:
        """See that these cells cannot reach these pages any more. What else they have of the segment, they have again at once,
        and `again`; should they not take note of that, it is lost to them, with all that came of it.
        """
        memory = self._monitor.memory
        cells, going = {page.cell for page in pages}, {page.key for page in pages}
        staying = [page for page in self._pages.values() if page.segment == segment and page.cell in cells]
        permanent = [m for m in memory.mappings(segment) if m.cell in cells and m.permanent]
        memory.revoke(segment, only=cells)
        for m in permanent:
            cell = self._monitor.cells[m.cell]
            memory.map(segment, m.offset, m.pages, cell, m.address, writable=m.writable, permanent=True)
        mapped = [page for page in staying if page.key not in going and page.parent is not None]
        for run in runs([*mapped, *again]):
            try:
                self._map(run)
            except Refused:
                self._lose(run)

    def _lose(self, run: Run) -> None:
        lost = [self._pages[run.cell, run.number + place] for place in range(run.pages)]
        below = {page.key: page for root in lost for page in root.below()}
        self._unlink(lost)
        self._remove(list(below.values()))

    def _tidy(self, segments: set[int]) -> None:
        """A cell's own pages that are mapped nowhere any more are plain memory again, as soon as the cell takes note."""
        for segment in sorted(segments & self._shared):
            if self._monitor.memory.mappings(segment):
                continue
            try:
                self._monitor.memory.drop(segment)
            except Refused:
                continue
            self._shared.discard(segment)
            self._unlink([page for page in self._pages.values() if page.segment == segment])

    # ---- questions

    def pages(self) -> list[Page]:
        """Every page that is known of, by cell and address."""
        return [page for _, page in sorted(self._pages.items())]

    def count(self) -> int:
        """Pages that somebody has from somebody."""
        return len(self._pages)

    def check_invariants(self) -> None:
        """Every page hangs below a living one with no right that that one lacks, and is where `Memory` says.

        Raises:
            InvariantBroken: it is not so.
        """
        require_none([problem for page in self._pages.values() for problem in self._problems(page)])

    def _problems(self, page: Page) -> Iterator[str]:
        what = f"mapping: page {page.address:#x} of cell {page.cell}"
        place = self._monitor.memory.segment_at(self._monitor.cells[page.cell], page.address)
        if place != (page.segment, page.offset):
            yield f"{what} should be {page.segment, page.offset}, is {place}"
        parent = page.parent
        if parent is None:
            return
        if self._pages.get(parent.key) is not parent or page not in parent.children:
            yield f"{what} is an orphan"
        if (page.segment, page.offset) != (parent.segment, parent.offset) or page.writable > parent.writable:
            yield f"{what} is another page than its origin, or may be written and its origin not"


def _numbers(item: Item) -> range:
    return range(item.address // PAGE, item.address // PAGE + item.count)


def _check_page(origin: Page, item: Item) -> None:
    if item.rights & WRITE and not origin.writable:
        raise Refused(Status.RIGHTS, f"page {origin.address:#x} may only be read")
    if origin.depth >= DEPTH:
        raise Refused(Status.TOO_LONG, f"page {origin.address:#x} went through {DEPTH} hands")
    if item.kind is ItemKind.GRANT and origin.parent is None:
        raise Refused(Status.WRONG_STATE, "a cell's own memory can be mapped, not granted away")


def _by_segment(pages: Iterable[Page]) -> dict[int, list[Page]]:
    found: dict[int, list[Page]] = {}
    for page in sorted(pages, key=lambda page: (page.segment, page.key)):
        found.setdefault(page.segment, []).append(page)
    return found
