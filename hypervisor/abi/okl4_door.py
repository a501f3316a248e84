"""The front door of the microvisor: how a paravirtual kernel lets its processes run, and its page tables (survey, section IV).

Theory: the microvisor virtualizes what a kernel needs of a CPU beside user mode: an address space that can be exchanged, and a
way back. A process runs as by a subroutine of the kernel: `svc #RUN` names where its registers are and which page table is its
own, and returns when the process came to an exception: its registers are back in their place then, and r0 to r2 say what it
was. So there is one hypercall per system call, and the kernel has no vectors, no mode and no saved status of its own.

The page tables are the guest's, in plain memory, written by plain stores. The CPU does not walk them: the microvisor does when
its *virtual TLB* misses, a set of real tables that it keeps itself, and adds what it finds. What the guest maps anew or with
more rights it need not tell; after taking something away it says FLUSH, as on any CPU with a TLB.

A call is `svc #DoorCall` of the kernel; r0 is the answer, a `Status` if below 0. An svc of a process is a call of its kernel.

    svc #RUN          r0 = virtual address of `BLOCK`, r1 = root of its page table (physical)
                      -> r0 = `Why`, r1 = address, r2 = `Access`
    svc #FLUSH_PAGE   r0 = root, r1 = virtual address -> 0: what the table says of this page has changed
    svc #FLUSH_SPACE  r0 = root -> 0: of any page; or the space is no more
    svc #ALARM        r0, r1 = low and high word of a time in cycles (all ones: never) -> 0: an interrupt then, not earlier
    svc #WAIT         -> 0: sleep until an interrupt

The kernel itself is never interrupted: what comes while it runs, the next RUN or WAIT returns at once. What every flavour has
goes through the hypercall page, which the kernel finds at `KERNEL_HYPERCALLS` (abi/memory.py).

A page table has two levels: `ROOT_SIZE` bytes at a border of a page, a word for each mebibyte below `USER_END`, and tables of 256
words at borders of 1 KiB, a word for each page. A word is a physical address and bits of `Pte` (abi/pv.py); USER is not needed.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

from hypervisor.abi.pv import CORE, SECTION


class DoorCall(IntEnum):
    """Calls of this door: immediates of `svc`."""

    RUN = 1
    FLUSH_PAGE = 2
    FLUSH_SPACE = 3
    ALARM = 4
    WAIT = 5


class Why(IntEnum):
    """Why RUN returns. FAULT: a page is missing or not to be written; ALIGNMENT: no mapping would help."""

    SYSTEM_CALL = 0
    FAULT = 1
    UNDEFINED = 2
    ALIGNMENT = 3
    INTERRUPT = 4


class Access(IntFlag):
    """What a process wanted of an address; 0: its CPU does not tell (ARMv5, loads and stores)."""

    READ = 1
    WRITE = 2
    EXECUTE = 4


BLOCK = Struct(f"<{CORE}I")
"""Registers of a process: r0..r12, sp, lr, pc, psr, of which flags and Thumb bit count. In RAM of the kernel, 4-aligned."""
USER_END = 0xC000_0000
"""Processes have what is below."""
ROOT_SIZE = USER_END // SECTION * 4
NO_ALARM = (1 << 64) - 1
