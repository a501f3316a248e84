"""The page of kernel code at 0xffff0000 that every program can call (Linux: Documentation/arch/arm/kernel_user_helpers.rst).

Theory: CPUs before ARMv6 have no atomic compare and exchange and no register for the thread pointer, and programs must run on
all of them; so the kernel lends them code at fixed addresses that is right for the CPU it runs on. On one CPU, compare and
exchange need not be atomic: if its code is left in the middle, the kernel begins it again (`restarted`).
"""

from __future__ import annotations

import struct

from cells.personalities.arm.cpu import Helpers

KUSER_PAGE = 0xFFFF_0000
TLS_WORD = 0xFF0
"""Offset of the thread pointer."""
VERSION = 3
"""Helpers that there are: get_tls, cmpxchg, memory_barrier."""
BARRIER, EXCHANGE, GET_TLS, VERSION_AT = 0xFA0, 0xFC0, 0xFE0, 0xFFC

_RETURN = 0xE12FFF1E  # bx lr
_CODE = {
    # r0: expected, r1: new, r2: address -> r0 = 0 and carry set if it was exchanged
    EXCHANGE: (
        0xE5923000,  # ldr r3, [r2]
        0xE0533000,  # subs r3, r3, r0
        0x05821000,  # streq r1, [r2]
        0xE2730000,  # rsbs r0, r3, #0
        _RETURN,
    ),
    GET_TLS: (0xE59F0008, _RETURN),  # ldr r0, [pc, #8]
}
_BARRIERS = {"v5": (_RETURN,), "v6": (0xEE070FBA, _RETURN), "v7": (0xF57FF05B, _RETURN)}
"""Nothing; mcr p15, 0, r0, c7, c10, 5; dmb ish."""


def page(architecture: str) -> bytes:
    """The page for an architecture ("v5te", "v6k", "v7a")."""
    content = bytearray(4096)
    for offset, words in {**_CODE, BARRIER: _BARRIERS.get(architecture[:2], _BARRIERS["v7"])}.items():
        struct.pack_into(f"<{len(words)}I", content, offset, *words)
    struct.pack_into("<I", content, VERSION_AT, VERSION)
    return bytes(content)


def helpers(architecture: str) -> Helpers:
    """The page as the CPU takes it."""
    return Helpers(KUSER_PAGE, page(architecture), TLS_WORD)


def restarted(pc: int) -> int:
    """Where a program goes on that was left at `pc`: compare and exchange begins again."""
    return KUSER_PAGE + EXCHANGE if EXCHANGE < pc - KUSER_PAGE < EXCHANGE + 16 else pc
