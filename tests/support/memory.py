"""A host's memory in bytearrays, and what each cell sees of it: for tests of whatever shares pages, without processes.

    memory = BytesMemory.under(monitor)                  # the door of monitor.memory; give it to a Loop as `memory`
    memory.carry_out(monitor.handle(...))                # where no loop does it
    memory.store(cell, 0xC000_0000, b"hello")            # as the guest would; AccessError where its host's kernel refused

A view of pages (`views`) is what a process holds: one that does not co-operate (`stubborn`) keeps what was revoked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest

from hypervisor.abi.memory import PAGE
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core import events as on
from hypervisor.core.cell import Cell, CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.errors import Refused
from hypervisor.core.frames import FrameTable
from hypervisor.core.handover import ORDERS, MemoryOrder
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.core.segments import OWN


class AccessError(Exception):
    """The guest touched what is not there, or wrote what it may only read."""


class View(NamedTuple):
    """A page as a process has it mapped."""

    content: bytearray
    offset: int
    writable: bool


class BytesMemory:
    """Stands for the host. `rams`: each cell's own memory by index."""

    def __init__(self, rams: dict[int, int], base: int) -> None:
        self.base = base
        self.own = {cell: bytearray(size) for cell, size in rams.items()}
        self.segments: dict[int, bytearray] = {}
        self.views: defaultdict[int, dict[int, View]] = defaultdict(dict)
        self.stubborn: set[int] = set()
        self.trouble: dict[int, str] = {}
        self.orders: list[MemoryOrder] = []
        self._table: dict[type, Callable[[Any], None]] = {
            do.MakeSegment: self._make,
            do.MapMemory: self._map,
            do.UnmapMemory: self._unmap,
            do.DropSegment: self._drop,
        }

    @classmethod
    def under(cls, monitor: Monitor) -> BytesMemory:
        """One for all cells of a monitor, as its door."""
        memory = cls({cell.index: cell.params.ram for cell in monitor.cells}, monitor.frames.base)
        monitor.memory.host = memory
        return memory

    # ---- what the monitor asks

    def perform(self, order: MemoryOrder) -> None:
        self.orders.append(order)
        self._table[type(order)](order)

    def read(self, cell: int, backing: int, offset: int, length: int) -> bytes:
        return bytes(self._content(cell, backing)[offset : offset + length])

    def write(self, cell: int, backing: int, offset: int, data: bytes) -> None:
        self._content(cell, backing)[offset : offset + len(data)] = data

    def carry_out(self, effects: Iterable[do.Effect]) -> list[do.Effect]:
        """Do what of these is about memory; the rest is returned."""
        rest: list[do.Effect] = []
        for effect in effects:
            if isinstance(effect, ORDERS):
                self.perform(effect)
            elif isinstance(effect, do.KillCell):
                self.forget(effect.cell, keep=effect.keep)
                rest.append(effect)
            else:
                rest.append(effect)
        return rest

    def forget(self, cell: int, *, keep: bool = False) -> None:
        """The cell's process is gone."""
        self.views[cell].clear()
        if not keep:
            self.own[cell][:] = bytes(len(self.own[cell]))

    def _content(self, cell: int, backing: int) -> bytearray:
        return self.own[cell] if backing == OWN else self.segments[backing]

    def _make(self, order: do.MakeSegment) -> None:
        assert order.segment not in self.segments
        size = order.pages * PAGE
        content = bytearray(size)
        if order.source is not None:
            content[:] = self.segments[order.source][order.offset * PAGE :][:size]
        elif order.cell is not None:
            content[:] = self.own[order.cell][order.address - self.base :][:size]
        self.segments[order.segment] = content

    def _map(self, order: do.MapMemory) -> None:
        content = self._content(order.cell, order.segment)
        assert (order.offset + order.pages) * PAGE <= len(content)
        for page in range(order.pages):
            view = View(content, (order.offset + page) * PAGE, order.writable)
            self.views[order.cell][order.address // PAGE + page] = view

    def _unmap(self, order: do.UnmapMemory) -> None:
        if order.cell not in self.stubborn:
            for page in range(order.pages):
                del self.views[order.cell][order.address // PAGE + page]

    def _drop(self, order: do.DropSegment) -> None:
        content = self.segments.pop(order.segment)
        if order.cell is not None:
            start = order.address - self.base
            self.own[order.cell][start : start + len(content)] = content
        content[:] = bytes(len(content))

    # ---- what a guest does

    def load(self, cell: Cell, address: int, length: int) -> bytes:
        """As the guest would read, within a page."""
        view = self._view(cell, address)
        return bytes(view.content[view.offset + address % PAGE :][:length])

    def store(self, cell: Cell, address: int, data: bytes) -> None:
        """As the guest would write, within a page."""
        view = self._view(cell, address)
        if not view.writable:
            raise AccessError(f"{cell.name} may not write {address:#x}")
        start = view.offset + address % PAGE
        view.content[start : start + len(data)] = data

    def _view(self, cell: Cell, address: int) -> View:
        view = self.views[cell.index].get(address // PAGE)
        if view is not None:
            return view
        if 0 <= address - self.base < len(self.own[cell.index]):
            return View(self.own[cell.index], (address - self.base) // PAGE * PAGE, True)
        raise AccessError(f"{cell.name} has nothing at {address:#x}")


class MemoryBench:
    """A monitor whose cells do nothing, its memory and its stand-in host. `pages`: per cell whether it runs on this host."""

    def __init__(
        self, cells: int, *, up: bool = True, pages: Sequence[bool] = (), on_crash: str = "destroy", restarts: int = 3
    ) -> None:
        params = [
            CellParams(
                f"cell{i}", 16 * PAGE, (0,), on_crash=on_crash, max_restarts=restarts, pages=pages[i] if pages else True
            )
            for i in range(cells)
        ]
        frames = FrameTable(2048 * PAGE, 0x4000_0000)
        policy = make_policy("round_robin", slice_cycles=1_000)
        self.monitor = Monitor(params, policy, costs=Costs(), frames=frames)
        self.host = BytesMemory.under(self.monitor)
        self.memory = self.monitor.memory
        self.base = frames.base
        self.cells = self.monitor.cells
        self.host.carry_out(self.monitor.start())
        for cell in self.cells if up else []:
            self.ready(cell)

    def ready(self, cell: Cell) -> None:
        """The cell has come up; it sleeps for ever."""
        self.host.carry_out(self.monitor.handle(on.CellReady(cell.index), self.monitor.now))
        self.monitor.scheduler.block(cell.vcpu, NEVER, self.monitor.now)

    def kill(self, cell: Cell) -> None:
        """Its process is gone; its policy decides."""
        self.host.carry_out(self.monitor.handle(on.CellDied(cell.index, "killed"), self.monitor.now))

    def settle(self) -> None:
        """Have done what was ordered."""
        self.host.carry_out(self.monitor.withdraw_orders())

    def load(self, cell: Cell, address: int, length: int) -> bytes:
        """As the guest reads, after everything that was ordered."""
        self.settle()
        return self.host.load(cell, address, length)

    def take_news(self, cell: Cell) -> None:
        """The vCPU has run, and knows."""
        cell.vcpu.events.clear()

    def reach(self, cell: Cell) -> dict[int, int]:
        """Bytes of each backing that the cell's process has a hold on: by number of the backing."""
        self.settle()
        numbers = {id(content): number for number, content in self.host.segments.items()}
        held = {id(view.content): len(view.content) for view in self.host.views[cell.index].values()}
        return {numbers[key]: size for key, size in held.items() if key in numbers}

    def held_pages(self, cell: Cell) -> set[tuple[int, int]]:
        """The pages (segment, offset) that the cell's process can reach through any descriptor that it was given."""
        held = self.reach(cell)
        return {
            (segment, backing.offset + page)
            for segment, backings in self.memory.backings().items()
            for backing in backings
            if backing.host in held
            for page in range(backing.pages)
        }

    def seen_by(self, cell: int) -> set[int]:
        """Segments of which the cell was handed something that has not been replaced since."""
        return {segment for segment, found in self.memory.backings().items() if any(cell in b.seen for b in found)}

    def check(self) -> None:
        """Everything holds together, and there are no more backings than the segments have."""
        self.settle()
        self.monitor.check_invariants()
        assert set(self.host.segments) == {b.host for found in self.memory.backings().values() for b in found}


def refusal(status: Status, call: Callable[[], object]) -> str:
    """Why something is refused with this status."""
    with pytest.raises(Refused) as found:
        call()
    assert found.value.status is status
    return found.value.why


def shared(bench: MemoryBench, pages: int = 2) -> int:
    """A segment of the first cell's first pages."""
    return bench.memory.share(bench.cells[0], bench.base, pages, "test")
