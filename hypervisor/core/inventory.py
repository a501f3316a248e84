"""What is still held when nobody is left: every cell is ended in the books, and whatever remains in them is a leak, by name.

```python
left = inventory(monitor)         # {} if all is in order; else {"frames of client": 3, "ports": 1}
```

Theory: while cells live it cannot be said whether a grant or a mapping is wanted or forgotten. So the account is made when the
run is over, by the very code that clears up after a death: what that does not find, nobody will. What is fixed at boot (the
tables of okl4, memory that cells share by the topology, owners of devices) belongs to no life and is not counted.

Requires: no vCPU runs, and the monitor is not used afterwards. Its effects are for nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.core import injected, lives, mishaps
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.frames import FRAME

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

_ORDERS = frozenset({injected.__name__, mishaps.__name__})
"""Whose alarms belong to no cell: faults whose time has not come."""


def inventory(monitor: Monitor) -> Mapping[str, int]:
    """End all cells, and count what is left of them. What a cell keeps because its policy says `preserve` is no leak."""
    kept = {cell.name for cell in monitor.cells if cell.ended and cell.params.on_crash == "preserve"}
    for cell in monitor.cells:
        if not cell.ended:
            lives.end(monitor, cell, CellState.SHUT_DOWN, "the last account", keep=False)
    found: Counter[str] = Counter()
    for cell in monitor.cells:
        found.update(_of_cell(monitor, cell, preserved=cell.name in kept))
    found["heartbeats"] = len(monitor.heartbeats)
    found["alarms"] = sum(not _is_order(due.what) for due in monitor.alarms.pending())
    found.update(monitor.mechanism.holdings())
    return {name: count for name, count in found.items() if count}


def _of_cell(monitor: Monitor, cell: Cell, *, preserved: bool) -> dict[str, int]:
    """What the common parts of the monitor hold for one that has ended."""
    frames = 0 if preserved else monitor.frames.account(cell.name).now // FRAME
    mappings = 0 if preserved else monitor.memory.held_by(cell)
    return {f"frames of {cell.name}": frames, f"mappings of {cell.name}": mappings}


def _is_order(what: object) -> bool:
    return isinstance(what, partial) and what.func.__module__ in _ORDERS
