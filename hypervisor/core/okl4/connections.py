"""What boot makes of a topology's wiring: for each end of a channel its slots, queues and pages, and for each cell its list.

Theory: authority is handed out once. Every capability that a cell will ever hold is given here, in the order of the
topology, so that slots and addresses are the same in every run and in each life of a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.core.capabilities import Authority, Kind, Right
from hypervisor.core.okl4.channels import Queue
from hypervisor.core.wiring import LINK_PAGES, ChannelParams, SharedParams, Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

RIGHTS = {"send": Right.SEND, "receive": Right.RECEIVE}
"""A topology's words."""


class End(NamedTuple):
    """The end of connection `number` that is `cell`'s: what CHANNEL and NOTIFICATION capabilities name."""

    number: int
    cell: int


class Region(NamedTuple):
    """Pages that are shared from boot on: what MEMORY capabilities name."""

    name: str
    segment: int
    pages: int


class View(NamedTuple):
    """A region as one cell has it."""

    region: Region
    slot: int
    address: int
    writable: bool

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.region.pages * PAGE


@dataclass(slots=True)
class Connection:
    """A channel as it was made. By cell: its slot for the other end; the queue to it (messages); its view of pages (links).

    `bereft`: ends whose partner died since they last sent anything: who asks for an answer is told once that none will come.
    `behind`: by sender, messages that an injected fault lets arrive after the next one.
    """

    params: ChannelParams
    slots: dict[int, int] = field(default_factory=dict)
    queues: dict[int, Queue] = field(default_factory=dict)
    bereft: set[int] = field(default_factory=set)
    behind: dict[int, list[bytes]] = field(default_factory=dict)
    views: dict[int, View] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[int, int]:
        """Front and back."""
        return self.params.front, self.params.back


class Connections:
    """All of them. Pages come from `monitor.memory` and appear in each life of their cells.

    Raises:
        Refused: the board has not enough memory for them, or they are for a cell on another host.
    """

    def __init__(self, monitor: Monitor, wiring: Wiring, authority: Authority) -> None:
        self._monitor = monitor
        self._authority = authority
        self._next_address: dict[int, int] = {}
        self.all: list[Connection] = []
        self.shared: dict[str, dict[int, View]] = {}
        for channel in wiring.channels:
            self.all.append(self._connect(len(self.all), channel))
        for memory in wiring.shared:
            self.shared[memory.name] = self._share(memory)

    # ---- making

    def _connect(self, number: int, params: ChannelParams) -> Connection:
        connection = Connection(params)
        if params.kind in LINK_PAGES:
            self._make_link(number, connection)
        else:
            self._make_channel(number, connection)
        return connection

    def _make_channel(self, number: int, connection: Connection) -> None:
        params = connection.params
        words = {params.front: params.front_rights, params.back: params.back_rights}
        for cell in connection.ends:
            rights = Right(sum(RIGHTS[word] for word in words[cell]))
            connection.slots[cell] = self._authority.give(cell, Kind.CHANNEL, End(number, cell), rights)
            connection.queues[cell] = Queue()

    def _make_link(self, number: int, connection: Connection) -> None:
        params = connection.params
        region = self._region(f"channel {params.name}", LINK_PAGES[params.kind])
        for cell in connection.ends:
            rights = Right.SEND | Right.RECEIVE
            connection.slots[cell] = self._authority.give(cell, Kind.NOTIFICATION, End(number, cell), rights)
            connection.views[cell] = self._view(cell, region, writable=True)

    def _share(self, params: SharedParams) -> dict[int, View]:
        region = self._region(f"shared {params.name}", -(-params.size // PAGE))
        return {cell: self._view(cell, region, writable) for cell, writable in sorted(params.cells.items())}

    def _region(self, name: str, pages: int) -> Region:
        """Frames of nobody in particular: they outlive every cell."""
        return Region(name, self._monitor.memory.create(name, pages, "shared at boot"), pages)

    def _view(self, cell: int, region: Region, writable: bool) -> View:
        rights = Right.READ | Right.WRITE if writable else Right.READ
        slot = self._authority.give(cell, Kind.MEMORY, region, rights)
        view = View(region, slot, self._next_address.get(cell, WINDOW_BASE), writable)
        self._next_address[cell] = view.end
        memory, owner = self._monitor.memory, self._monitor.cells[cell]
        memory.map(region.segment, 0, region.pages, owner, view.address, writable=writable, permanent=True)
        return view

    # ---- using

    def of(self, cell: int) -> Iterable[Connection]:
        """Those with an end at a cell."""
        return (connection for connection in self.all if cell in connection.ends)

    def views_of(self, cell: int) -> list[View]:
        """The shared pages of a cell, in the order of their addresses."""
        views = [connection.views[cell] for connection in self.of(cell) if cell in connection.views]
        return views + [by_cell[cell] for by_cell in self.shared.values() if cell in by_cell]

    # ---- telling

    def describe(self, cell: int) -> dict[str, Any]:
        """What a cell is told at its start; nothing if it is connected to nothing."""
        channels = [self._channel(connection, cell) for connection in self.of(cell) if connection.queues]
        links = [self._link(connection, cell) for connection in self.of(cell) if connection.views]
        shared = [self._memory(name, views[cell]) for name, views in self.shared.items() if cell in views]
        told = {"channels": channels, "links": links, "shared": shared}
        return told if any(told.values()) else {}

    def _channel(self, connection: Connection, cell: int) -> Mapping[str, Any]:
        return {**self._end(connection, cell), "limit": connection.queues[cell].limit}

    def _link(self, connection: Connection, cell: int) -> Mapping[str, Any]:
        view, params = connection.views[cell], connection.params
        role = "front" if cell == params.front else "back"
        size = view.region.pages * PAGE
        return {**self._end(connection, cell), "kind": params.kind, "role": role, "address": view.address, "size": size}

    def _end(self, connection: Connection, cell: int) -> dict[str, Any]:
        params = connection.params
        peer = self._monitor.cells[params.other(cell)].name
        return {"name": params.name, "peer": peer, "slot": connection.slots[cell]}

    @staticmethod
    def _memory(name: str, view: View) -> Mapping[str, Any]:
        size = view.region.pages * PAGE
        return {"name": name, "slot": view.slot, "address": view.address, "size": size, "writable": view.writable}
