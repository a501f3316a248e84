"""l4: the microkernel. Synchronous IPC, user-level drivers and pagers, virtual machines hosted by user-level monitors.

The measure is NICTA's Pistachio-embedded on a PXA255 at 400 MHz: one way between two address spaces in 151, 188 and 228 cycles
with 0-4, 8 and 16 message registers (NUMBERS.md 2, their performance page). Kernel entry, IPC path and switch are parts of that
figure, so that here hypercall + capability + ipc + world_switch = 151. The shares follow the instructions of the same kernel
for ARMv5 (NUMBERS.md 4, OKL4 3.0 source):
- world switch 29: the instructions of its address-space switch: three writes to the system coprocessor, no flush of cache or
  TLB (fast address-space switching; up to 15 spaces, and more are not modelled).
- hypercall 39: 26 at the entry (counted for an interrupt; taken as equal), 13 of the return.
- capability 10: its threads are named by numbers that a table is asked for; assumed, a part of the 151.
- ipc 73: the rest.
- ipc_word 7: for each register beyond four. It gives 179 and 235 cycles for 8 and 16 registers, 5 % below and 3 % above the
  figures.
- copy 2: per word of a string, a load and a store; assumed.
- device exit 39: an abort enters as a call does; what follows is an IPC.
- page_fault 17: instructions of the prefetch abort's entry on v6 (14 on v5), before the IPC.
- virtual interrupt 318, notify 350: that IPC times the ratios of seL4 on a Cortex-A9, where a call takes 367 cycles, the path
  of an interrupt 775 and a notification 1025 (2.1 and 2.8 times), the latter without entry and switch; assumed to hold here.
- map 300, unmap 300: per page: the mapping database and a page-table entry with its cache clean; assumed, of the order of what
  an update costs elsewhere (450 cycles, derived in NUMBERS.md 1).
"""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.core.l4 import Microkernel
from hypervisor.flavours.flavour import Flavour

L4 = Flavour(
    name="l4",
    title="L4 microkernel",
    costs=Costs(
        world_switch=29,
        hypercall=39,
        device_exit=39,
        virq=318,
        operations={
            "capability": 10,
            "ipc": 73,
            "ipc_word": 7,
            "copy": 2,
            "notify": 350,
            "map": 300,
            "unmap": 300,
            "page_fault": 17,
        },
    ),
    hosts=True,
    mechanism=Microkernel,
)
