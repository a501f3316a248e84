"""What happens to a cell, as messages to the cell that takes care of it: its pager, or the virtual machine monitor that hosts
it.

Theory: the kernel sends in the name of the cell, from its exception thread, and the cell waits for the reply as if it had
called. A page fault says address, access and instruction; the reply's map item is the page. An access to a device that is not
there, and a hypercall that nobody knows, say what was asked; the reply's word is the result, so that a user-level program can
be the hardware and the hypervisor of an unmodified kernel. A fault that the cell cannot go on from is told, and the cell then
ends.

Who asks waits for its pager, whoever else runs: also for the pager's next life, if its topology restarts it. When there will be
none, its clients fail, and nobody else does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypervisor.abi.l4 import Label, Message
from hypervisor.abi.memory import PAGE, WINDOW_BASE, WINDOW_SIZE, WRITE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused
from hypervisor.core.l4.ipc import Rendezvous
from hypervisor.core.l4.mapping import MappingDatabase
from hypervisor.core.l4.pages import Region
from hypervisor.core.l4.waits import Wait
from hypervisor.core.lives import fail
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

MASK = 0xFFFFFFFF
Value = Callable[[Message], int]


class Exceptions:
    """Page faults, device accesses, strange calls and faults of cells that have a pager."""

    def __init__(self, monitor: Monitor, wiring: Wiring, ipc: Rendezvous, mapping: MappingDatabase) -> None:
        self._monitor = monitor
        self._pagers = wiring.pagers
        self._ipc = ipc
        self._mapping = mapping

    def page_fault(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        """PAGE_FAULT: ask the pager for the page at an address of the window."""
        address, access, instruction = record.a1, record.a2, record.a3
        if not WINDOW_BASE <= address < WINDOW_BASE + WINDOW_SIZE:
            raise Refused(Status.BAD_ARGUMENT, f"{address:#x} is not in the window: no pager has it")
        if cell.index not in self._pagers:
            raise Refused(Status.WRONG_STATE, f"{cell.name} has no pager")
        if self._mapping.may(cell, address, write=bool(access & WRITE)):
            return Status.OK
        page = address // PAGE * PAGE
        window = Region(page, (WINDOW_BASE + WINDOW_SIZE - page) // PAGE, exact=True)
        message = Message(Label.PAGE_FAULT, (address & MASK, access & MASK, instruction & MASK))
        self._raise(cell, message, f"page fault at {address:#x}", lambda _: Status.OK, window)
        return Status.OK

    def serve(self, cell: Cell, record: Exit) -> bool:
        """An exit that the monitor would refuse: to the cell's virtual machine monitor, if it has one."""
        if cell.index not in self._pagers or (record.kind != ExitKind.HYPERCALL and self._owns(cell, record.a0)):
            return False
        message, value = _exception(record)
        what = f"{Label(message.label).name.lower().replace('_', ' ')} at {record.a0:#x}"
        self._raise(cell, message, what, value)
        return True

    def tell_fault(self, cell: Cell, record: Exit) -> bool:
        """A fault that ends the cell, as soon as its virtual machine monitor has taken note."""
        pager = self._pagers.get(cell.index)
        if pager is None or not self._ipc.is_up(pager):
            return False
        text = record.data.decode("utf-8", "replace")
        why = f"guest fault: {text}" if text else f"guest fault {record.a0} at {record.a1:#x}"
        words = record.a0 & MASK, record.a1 & MASK, record.a2 & MASK
        message = Message(Label.EXCEPTION, words, string=record.data[:512])

        def ended(_wait: Wait, _who: int, _message: Message) -> None:
            fail(self._monitor, cell, why)

        self._monitor.step(cell, "page_fault", what=why)
        self._ipc.raise_exception(cell, pager, message, ended, lambda _wait, _status, _why: ended(_wait, 0, message))
        return True

    def _owns(self, cell: Cell, address: int) -> bool:
        devices = self._monitor.bus.devices
        return any(d.owner == cell.index and d.base <= address < d.base + d.size for d in devices)

    def _raise(self, cell: Cell, message: Message, what: str, value: Value, window: Region | None = None) -> None:
        pager = self._pagers[cell.index]
        self._monitor.step(cell, "page_fault", what=what, pager=self._monitor.cells[pager].name)

        def complete(_wait: Wait, _who: int, reply: Message) -> None:
            self._ipc.forget(_wait)
            self._monitor.answer(cell, value(reply))

        def broken(_wait: Wait, _status: Status, why: str) -> None:
            self._ipc.forget(_wait)
            fail(self._monitor, cell, f"{what}: {why}")

        try:
            self._ipc.raise_exception(cell, pager, message, complete, broken, window)
        except Refused as refusal:
            fail(self._monitor, cell, f"{what}: {refusal.why}")


def _exception(record: Exit) -> tuple[Message, Value]:
    """The message about an exit, and what its reply means."""
    if record.kind == ExitKind.READ:
        return Message(Label.DEVICE_READ, (record.a0 & MASK, record.a1 & MASK)), _word
    if record.kind == ExitKind.WRITE:
        return Message(Label.DEVICE_WRITE, (record.a0 & MASK, record.a1 & MASK, record.a2 & MASK)), lambda _: Status.OK
    words = record.a0 & MASK, record.a1 & MASK, record.a2 & MASK, record.a3 & MASK
    return Message(Label.HYPERCALL, words, string=record.data[:512]), _word


def _word(reply: Message) -> int:
    low, high = (*reply.words, 0, 0)[:2]
    return low | high << 32
