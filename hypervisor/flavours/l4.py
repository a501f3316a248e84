"""l4: the microkernel. Synchronous IPC, user-level drivers and pagers, virtual machines hosted by user-level monitors.

The measure is NICTA's Pistachio-embedded on a PXA255 at 400 MHz: one way between two address spaces in 151, 188 and 228 cycles
with 0-4, 8 and 16 message registers (NUMBERS.md 2, their performance page). Kernel entry, IPC path and switch are parts of that
figure, so that here hypercall + capability + ipc + world_switch = 151. The shares follow the instructions of the same kernel
for ARMv5 (NUMBERS.md 4, OKL4 3.0 source):
- world switch 29: the instructions of its address-space switch: three writes to the system coprocessor, no flush of cache or
  TLB (fast address-space switching; of cells up to 15, and more are not modelled).
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

For a kernel that is a task beside those of its processes (L4Linux):
- hypercall 39 a system call of the microkernel, ipc 73 and ipc_word 7 its messages: as above.
- exception 2000: a message with the full register state, each way. The published null call takes 21.66 us more than a native one,
  4.5k cycles at 208 MHz, 8.7k at 400 (derived in NUMBERS.md 1; the clock is not stated): far more than two fast messages. The
  fast path does not carry such messages. We take the lower figure, less the rest of the two messages (21 words in, 17 out, two
  calls, two switches: some 500 cycles), and halve it. So it is fitted to one figure; pipes, faults and fork are predictions.
- exchange 73: as long as a message's path; assumed.
- space_switch 29: as a world switch. cache_flush 18432, tlb_flush 192: when a domain of the fast switching is given to another
  address space (core/fass.py): 36 cycles a line (measured on a PXA255), 512 lines in the 16 KiB that an ARM926 commonly has; and
  eight misses of 24 cycles (a Cortex-A8's; assumed).
- task 4096: one word of the first-level table after another; assumed.

A personality is the Linux server (Figs. 2 and 3), and what its processes do comes to it as it does to that kernel: a system call
is an exception message with all registers and its answer, each through a switch of space; a page fault likewise, answered with a
page. These are the steps that our own kernel takes through the same door: counted (tests/integration/test_linux_flavours.py).
A handler is entered by an exchange of the thread's registers, as by the signal thread of L4Linux.
"""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.flavours.flavour import Flavour

IN, OUT = 21 - 4, 17 - 4
"""Words of an exception's message and of its answer beyond those in registers."""
ITEM = 2
"""Words of a page in an answer."""
REDIRECTED = {"exception": 2, "ipc": 2, "space_switch": 2, "hypercall": 1}
"""An exception message to the server, and its answer by one call (reply and wait)."""

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
            "hypercall": 39,
            "exception": 2000,
            "exchange": 73,
            "space_switch": 29,
            "cache_flush": 512 * 36,
            "tlb_flush": 8 * 24,
            "task": 4096,
        },
    ),
    hosts=True,
    has_pv=True,
    redirection={
        "syscall": {**REDIRECTED, "ipc_word": IN + OUT},
        "fault": {**REDIRECTED, "ipc_word": IN + OUT + ITEM, "map": 1},
        "signal": {"hypercall": 1, "exchange": 1},
    },
    mechanism="hypervisor.core.l4:Microkernel",
)
