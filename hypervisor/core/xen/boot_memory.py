"""Memory that several domains have from boot on.

memory = BootMemory(monitor, wiring)
memory.describe(cell)                    # [{"name": "board", "address": ..., "size": ..., "writable": True}]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypervisor.abi.memory import PAGE
from hypervisor.core.cell import Cell
from hypervisor.core.mechanism import Reach
from hypervisor.core.wiring import Wiring

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor


class BootMemory:
    """Memory of several domains from boot on, as Xen on ARM has it by its device tree ("xen,shared-mem")."""

    def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
        self._monitor, self._wiring = monitor, wiring
        self._told: dict[int, list[dict[str, Any]]] = {}
        for memory in wiring.shared:
            pages = -(-memory.size // PAGE)
            segment = monitor.memory.create(f"shared {memory.name}", pages, "shared at boot")
            for index, writable in sorted(memory.cells.items()):
                cell = monitor.cells[index]
                address = monitor.memory.map(segment, 0, pages, cell, writable=writable, permanent=True)
                told = {"name": memory.name, "address": address, "size": pages * PAGE, "writable": writable}
                self._told.setdefault(index, []).append(told)

    def describe(self, cell: Cell) -> list[dict[str, Any]]:
        """What a domain is told of it."""
        return self._told.get(cell.index, [])

    def reach(self) -> list[Reach]:
        """Who may do what with it."""
        names = [cell.name for cell in self._monitor.cells]
        return [
            Reach(names[index], memory.name, "shared memory", "read+write" if writable else "read")
            for memory in self._wiring.shared
            for index, writable in sorted(memory.cells.items())
        ]
