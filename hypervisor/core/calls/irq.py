"""Hypercalls about interrupt lines that are routed to the caller. `a1` is the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor


def mask(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """IRQ_MASK: the line stays silent."""
    monitor.interrupts.mask(cell.index, record.a1)
    return Status.OK


def unmask(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """IRQ_UNMASK: the line may interrupt; if it is pending, it does."""
    if cell.index in monitor.interrupts.unmask(cell.index, record.a1):
        monitor.tell_level(record.a1, True)
    return Status.OK


def ack(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """IRQ_ACK: the pending line of highest priority becomes active."""
    line = monitor.interrupts.ack(cell.index)
    if line is None:
        raise Refused(Status.WRONG_STATE, "no line is pending")
    return line


def eoi(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """IRQ_EOI: the active line is done; a level that is still high pends again."""
    if cell.index in monitor.interrupts.eoi(cell.index, record.a1):
        monitor.tell_level(record.a1, True)
    return Status.OK
