"""How pages change hands: orders to the shell, and news to the vCPUs, which they get before they run on.

Theory: a vCPU hears of memory before all other events, and for each piece of news that gives it something a descriptor waits
at its process. What one resume carries is bounded, so is what may wait (`NEWS_LIMIT`); whoever would exceed that is refused.
An order waits among the monitor's effects until its event has been handled; `settled` has those carried out that somebody
cannot wait for.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.records import Event, EventKind
from hypervisor.core import effects as do
from hypervisor.core.cell import VcpuState
from hypervisor.core.delivery import announce, unannounced
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.segments import OWN, Backing, Mapping, Segment

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

NEWS_LIMIT = 64
"""Pieces of news about memory that wait for one vCPU: as many as go into one resume beside the longest answer."""

_NEWS = struct.Struct("<QIB")
MemoryOrder = do.MakeSegment | do.MapMemory | do.UnmapMemory | do.DropSegment
ORDERS = (do.MakeSegment, do.MapMemory, do.UnmapMemory, do.DropSegment)


class GuestMemory(Protocol):
    """What holds the bytes: the shell, or a test's stand-in. Backing 0 is the cell's own memory, from its beginning."""

    def perform(self, order: MemoryOrder) -> None:
        """Carry out an order. Trouble of the host must not show here: the cell in question fails later."""
        ...

    def read(self, cell: int, backing: int, offset: int, length: int) -> bytes:
        """Bytes of a backing."""
        ...

    def write(self, cell: int, backing: int, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        ...


class Handover:
    """Carries a decision about memory to everybody whom it concerns."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._next_backing = 1

    # ---- backings

    def make(self, segment: Segment) -> Backing:
        """The first backing of a segment: fresh pages, or those that lie at its home."""
        backing = self._new_backing(0, segment.pages)
        order = do.MakeSegment(backing.host, segment.pages)
        for home in segment.homes():
            order = replace(order, cell=home.cell, address=home.address)
        self._monitor.emit(order)
        return backing

    def remake(self, segment: Segment, cuts: dict[int, list[int]], views: Iterable[Mapping]) -> None:
        """Put fresh backings, cut at pages of the segment, in the place of others (by number); these views get them."""
        made: list[Backing] = []
        for old in segment.backings:
            made += self._divide(old, cuts[old.host]) if old.host in cuts else [old]
        changed = {backing.host for backing in made} - {backing.host for backing in segment.backings}
        segment.backings = made
        for view in views:
            self.show(segment, view, only=changed)

    def _divide(self, old: Backing, cuts: list[int]) -> list[Backing]:
        borders = [old.offset, *cuts, old.end]
        fresh = [self._new_backing(start, end - start) for start, end in pairwise(borders)]
        for backing in fresh:
            offset = backing.offset - old.offset
            self._monitor.emit(do.MakeSegment(backing.host, backing.pages, source=old.host, offset=offset))
        self._monitor.emit(do.DropSegment(old.host))
        return fresh

    def drop(self, segment: Segment, *, keep: bool) -> None:
        """All its backings are emptied. `keep`: what they hold moves home first, if it has a home."""
        for backing in segment.backings:
            if keep and segment.cell is not None and segment.home is not None:
                place = segment.home + backing.offset * PAGE
                self._monitor.emit(do.DropSegment(backing.host, segment.cell, place))
            else:
                self._monitor.emit(do.DropSegment(backing.host))

    def _new_backing(self, offset: int, pages: int) -> Backing:
        number, self._next_backing = self._next_backing, self._next_backing + 1
        return Backing(number, offset, pages)

    # ---- cells

    def is_up(self, cell: int) -> bool:
        """Whether there is a process that could be given anything."""
        return self._monitor.cells[cell].vcpu.state is not VcpuState.ABSENT

    def waiting(self, cell: int) -> int:
        """Pieces of news that wait for a cell's vCPU."""
        return unannounced(self._monitor.cells[cell].vcpu.events)

    def show(self, segment: Segment, view: Mapping, only: Container[int] | None = None) -> None:
        """Hand over what a view is made of, if the cell is up. `only`: of these backings."""
        if not self.is_up(view.cell):
            return
        address = view.address
        for backing, at, pages in segment.pieces(view.offset, view.pages):
            if only is None or backing.host in only:
                backing.seen.add(view.cell)
                self._hand_over(view.cell, address, backing.host, at, pages, writable=view.writable)
            address += pages * PAGE

    def give_back(self, home: Mapping, page: int) -> None:
        """A cell gets its own memory again where it was shared; `page`: the first one, of that memory."""
        if self.is_up(home.cell):
            self._hand_over(home.cell, home.address, OWN, page, home.pages, writable=True)

    def take_away(self, view: Mapping) -> None:
        """What a cell saw there is gone."""
        if self.is_up(view.cell):
            self._monitor.emit(do.UnmapMemory(view.cell, view.address, view.pages))
            self._tell(view.cell, view.address, view.pages, 0)

    def _hand_over(self, cell: int, address: int, backing: int, at: int, pages: int, *, writable: bool) -> None:
        self._monitor.emit(do.MapMemory(cell, address, backing, at, pages, writable))
        self._tell(cell, address, pages, READ | (WRITE if writable else 0))

    def _tell(self, cell: int, address: int, pages: int, rights: int) -> None:
        vcpu = self._monitor.cells[cell].vcpu
        announce(vcpu.events, Event(self._monitor.now, EventKind.MEMORY, _NEWS.pack(address, pages, rights)))

    # ---- the host

    def settled(self, host: GuestMemory | None) -> GuestMemory:
        """The door to the bytes, after everything that was ordered so far has been done."""
        if host is None:
            raise InvariantBroken("nothing holds the memory of cells")
        for order in self._monitor.withdraw_orders():
            host.perform(order)
        return host
