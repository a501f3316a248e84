"""okl4: the microvisor. vCPUs, a vMMU, memory-mapped virtual devices and virtual interrupts; hypercalls are cheap.

Sources of the costs:
- hypercall 300: "about 0.3 us per hypercall" on the ARMv7 of Fig. 19 (0.60 -> 0.96 us per null call), taken at 1 GHz; the clock
  of that board is not stated, so the figure is assumed within a factor of two.
- world switch 1296: the switch without flush of Wombat on PXA255, 6.48 us at 200 MHz (NICTA's performance page).
- virtual interrupt 775: interrupt path of seL4 on a Cortex-A9, 775 cycles (sel4.systems benchmarks); assumed to hold here.
- device exit: a trapped access is a hypercall by another door; taken as equal.
- notify 1025: signalling a notification of seL4 on the same Cortex-A9, 1025 cycles (sel4.systems benchmarks). That includes an
  entry into the kernel, which is charged as a hypercall beside it: an upper bound.
- channel 151: putting a message into a queue or taking it out; assumed to be of the length of NICTA's one-way IPC path with up to
  4 message registers on PXA255, 151 cycles (NICTA's performance page): checks, book-keeping, the partner found.
- copy 5 per word: the same page has 188 cycles for 8 and 228 for 16 message registers: 40 cycles for 8 words more.
- capability 30: assumed; a bounded table look-up with its three checks, warm caches.
- map 100, unmap 130 per page: assumed; one entry of a page table written and cleaned, with unmap one TLB entry invalidated. seL4
  and OKL4 publish no figure; the 450 cycles of a page-table update under Xen on ARM (derived) are with validation.
- vtlb 400 per miss of the virtual TLB: assumed; into the microvisor and back as for a hypercall (300), the guest's tables walked
  and one entry of the microvisor's own table written as for a map (100). A hit is a walk of that table by the hardware, as on a
  CPU without one, and costs nothing beside. A TLB operation or a change of address space by the guest traps: a hypercall.
- hypercall, virq as steps of a paravirtual kernel: what they are elsewhere. A RUN is one hypercall, whoever goes on by it.
- exception 60: an exception of a process, told to its kernel. With the hypercall by which that lets it go on again it makes up
  the 0.36 us that a null call takes more than natively (Fig. 19, as above: 0.60 -> 0.96 us): derived.
- space_switch 40: the switch of OKL4 3.0 has 29 instructions, 3 to 5 of them writes to the system coprocessor (its source,
  NUMBERS.md 4); assumed.
- tlb_flush 130: assumed, as for unmap; the refill is in the misses that follow.
- cache_flush 18432: 512 lines of a virtual cache of 16 KiB, 36 cycles each, as for xen's world switch: derived. CPUs whose caches
  are physical have none.

A personality gets a system call as an exception and answers it by one hypercall; a page fault likewise, and its new page is a
miss of the virtual TLB. A handler is entered by the answer that comes anyway.
"""

from __future__ import annotations

from hypervisor.core.costs import Costs
from hypervisor.flavours.flavour import Flavour

HYPERCALL, VIRQ = 300, 775

OKL4 = Flavour(
    name="okl4",
    title="OKL4 microvisor",
    costs=Costs(
        world_switch=1296,
        hypercall=HYPERCALL,
        device_exit=HYPERCALL,
        virq=VIRQ,
        operations={
            "capability": 30,
            "channel": 151,
            "copy": 5,
            "notify": 1025,
            "map": 100,
            "unmap": 130,
            "vtlb": 400,
            "hypercall": HYPERCALL,
            "virq": VIRQ,
            "exception": 60,
            "space_switch": 40,
            "tlb_flush": 130,
            "cache_flush": 18432,
        },
    ),
    has_pv=True,
    virtual_devices=True,
    redirection={
        "syscall": {"exception": 1, "hypercall": 1},
        "fault": {"exception": 1, "hypercall": 1, "vtlb": 1},
        "signal": {},
    },
    survey_size="8.6 kLOC of C and 1.2 kLOC of assembler (VI.A, [10])",
    mechanism="hypervisor.core.okl4:Microvisor",
)
