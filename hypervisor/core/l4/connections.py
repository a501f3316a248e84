"""What boot makes of a topology's wiring: for each cell the capabilities that it has at the start of each life, and its list of
them.

A channel is a pair of threads that know each other; a link also gives each a notification of the other. A pager knows each
client's exception thread. The slots are the same in every life: a table is empty when a life begins, and filled in this order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.l4.waits import EXCEPTIONS, Thread
from hypervisor.core.mechanism import Reach
from hypervisor.core.wiring import LINK_PAGES, MESSAGE_LIMIT, ChannelParams, SharedParams, Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

NO_RIGHT = Right(0)
BOTH = frozenset({"send", "receive"})


class Endowment(NamedTuple):
    """A capability that a cell has from the start."""

    kind: Kind
    thread: Thread
    rights: Right


class View(NamedTuple):
    """Shared memory as one cell has it."""

    address: int
    pages: int
    writable: bool


@dataclass(frozen=True, slots=True)
class End:
    """A cell's end of a connection. `slot` names the partner, `bell` its notification (0: it has none)."""

    params: ChannelParams
    slot: int
    bell: int


class Connections:
    """Who has what at boot."""

    def __init__(self, monitor: Monitor, wiring: Wiring, authority: Authority) -> None:
        self._monitor = monitor
        self._wiring = wiring
        self._authority = authority
        self._endowed: dict[int, list[Endowment]] = {cell.index: [] for cell in monitor.cells}
        self._ends: dict[int, list[End]] = {cell.index: [] for cell in monitor.cells}
        self._clients: dict[int, dict[int, int]] = {cell.index: {} for cell in monitor.cells}
        self._shared: dict[str, dict[int, View]] = {}
        self._next_address = {cell.index: WINDOW_BASE for cell in monitor.cells}
        for memory in wiring.shared:
            self._share(memory)
        for number, params in enumerate(wiring.channels, start=1):
            for cell in (params.front, params.back):
                self._ends[cell].append(self._end(cell, number, params))
        for client, pager in sorted(wiring.pagers.items()):
            rights = Right.SEND | Right.RECEIVE
            self._clients[pager][client] = self._endow(pager, Kind.ENDPOINT, Thread(client, EXCEPTIONS), rights)

    def _share(self, params: SharedParams) -> None:
        """Frames of nobody in particular that every cell which is named finds in its window, in each life."""
        pages = -(-params.size // PAGE)
        memory = self._monitor.memory
        segment = memory.create(f"shared {params.name}", pages, "shared at boot")
        views = self._shared[params.name] = {}
        for cell, writable in sorted(params.cells.items()):
            address = self._next_address[cell]
            memory.map(segment, 0, pages, self._monitor.cells[cell], address, writable=writable, permanent=True)
            views[cell] = View(address, pages, writable)
            self._next_address[cell] += pages * PAGE

    def _end(self, cell: int, number: int, params: ChannelParams) -> End:
        partner = Thread(params.other(cell), number)
        mine, theirs = _rights(params, cell), _rights(params, partner.cell)
        rights = Right.GRANT
        if "send" in mine and "receive" in theirs:
            rights |= Right.SEND
        if "receive" in mine:
            rights |= Right.RECEIVE
        slot = self._endow(cell, Kind.ENDPOINT, partner, rights)
        link = params.kind in LINK_PAGES
        return End(params, slot, self._endow(cell, Kind.NOTIFICATION, partner, Right.SEND) if link else 0)

    def _endow(self, cell: int, kind: Kind, thread: Thread, rights: Right) -> int:
        self._endowed[cell].append(Endowment(kind, thread, rights))
        return len(self._endowed[cell])

    def equip(self, cell: int) -> None:
        """A life begins: the table is filled, with what it has of the board behind the rest."""
        for slot, endowment in enumerate(self._endowed[cell], start=1):
            if self._authority.give(cell, endowment.kind, endowment.thread, endowment.rights) != slot:
                raise InvariantBroken(f"cell {cell} begins a life with capabilities")
        for kind, target, rights in self._of_the_board(cell):
            self._authority.give(cell, kind, target, rights)

    def _of_the_board(self, cell: int) -> Iterator[tuple[Kind, Hashable, Right]]:
        """Devices and their lines; they are attached after this object is made."""
        for device in self._monitor.bus.devices:
            if device.owner == cell:
                yield Kind.DEVICE, device.name, Right.READ | Right.WRITE | Right.CONTROL
                if device.line is not None:
                    yield Kind.IRQ, (device.line, device.name), Right.RECEIVE | Right.CONTROL

    def partners(self, cell: int) -> Iterator[tuple[int, int, int]]:
        """(partner, the cell's slot for it, its slot for the cell), in order; a client has none for its pager (0)."""
        for end in self._ends[cell]:
            other = end.params.other(cell)
            yield other, end.slot, next(its.slot for its in self._ends[other] if its.params is end.params)
        for client, slot in self._clients[cell].items():
            yield client, slot, 0
        if cell in self._wiring.pagers:
            pager = self._wiring.pagers[cell]
            yield pager, 0, self._clients[pager][cell]

    # ---- telling

    def describe(self, cell: int) -> dict[str, Any]:
        """What a cell is told at its start; nothing if it is connected to nothing."""
        ends = self._ends[cell]
        told: dict[str, Any] = {
            "channels": [self._channel(cell, end) for end in ends if not end.bell],
            "links": [self._link(cell, end) for end in ends if end.bell],
            "shared": [self._memory(name, views[cell]) for name, views in self._shared.items() if cell in views],
            "clients": {self._name(client): slot for client, slot in self._clients[cell].items()},
            "pager": self._name(self._wiring.pagers[cell]) if cell in self._wiring.pagers else "",
        }
        return {**told, "window": self._window(cell)} if any(told.values()) else {}

    @staticmethod
    def _memory(name: str, view: View) -> dict[str, Any]:
        return {"name": name, "address": view.address, "size": view.pages * PAGE, "writable": view.writable}

    def _window(self, cell: int) -> tuple[int, int]:
        """What is left of the window behind the shared memory: where pages may come (address, pages)."""
        address = self._next_address[cell]
        return address, (WINDOW_BASE + WINDOW_SIZE - address) // PAGE

    def _channel(self, cell: int, end: End) -> dict[str, Any]:
        return {**self._known(cell, end), "limit": MESSAGE_LIMIT}

    def _link(self, cell: int, end: End) -> dict[str, Any]:
        role = "front" if cell == end.params.front else "back"
        size = LINK_PAGES[end.params.kind] * PAGE
        return {**self._known(cell, end), "kind": end.params.kind, "role": role, "bell": end.bell, "size": size}

    def _known(self, cell: int, end: End) -> dict[str, Any]:
        return {"name": end.params.name, "peer": self._name(end.params.other(cell)), "slot": end.slot}

    def _name(self, cell: int) -> str:
        return self._monitor.cells[cell].name

    # ---- the graph

    def reach(self) -> list[Reach]:
        """Every capability that is held now (before the start: that will be) is an edge, and so is having a pager."""
        edges = [edge for cell in self._endowed for edge in self._edges(cell)]
        return edges + [
            Reach(self._name(client), self._name(pager), "pager", "page faults+exceptions")
            for client, pager in sorted(self._wiring.pagers.items())
        ]

    def _edges(self, cell: int) -> Iterator[Reach]:
        held = [(c.kind, c.target, c.rights) for c in self._authority.listing(cell).values()]
        for kind, target, rights in held or [*self._endowed[cell], *self._of_the_board(cell)]:
            by, to = kind.name.lower(), str(target[1]) if isinstance(target, tuple) else str(target)
            if isinstance(target, Thread):
                by, to = f"{by} {self._called(target)}", self._name(target.cell)
            yield Reach(self._name(cell), to, by, rights.text())
        for name, views in self._shared.items():
            if cell in views:
                yield Reach(self._name(cell), name, "memory", "read+write" if views[cell].writable else "read")

    def _called(self, thread: Thread) -> str:
        return "exceptions" if thread.number == EXCEPTIONS else self._wiring.channels[thread.number - 1].name


def _rights(params: ChannelParams, cell: int) -> frozenset[str]:
    """What the topology lets an end do; a link works both ways."""
    if params.kind in LINK_PAGES:
        return BOTH
    return params.front_rights if cell == params.front else params.back_rights
