"""okl4: the microvisor. vCPUs, a vMMU, memory-mapped virtual devices and virtual interrupts; hypercalls are cheap.

Sources of the costs:
- hypercall 300: "about 0.3 us per hypercall" on the ARMv7 of Fig. 19 (0.60 -> 0.96 us per null call), taken at 1 GHz; the clock
  of that board is not stated, so the figure is assumed within a factor of two.
- world switch 1296: the switch without flush of Wombat on PXA255, 6.48 us at 200 MHz (NICTA's performance page).
- virtual interrupt 775: interrupt path of seL4 on a Cortex-A9, 775 cycles (sel4.systems benchmarks); assumed to hold here.
- device exit: a trapped access is a hypercall by another door; taken as equal.
"""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.flavours.flavour import Flavour

OKL4 = Flavour(
    name="okl4",
    title="OKL4 microvisor",
    costs=Costs(world_switch=1296, hypercall=300, device_exit=300, virq=775),
)
