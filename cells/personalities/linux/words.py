"""What the words of a system call mean: signed numbers, 64-bit ones in two registers, vectors of pieces of memory.

wide(0xFFFF_FFFF, 0xFFFF_FFFF) == -1
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, Errno

SIGNED, MOST = 0x7FFFFFFF, 0x7FFFF000
"""The largest int, and the most that one read or write moves (MAX_RW_COUNT)."""
VECTORS = 1024
"""UIO_MAXIOV."""


def signed(word: int) -> int:
    """A register as an int."""
    return (word & 0xFFFFFFFF ^ 0x80000000) - 0x80000000


def wide(low: int, high: int) -> int:
    """Two registers as a 64-bit offset."""
    value = high << 32 | low
    return value - (1 << 64) if high & 0x80000000 else value


def vectors(process: Any, at: int, count: int) -> list[tuple[int, int]]:
    """Pieces that a struct iovec names, without the empty ones.

    Raises:
        Errno: EINVAL, EFAULT.
    """
    if count > VECTORS:
        raise Errno(EINVAL)
    words = struct.unpack(f"<{2 * count}I", process.space.read(at, 8 * count)) if count else ()
    pieces = [(words[i], words[i + 1]) for i in range(0, 2 * count, 2) if words[i + 1]]
    if sum(size for _, size in pieces) > SIGNED:
        raise Errno(EINVAL)
    return pieces


def offset_of(low: int, high: int) -> int:
    """Two registers as an offset.

    Raises:
        Errno: EINVAL, it is negative.
    """
    offset = wide(low, high)
    if offset < 0:
        raise Errno(EINVAL)
    return offset
