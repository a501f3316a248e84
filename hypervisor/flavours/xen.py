"""xen: the hypervisor. Domains, event channels, grant tables, a store; a call is two transitions between its two worlds.

Sources of the costs (NUMBERS.md; Xen on ARM on an ARM926 at 266 MHz):
- hypercall 226: a guest's system call takes 452 cycles more than a native one (2.83 against 1.13 us) and has two transitions
  of the VCPU's mode, each into the monitor and out again: half of it. Derived.
- virq 452: an interrupt is taken by the monitor, handed on by an upcall, and its end is told: two transitions. Assumed.
- world switch 18432: a VIVT cache is flushed and filled again between domains: 36 cycles per line (measured on a PXA255), 512
  lines in the 16 KiB that an ARM926 commonly has. Derived; that it always hits a full cache is assumed.
- map, unmap 450 a page: a page-table update, from fork and exit: 1.90 million cycles, some 4200 updates. Derived.
- t10, t20, t01, t02 113: half a transition each; a system call of a paravirtual kernel's process is all four, 452. Derived.
- page_table 450 an update: as map. A hypercall of a paravirtual kernel is t10, what it asks for, and t01.
- space_switch 29: the instructions of an address-space switch of OKL4 3.0 on ARMv5 (NUMBERS.md 4); taken as equal here.
- tlb_flush 4: two operations of the system coprocessor, at two cycles each on an ARM926 (boards/cpu/arm926.toml). Assumed.
- tlb_refill 24: a data TLB miss of a Cortex-A8 whose walk hits the second-level cache (NUMBERS.md 3); an ARM926 without such a
  cache takes longer. Assumed, a lower bound.
- cache_flush: a guest's change of its address space with virtual caches costs what a world switch does; the same source.
- store 40000: a request goes to Dom0 and back, two world switches, and is parsed there; the parsing assumed. Whoever is due
  meanwhile waits for the switch that is under way, not for all of it.
- notify 150, grant 200, copy 3 a word, policy 100: the monitor's own work, some tens of instructions and cache misses each.
  Assumed.

A personality is the kernel of its domain: a system call is the four transitions of Fig. 5; a page fault those and a hypercall for
the entry of the page table. A handler is entered by the return that comes anyway.
"""

from __future__ import annotations

from hypervisor.core.costs import PAGEWISE, Costs
from hypervisor.flavours.flavour import Flavour, KernelDoor

TRANSITION = 226
CACHE_LINES, CYCLES_PER_LINE = 512, 36
WORLD_SWITCH = CACHE_LINES * CYCLES_PER_LINE
PARSING = 3136
ROUND = {"t20": 1, "t01": 1, "t10": 1, "t02": 1}
"""A process is left for its kernel and entered again (Fig. 5)."""

XEN = Flavour(
    name="xen",
    title="Xen hypervisor",
    costs=Costs(
        world_switch=WORLD_SWITCH,
        hypercall=TRANSITION,
        device_exit=TRANSITION,
        virq=2 * TRANSITION,
        operations={
            "notify": 150,
            "grant": 200,
            "map": 450,
            "unmap": 450,
            "copy": 3,
            "store": 2 * WORLD_SWITCH + PARSING,
            "policy": 100,
            "t10": TRANSITION // 2,
            "t20": TRANSITION // 2,
            "t01": TRANSITION // 2,
            "t02": TRANSITION // 2,
            "page_table": 450,
            "space_switch": 29,
            "tlb_flush": 4,
            "tlb_refill": 24,
            "cache_flush": WORLD_SWITCH,
        },
        pieces={**PAGEWISE, "store": WORLD_SWITCH},
    ),
    has_pv=True,
    kernel_door=KernelDoor("v7", "earlycon=xenboot console=hvc0", frozenset({"uart"})),
    redirection={
        "syscall": ROUND,
        "fault": {**ROUND, "t10": 2, "t01": 2, "page_table": 1},
        "signal": {},
    },
    shares_tlb=True,
    survey_size="about 40 kLOC in 2.0, 20 kLOC in 3.0 (VI.C)",
    mechanism="hypervisor.core.xen:XenHypervisor",
)
