"""native: one guest owns the board, alone. Nothing lies between it and the CPU, so no mechanism costs anything.

What the guest does to TLB and caches itself can be counted, and what follows from it charged at the board's prices
(`flushes`)."""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.flavours.flavour import Flavour

NATIVE = Flavour(
    name="native", title="no hypervisor: one guest owns the board", costs=Costs(), most_cells=1, owns_cpu=True
)
