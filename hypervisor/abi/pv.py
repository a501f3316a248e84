"""The front door `pv`: how a paravirtual kernel and the hypervisor talk (the survey's Xen on ARM, Figs. 5 and 6).

Theory: physically all of a guest runs in ARM user mode. An exception stops its vCPU (exit EXCEPTION with a `TRAP` as data), and
the answer is a `STATE`: where it goes on, with which registers and which of its two logical modes' memory. A kernel calls by
`svc #n` with `n` of `PvCall`; any `svc` of a user process is a system call of its kernel. The number is in the instruction, so
that a kernel can return from an exception with all registers in place.

    svc #PvCall.TRAP_TABLE   r0 = address of 8 vectors, spaced and ordered as the CPU's own
    svc #PvCall.RETURN       sp -> `FRAME`: return from exception; comes back only if refused
    svc #PvCall.MMU_UPDATE   r0 = address of a batch of `UPDATE`, r1 = how many: -> r0 how many or -errno, r1 = how many were done
    svc #PvCall.MMU          r0 = `MmuOp`, r1 = physical address (FLUSH_PAGE: virtual)
    svc #PvCall.FAULT        r0 = `FaultRegister`: -> r0
    svc #PvCall.MASK         r0 = 1: hold back virtual interrupts, 0: let them in -> r0 = as it was
    svc #PvCall.XEN          r12 = number of a real hypercall, r0..r2 = operation, arguments; pointers are virtual addresses
    svc #PvCall.BASIC        r12 = number of a call that every flavour has, r0..r2 arguments, r3 = address of r4 bytes of data

An upcall puts a `FRAME` on the kernel's stack and enters its vector with virtual interrupts masked; r0..r12 are as they were.
The kernel's stack pointer is banked: what it is behind the frame from which the kernel returned to a user process.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct


class Trap(IntEnum):
    """Why the CPU left user mode: START (it has not run yet), or the number of the exception's vector (DDI 0100I, A2.6)."""

    START = 0
    UNDEFINED = 1
    SWI = 2
    PREFETCH_ABORT = 3
    DATA_ABORT = 4
    IRQ = 6


class PvCall(IntEnum):
    """Hypercalls of this door: immediates of `svc` in kernel mode."""

    XEN = 0
    TRAP_TABLE = 1
    RETURN = 2
    MMU_UPDATE = 3
    MMU = 4
    FAULT = 5
    MASK = 6
    BASIC = 7


class MmuOp(IntEnum):
    """Operations on whole tables and on the TLB (as Xen's mmuext_op)."""

    PIN_L1 = 0
    PIN_L2 = 1
    UNPIN = 2
    NEW_BASE = 3
    FLUSH_TLB = 4
    FLUSH_PAGE = 5


class FaultRegister(IntEnum):
    """The virtual fault registers: status and address of the last abort that was handed on."""

    VFSR = 0
    VFAR = 1


class Pte(IntFlag):
    """Bits of an entry in a batch, beside a physical address. The monitor translates them to what the CPU's tables have.

    L1 entries name a second-level table of 1 KiB for 1 MiB; USER: user processes reach it too. L2 entries name a page.
    """

    PRESENT = 1
    WRITE = 2
    USER = 4


class TableFormat(IntEnum):
    """What descriptors the CPU has: LEGACY up to ARMv6 with subpages (DDI 0100I, B4.7), MODERN (DDI 0406C, B3.5)."""

    LEGACY = 0
    MODERN = 1


CORE = 17
"""Registers of the CPU in a trap and in a state: r0..r12, sp, lr, pc, psr."""
TRAP = Struct(f"<4I{CORE}I")
"""trap, immediate of an svc, fault address and status; the registers, pc at the instruction (behind an svc)."""
STATE = Struct(f"<3I{CORE}I")
"""translation table base, domain access, flush the TLB (1); the registers."""
FRAME = Struct("<IIII")
"""VSPSR, pc, sp, lr of what was interrupted: on the kernel's stack at an upcall, and taken from there by RETURN."""
UPDATE = Struct("<II")
"""Physical address of an entry (its lowest two bits: the kind of update, 0), new entry."""
BATCH_LIMIT = 256
"""Updates of one batch."""
DATA_LIMIT = 1024
"""Bytes that go with a BASIC call."""

PAGE = 4096
L1_SIZE, L2_SIZE, SECTION = 0x4000, 0x400, 0x10_0000
L1_PAGES = L1_SIZE // PAGE
VMM_BASE = 0xFC00_0000
"""From here on virtual addresses belong to the monitor (the last 64 MiB, as in Xen on ARM): guests cannot map anything."""

USER_MODE, KERNEL_MODE, MODE_MASK = 0x10, 0x13, 0x1F
"""Modes in a VSPSR: a user process, the kernel (logically the supervisor's)."""
PSR_THUMB, PSR_IRQ = 0x20, 0x80
PSR_FREE = 0xF80F_0200 | 0x0600_FC00
"""What user mode itself can change: flags, GE, E and IT (DDI 0406C, B1.3.3)."""

DOMAIN_VMM, DOMAIN_KERNEL, DOMAIN_USER = 0, 1, 2
KERNEL_ACCESS = 1 << 2 * DOMAIN_KERNEL | 1 << 2 * DOMAIN_USER
"""Domain access in kernel mode: client of both, so that permissions are checked; nobody enters the monitor's."""
USER_ACCESS = 1 << 2 * DOMAIN_USER
