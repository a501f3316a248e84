"""What reaches a cell without a partner that waits: notification bits and interrupts, kept until an open receive takes them.

Theory: a notification is a word of bits per ringer, as in NICTA's L4: ringing again merges, so that a flood takes no room. An
interrupt is a line that has come up since the cell was last told of it; one that the cell has acknowledged meanwhile is no
news. An open receive gets either as a message, interrupts first. A cell that does not wait in IPC is woken by an event too;
that is a hint, the bits are kept.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hypervisor.abi.l4 import INTERRUPT, NOTIFICATION, Label, Message
from hypervisor.abi.records import Event, EventKind
from hypervisor.core.cell import Cell

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

WORD = 0xFFFFFFFF
_SOURCE = struct.Struct("<I")


class Signals:
    """Per cell: slot of the ringer -> bits, and the lines that it has to be told of."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._bits: dict[int, dict[int, int]] = {cell.index: {} for cell in monitor.cells}
        self._lines: dict[int, list[int]] = {cell.index: [] for cell in monitor.cells}

    def ring(self, cell: Cell, slot: int, bits: int) -> None:
        """Bits for a cell, from the one that it knows by `slot`."""
        mine = self._bits[cell.index]
        mine[slot] = mine.get(slot, 0) | bits

    def raise_line(self, cell: Cell, line: int) -> None:
        """A line of a device of the cell's has come up."""
        if line not in self._lines[cell.index]:
            self._lines[cell.index].append(line)

    def lower_line(self, cell: Cell, line: int) -> None:
        """It has gone down before anybody looked."""
        if line in self._lines[cell.index]:
            self._lines[cell.index].remove(line)

    def take(self, cell: Cell) -> tuple[int, Message] | None:
        """The next thing to tell: who sends it, and the message."""
        lines = self._lines[cell.index]
        while lines:
            line = lines.pop(0)
            if self._monitor.interrupts.pending(cell.index, line):
                return INTERRUPT, Message(Label.INTERRUPT, (line,))
        slot = next(iter(self._bits[cell.index]), None)
        if slot is None:
            return None
        bits = self._bits[cell.index].pop(slot)
        _drop_hints(cell.vcpu.events, slot)
        return NOTIFICATION, Message(Label.NOTIFICATION, (slot, bits & WORD, bits >> 32))

    def forget(self, cell: Cell) -> None:
        """Its life is over."""
        self._bits[cell.index].clear()
        self._lines[cell.index].clear()

    def count(self) -> int:
        """Bits and lines that wait for somebody."""
        return sum(map(len, self._bits.values())) + sum(map(len, self._lines.values()))


def _drop_hints(events: list[Event], slot: int) -> None:
    """What is told in a message need not be told in an event that has not left yet."""
    wanted = _SOURCE.pack(slot)
    events[:] = [e for e in events if e.kind != EventKind.NOTIFY or e.payload[: _SOURCE.size] != wanted]
