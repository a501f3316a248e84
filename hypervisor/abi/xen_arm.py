"""The front door `arm`: how an unmodified ARMv7 kernel and the hypervisor talk, and what the cell's process tells of it.

Theory: the kernel executes `HVC #0xEA1` with the number in r12, arguments in r0 to r4, and finds the result in r0. Pointers are
virtual addresses of the kernel's. The cell's process says what the CPU's registers say (`HVC`, an exit EXCEPTION with trap
`TRAP_HVC`), and the monitor walks the tables in the guest's memory itself. The answer's bytes, if there are any, are an `UPCALL`.

What a domain builder puts beside a kernel lies at the end of its RAM, which its device tree does not call memory.

>>> layout(0x4000_0000, 64 << 20).memory_end == 0x4000_0000 + (64 << 20) - RESERVED
True
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import GRANT_FRAMES

HVC_TAG = 0xEA1
"""The immediate of the instruction (public/arch-arm.h)."""
TRAP_HVC = 0x20
"""In an exit EXCEPTION: no vector of user mode's, but a call of a kernel in its own modes."""
CALL = Struct("<5II5I")
"""r0..r4, r12; then SCTLR, TTBCR, TTBR0, TTBR1, DACR: with these the monitor walks the tables."""
UPCALL = Struct("<Q")
"""Guest physical address of the byte `evtchn_upcall_pending`: the level of the interrupt below."""

PPI = 15
"""The private interrupt of the upcall, as the device tree says it; the interrupt controller counts from 16 on."""
PPI_INPUT = 16 + PPI
PPI_FLAGS = 0xF08
"""Level-sensitive, low: what Xen's toolstack writes (tools/libs/light/libxl_arm.c)."""

RESERVED = 32 * PAGE
"""Bytes at the end of a kernel's RAM: its grant frames, the console's ring, the store's ring, and pages left free."""


class Layout(NamedTuple):
    """Guest physical addresses of what the domain builder has made."""

    memory_end: int
    grant_frames: int
    console: int
    store: int


def layout(ram_base: int, ram_size: int) -> Layout:
    """Where it lies in RAM of such a size."""
    end = ram_base + ram_size - RESERVED
    rings = end + GRANT_FRAMES * PAGE
    return Layout(end, end, rings, rings + PAGE)
