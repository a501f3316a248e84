"""Memory that cells share: pages handed over, used together, taken back. Every mechanism's grants and links are made of this.

A segment is pages that can be handed over: fresh ones (`create`), or pages of a cell's own memory that keep their content and
their place (`share`). `map` makes them appear in another cell's window, `revoke` ends that whether the other cell agrees or
not: the owner goes on with the content in fresh pages, the old ones are emptied. What a cell may reach is a matter of the
host's kernel, not of the cell's good will: this file decides, handover.py orders and tells, the shell carries it out.

    segment = memory.share(front, 0x4000_0000, 2, "ring")
    where = memory.map(segment, 0, 2, back, writable=False)      # in `back`'s window; its vCPU is told before it goes on
    memory.read(back, where, 4) == memory.read(front, 0x4000_0000, 4)
    memory.revoke(segment)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused, require, require_none
from hypervisor.core.handover import NEWS_LIMIT, GuestMemory, Handover
from hypervisor.core.injected import refused
from hypervisor.core.segments import OWN, Backing, Mapping, PageMap, Segment

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

SEGMENT_LIMIT = 2304
"""Segments of one owner: an unmodified kernel grants single pages, and keeps them granted. To a disk that another kernel serves
it has 32 requests of 32 pages and a page that lists them (blkfront's max_indirect_segments), which is 1,057 with the ring."""
MAPPING_LIMIT = 4608
"""Mappings in one cell's window: four such disks."""
CUT_SLACK = 2
"""Pieces that one cut can add to a mapping."""


class Memory:
    """Segments, and where they appear. Addresses are guest physical.

    Set by the shell: `host`, the door to the bytes; `bare`, the indices of cells that have to do with nobody, whose processes
    are made without the means to share.
    """

    def __init__(self, monitor: Monitor, host: GuestMemory | None = None) -> None:
        self.host = host
        self.bare: Container[int] = frozenset()
        self.ram_base = monitor.frames.base
        self._monitor = monitor
        self._hands = Handover(monitor)
        self._segments: dict[int, Segment] = {}
        self._maps = [PageMap() for _ in monitor.cells]
        self._by_name = {cell.name: cell.index for cell in monitor.cells}
        self._next = 1
        self._apart: dict[int, frozenset[int]] = {}
        self._counts: Counter[str] = Counter()
        """Segments of each owner."""
        self._uses: defaultdict[int, set[Mapping]] = defaultdict(set)
        """Mappings of each segment."""

    # ---- segments

    def create(self, owner: str, pages: int, purpose: str) -> int:
        """Fresh pages, all zero, accounted to `owner`: a cell's name, with which they go, or any other name.

        Raises:
            Refused: BAD_ARGUMENT, NO_ROOM.
        """
        require(pages > 0, Status.BAD_ARGUMENT, f"a segment of {pages} pages")
        self._require_few_segments(owner)
        frames = self._monitor.frames.allocate(owner, pages * PAGE, purpose)
        return self._add(owner, pages, purpose, frames=frames.id).id

    def share(self, cell: Cell, address: int, pages: int, purpose: str) -> int:
        """Pages of the cell's own memory become a segment; for the cell itself nothing changes.

        Raises:
            Refused: BAD_ARGUMENT (not whole pages of its own), WRONG_STATE (some are shared already, or it is not up),
                NO_ROOM, DENIED.
        """
        self._require_means(cell)
        own = cell.params.ram // PAGE * PAGE
        _require_range(address, pages, self.ram_base, own, f"the memory of {cell.name}")
        require(self._hands.is_up(cell.index), Status.WRONG_STATE, f"{cell.name} is not up")
        what = f"pages of {cell.name} at {address:#x} are shared already"
        require(not self._maps[cell.index].taken(address, pages), Status.WRONG_STATE, what)
        self._require_few_segments(cell.name)
        self._require_news([cell.index], 1)
        segment = self._add(cell.name, pages, purpose, home=address)
        for home in segment.homes():
            self._maps[cell.index].enter(home, home=True)
            self._hands.show(segment, home)
        return segment.id

    def drop(self, segment: int) -> None:
        """The segment is no more: revoked, and its pages are the owner's own memory again, or free.

        Raises:
            Refused: NOT_YOURS (there is none), NO_ROOM (see `revoke`).
        """
        found = self._segment(segment)
        self._require_news([home.cell for home in found.homes()], 1)
        self._dissolve(found, keep=True)

    def revoke(self, segment: int, only: Container[int] | None = None) -> int:
        """Every mapping but the owner's is gone, for good also where the other cell does not co-operate; how many went.

        `only`: indices of the cells to take it from; the others keep it. A cell that gave its mapping back may have kept a
        hold on the pages: revoking ends that as well, and an owner who wants them for himself revokes.

        Raises:
            Refused: NOT_YOURS (there is none), NO_ROOM: somebody who goes on with it has not taken note of earlier changes yet.
        """
        found = self._segment(segment)
        stale = [b for b in found.backings if any(_loses(found, cell, only) for cell in b.seen)]
        gone = [mapping for mapping in self.mappings(segment) if _loses(found, mapping.cell, only)]
        if stale:
            staying = [view.cell for view in self._views(found) if view not in gone]
            self._require_news(staying, len(found.backings))
        for mapping in gone:
            self._take_away(mapping)
        self._hands.remake(found, {backing.host: [] for backing in stale}, self._views(found))
        return len(gone)

    # ---- mappings

    def map(
        self,
        segment: int,
        offset: int,
        pages: int,
        cell: Cell,
        address: int | None = None,
        *,
        writable: bool,
        permanent: bool = False,
        covers: bool = False,
    ) -> int:
        """Pages of a segment appear in a cell's window, at `address` or at the lowest free place; the answer is where.

        A cell that is not up yet finds them at its start. `permanent`: at each start, as long as the segment lives. `covers`:
        `address` may be in the cell's own memory, if it is up: what is there is covered, and there again when the mapping goes.

        Raises:
            Refused: NOT_YOURS (no such segment), BAD_ARGUMENT (no such pages, no such place), WRONG_STATE (something is
                there, or
                the cell has ended), NO_ROOM, DENIED (it runs on another host).
        """
        found = self._segment(segment)
        inside = offset >= 0 and pages > 0 and offset + pages <= found.pages
        require(inside, Status.BAD_ARGUMENT, f"pages {offset}+{pages} of a segment of {found.pages}")
        self._require_means(cell)
        require(not cell.ended, Status.WRONG_STATE, f"{cell.name} has ended")
        at = self._place(cell, address, pages, covers=covers)
        few = len(self._maps[cell.index].mappings) < MAPPING_LIMIT
        few = few and (permanent or not refused(self._monitor, cell, "core.grant", pages=pages))
        require(few, Status.NO_ROOM, f"{cell.name} has {MAPPING_LIMIT} mappings")
        self._require_news([cell.index], len(found.backings) + CUT_SLACK)
        if cell.index != found.cell:
            self._cut(found, offset, pages)
        mapping = Mapping(cell.index, at, offset, pages, writable, segment, permanent)
        self._enter(mapping)
        self._hands.show(found, mapping)
        return at

    def unmap(self, cell: Cell, address: int, pages: int) -> None:
        """The cell has no longer what lay there in its window: it gave it back, or its giver takes this mapping away.

        Raises:
            Refused: NOT_YOURS: not all of that was mapped there. NO_ROOM: see `revoke`.
        """
        table, end = self._maps[cell.index], address + pages * PAGE
        require(address % PAGE == 0 and pages > 0, Status.BAD_ARGUMENT, f"{pages} pages at {address:#x}")
        affected = table.overlapping(address, end)
        lost = [mapping.part(max(mapping.address, address), min(mapping.end, end)) for mapping in affected]
        whole = sum(part.pages for part in lost) == pages
        require(whole, Status.NOT_YOURS, f"{cell.name} has not {pages} pages mapped at {address:#x}")
        for mapping, part in zip(affected, lost, strict=True):
            self._give_back(mapping, part)

    def mappings(self, segment: int) -> tuple[Mapping, ...]:
        """Where a segment appears in windows, by cell and address. Its home in the owner's own memory is none of these."""
        return tuple(sorted(self._uses.get(segment, ())))

    def segment_at(self, cell: Cell, address: int) -> tuple[int, int] | None:
        """What lies at an address of a cell, own memory or window: the segment and the page of it; None if none does."""
        entry = self._maps[cell.index].entries.get(address // PAGE)
        return (entry.segment, entry.offset) if entry else None

    def is_behind(self, cell: Cell) -> bool:
        """Whether so many changes wait for the cell's vCPU that it must run before more is done with its pages."""
        return self._waiting(cell.index) > NEWS_LIMIT - CUT_SLACK - 1

    def runs_apart(self, cell: int) -> frozenset[int]:
        """The cells that this one shares pages with which one of both may write: they never run at once on the host."""
        if cell not in self._apart:
            self._apart[cell] = frozenset(self._partners(cell))
        return self._apart[cell]

    # ---- bytes

    def read(self, cell: Cell, address: int, length: int) -> bytes:
        """Look into a cell's memory, its own or its window.

        Raises:
            Refused: BAD_ARGUMENT: there is nothing. WRONG_STATE: the cell is not up.
        """
        places = self._find(cell, address, length, write=False)
        host = self._hands.settled(self.host)
        return b"".join([host.read(cell.index, *place) for place in places])

    def write(self, cell: Cell, address: int, data: bytes) -> None:
        """Change a cell's memory: what the cell itself could write.

        Raises:
            Refused: BAD_ARGUMENT: there is nothing, or the cell may only read it. WRONG_STATE: the cell is not up.
        """
        places = self._find(cell, address, len(data), write=True)
        done, host = 0, self._hands.settled(self.host)
        for backing, offset, length in places:
            host.write(cell.index, backing, offset, data[done : done + length])
            done += length

    def shared_of(self, cell: Cell) -> list[tuple[int, bytes]]:
        """What the cell's own shared pages hold now, for whoever looks at its memory from outside: (offset, bytes)."""
        homes = [home for s in self._segments.values() for home in s.homes() if home.cell == cell.index]
        return [(h.address - self.ram_base, self.read(cell, h.address, h.pages * PAGE)) for h in homes]

    # ---- lives

    def cell_ready(self, cell: Cell) -> None:
        """The cell is up: what it has been given appears."""
        for mapping in self._maps[cell.index].mappings:
            self._hands.show(self._segments[mapping.segment], mapping)

    def cell_ended(self, cell: Cell, *, keep: bool) -> None:
        """The cell is gone or goes: its segments with it, and its mappings but the permanent ones. `keep`: for inspection."""
        for segment in [s for s in self._segments.values() if s.cell == cell.index]:
            self._dissolve(segment, keep=keep)
        for mapping in list(self._maps[cell.index].mappings):
            if not mapping.permanent:
                self._leave(mapping)
        for segment in self._segments.values():
            for backing in segment.backings:
                backing.seen.discard(cell.index)

    def held_by(self, cell: Cell) -> int:
        """Segments of a cell, and its mappings but the permanent ones: none once it has ended and nothing is kept."""
        own = sum(segment.cell == cell.index for segment in self._segments.values())
        return own + sum(not mapping.permanent for mapping in self._maps[cell.index].mappings)

    def backings(self) -> dict[int, tuple[Backing, ...]]:
        """What each segment is made of, for whoever must know how pages are handed over."""
        return {segment.id: tuple(segment.backings) for segment in self._segments.values()}

    def check_invariants(self) -> None:
        """Raises:
        InvariantBroken: a mapping of nothing, pages in two places of one cell, frames that do not fit, what the dead still
        hold.
        """
        problems: list[str] = []
        uses = {(m.segment, m) for table in self._maps for m in table.mappings}
        if uses != {(segment, m) for segment, found in self._uses.items() for m in found}:
            problems.append(f"memory: mapped is {sorted(uses)}, but counted {dict(self._uses)}")
        for index, table in enumerate(self._maps):
            homes = [home for s in self._segments.values() for home in s.homes() if home.cell == index]
            problems += table.problems(homes, self._segments)
        for segment in self._segments.values():
            problems += segment.problems({cell.index for cell in self._monitor.cells if self._hands.is_up(cell.index)})
            held = {frames.id: frames.count for frames in self._monitor.frames.segments(segment.owner)}
            if segment.frames is not None and held.get(segment.frames) != segment.pages:
                problems.append(f"memory: {segment} has not the frames that it was made of")
        for cell in self._monitor.cells:
            if cell.ended and any(segment.cell == cell.index for segment in self._segments.values()):
                problems.append(f"memory: {cell.name} has ended and still owns segments")
            if cell.ended and any(not mapping.permanent for mapping in self._maps[cell.index].mappings):
                problems.append(f"memory: {cell.name} has ended and still has pages of others")
        require_none(problems)

    # ---- inside: segments

    def _add(self, owner: str, pages: int, purpose: str, home: int | None = None, frames: int | None = None) -> Segment:
        number, self._next = self._next, self._next + 1
        segment = Segment(number, owner, self._by_name.get(owner), pages, purpose, home, frames)
        segment.backings.append(self._hands.make(segment))
        self._segments[number] = segment
        self._counts[owner] += 1
        return segment

    def _segment(self, segment: int) -> Segment:
        found = self._segments.get(segment)
        if found is None:
            raise Refused(Status.NOT_YOURS, f"there is no segment {segment}")
        return found

    def _views(self, segment: Segment) -> list[Mapping]:
        """Everywhere it can be seen, its home included."""
        return [*segment.homes(), *self.mappings(segment.id)]

    def _cut(self, segment: Segment, offset: int, pages: int) -> None:
        """See that a range of pages is made of whole backings, so that nobody gets more with it."""
        cuts = segment.cuts(offset, pages)
        if cuts:
            users = [view.cell for view in self._views(segment)]
            self._require_news(users, len(segment.backings) + CUT_SLACK)
            self._hands.remake(segment, cuts, self._views(segment))

    def _dissolve(self, segment: Segment, *, keep: bool) -> None:
        """Take it from everybody. `keep`: what it holds moves back into its owner's own memory."""
        for mapping in self.mappings(segment.id):
            self._take_away(mapping)
        self._hands.drop(segment, keep=keep)
        for home in segment.homes():
            self._maps[home.cell].leave(home, home=True)
            self._hands.give_back(home, (home.address - self.ram_base) // PAGE)
        if segment.frames is not None:
            self._monitor.frames.free_one(segment.frames)
        del self._segments[segment.id]
        self._uses.pop(segment.id, None)
        self._counts[segment.owner] -= 1
        self._apart.clear()

    # ---- inside: mappings

    def _place(self, cell: Cell, address: int | None, pages: int, *, covers: bool) -> int:
        table = self._maps[cell.index]
        if address is None:
            found = table.gap(WINDOW_BASE, WINDOW_SIZE, pages)
            if found is None:
                raise Refused(Status.NO_ROOM, f"the window of {cell.name} has no gap of {pages} pages")
            return found
        if covers and self._covers(cell, address, pages):
            require(self._hands.is_up(cell.index), Status.WRONG_STATE, f"{cell.name} is not up")
        else:
            _require_range(address, pages, WINDOW_BASE, WINDOW_SIZE, f"the window of {cell.name}")
        require(not table.taken(address, pages), Status.WRONG_STATE, f"{cell.name} has something at {address:#x}")
        return address

    def _covers(self, cell: Cell, address: int, pages: int) -> bool:
        """Whether pages there hide the cell's own memory."""
        end = self.ram_base + cell.params.ram // PAGE * PAGE
        return self.ram_base <= address and address + pages * PAGE <= end and address % PAGE == 0 and pages > 0

    def _uncover(self, mapping: Mapping) -> None:
        """What a cell saw there is gone; what lies below is there again."""
        if self._covers(self._monitor.cells[mapping.cell], mapping.address, mapping.pages):
            self._hands.give_back(mapping, (mapping.address - self.ram_base) // PAGE)
        else:
            self._hands.take_away(mapping)

    def _enter(self, mapping: Mapping) -> None:
        self._maps[mapping.cell].enter(mapping)
        self._uses[mapping.segment].add(mapping)
        self._apart.clear()

    def _leave(self, mapping: Mapping) -> None:
        self._maps[mapping.cell].leave(mapping)
        self._uses[mapping.segment].discard(mapping)
        self._apart.clear()

    def _take_away(self, mapping: Mapping) -> None:
        self._leave(mapping)
        self._uncover(mapping)

    def _give_back(self, mapping: Mapping, lost: Mapping) -> None:
        """A mapping loses a part; what is left of it must be made of whole backings."""
        segment = self._segments[mapping.segment]
        if mapping.cell != segment.cell:
            self._cut(segment, lost.offset, lost.pages)
        self._leave(mapping)
        self._uncover(lost)
        for left in (mapping.part(mapping.address, lost.address), mapping.part(lost.end, mapping.end)):
            if left.pages:
                self._enter(left)

    def _partners(self, cell: int) -> Iterator[int]:
        for segment in self._segments.values():
            views = self._views(segment)
            mine = [view.writable for view in views if view.cell == cell]
            if mine:
                yield from (view.cell for view in views if view.cell != cell and (view.writable or any(mine)))

    # ---- inside: bytes

    def _find(self, cell: Cell, address: int, length: int, *, write: bool) -> list[tuple[int, int, int]]:
        """Where bytes of a cell are: (backing, offset, length), page by page."""
        if not self._hands.is_up(cell.index):
            raise Refused(Status.WRONG_STATE, f"{cell.name} is not up")
        if length < 0:
            raise Refused(Status.BAD_ARGUMENT, f"{length} bytes")
        places, end = [], address + length
        while address < end:
            part = min(end, (address // PAGE + 1) * PAGE) - address
            places.append((*self._find_page(cell, address, write=write), part))
            address += part
        return places

    def _find_page(self, cell: Cell, address: int, *, write: bool) -> tuple[int, int]:
        entry = self._maps[cell.index].entries.get(address // PAGE)
        if entry is None:
            if not (cell.params.pages and 0 <= address - self.ram_base < cell.params.ram):
                raise Refused(Status.BAD_ARGUMENT, f"{cell.name} has nothing at {address:#x}")
            return OWN, address - self.ram_base
        if write and not entry.writable:
            raise Refused(Status.BAD_ARGUMENT, f"{cell.name} may only read {address:#x}")
        backing = self._segments[entry.segment].backing_of(entry.offset)
        return backing.host, (entry.offset - backing.offset) * PAGE + address % PAGE

    # ---- inside: what is refused

    def _require_means(self, cell: Cell) -> None:
        elsewhere = f"{cell.name} runs on another host: it can share no memory"
        require(cell.params.pages, Status.DENIED, elsewhere)
        alone = f"{cell.name} is connected to nobody: it can share no memory"
        require(cell.index not in self.bare, Status.DENIED, alone)

    def _require_few_segments(self, owner: str) -> None:
        require(self._counts[owner] < SEGMENT_LIMIT, Status.NO_ROOM, f"{owner} has {SEGMENT_LIMIT} segments")

    def _require_news(self, cells: list[int], more: int) -> None:
        """So much can be told to each of these cells, as often as it is named, before it goes on."""
        for cell in set(cells):
            waiting = self._waiting(cell) + more * cells.count(cell)
            name = self._monitor.cells[cell].name
            require(waiting <= NEWS_LIMIT, Status.NO_ROOM, f"{name} has to take note of {waiting} changes first")

    def _waiting(self, cell: int) -> int:
        """News for a vCPU, or for the one that will be there when the cell is up."""
        if self._hands.is_up(cell):
            return self._hands.waiting(cell)
        return sum(len(self._segments[m.segment].pieces(m.offset, m.pages)) for m in self._maps[cell].mappings)


def _loses(segment: Segment, cell: int, only: Container[int] | None) -> bool:
    """Whether a revocation takes the segment from this cell."""
    return cell != segment.cell and (only is None or cell in only)


def _require_range(address: int, pages: int, base: int, size: int, what: str) -> None:
    inside = pages > 0 and base <= address and address + pages * PAGE <= base + size
    require(inside and address % PAGE == 0, Status.BAD_ARGUMENT, f"{pages} pages at {address:#x}: not in {what}")
