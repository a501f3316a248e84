"""What a vCPU that counts says at a mark: how often each event has happened since it began, or since the mark `READY`.

A mark is an `svc` with `CALL` in r7, an identity in r0 and a number of turns in r1. The guest's kernel never sees it; it is an
exit (`ExitKind.MARK`: a0 the identity, a1 the turns) whose data are the counts that the cell was asked for, in order.

    names(("set_pte",))                       # ("instructions", ..., "f_set_pte")
    unpack(pack((5, 2)), 2)                   # (5, 2)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

CALL = 0xFEED
READY = 0xB007
"""The mark from which everything is counted: a machine is booted and ready."""
MARK_LIMIT = 16_384
"""Marks of one cell's life; more are passed over (MARK_LIMIT of cells/engines/native/count.h)."""
GROUPS = 16
FUNCTIONS = 1024
"""How many groups of functions are counted, and how many functions in all."""
FUNCTION = "f_"
"""Before the name of a group of functions."""

EVENTS = (
    *("instructions", "cycles", "svc", "irq", "fiq", "undefined"),
    *("prefetch_abort_user", "data_abort_user", "prefetch_abort_kernel", "data_abort_kernel", "hvc", "wfi"),
    *("switches", "asid_changes", "tlb_flush_all", "tlb_flush_asid", "tlb_flush_one"),
    *("dcache_flush", "dcache_lines", "icache_flush", "icache_lines", "flush_instructions"),
    *("kernel_instructions", "kernel_entries", "marks"),
)
"""What is counted whenever anything is. `switches`: another table base; the one that kernels with ASIDs pass through is none.
`flush_instructions`: of blocks that walk through a data cache to flush it. `kernel_entries`: from user mode."""
TRANSLATIONS = ("tlb_miss_i", "tlb_miss_d")
"""With caches, of a CPU that owns its tables."""
CACHES = (
    *("loads", "stores", "l1i_miss", "l1d_read_miss", "l1d_write_miss", "writebacks", "cold_i", "cold_d"),
    *("l1i_miss_user", "l1d_read_miss_user", "l1d_write_miss_user"),
    *("l1i_miss_kept", "l1d_read_miss_kept", "l1d_write_miss_kept", "writebacks_kept", "memory_cycles"),
)
"""With caches. `cold_i`, `cold_d`: distinct 32-byte lines of privileged code and its data for each entry from user mode, summed.
`..._kept`: of the same caches if no switch of the address space ever flushed them. `memory_cycles`: charged for misses."""


def names(functions: Iterable[str], *, caches: bool = False, translations: bool = False) -> tuple[str, ...]:
    """The counts of a mark, in order."""
    more = (TRANSLATIONS if translations else ()) + (CACHES if caches else ())
    return EVENTS + more + tuple(FUNCTION + name for name in functions)


def pack(counts: Sequence[int]) -> bytes:
    """As an exit carries them."""
    return struct.pack(f"<{len(counts)}Q", *counts)


def unpack(data: bytes, number: int) -> tuple[int, ...] | None:
    """The inverse, None if these are not so many counts."""
    return struct.unpack(f"<{number}Q", data) if len(data) == 8 * number else None
