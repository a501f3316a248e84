"""native: one guest owns the board, alone. Nothing lies between it and the CPU, so no mechanism costs anything."""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.flavours.flavour import Flavour

NATIVE = Flavour(name="native", title="no hypervisor: one guest owns the board", costs=Costs(), most_cells=1)
