"""An image of tasks: a static ARM ELF, every field of it checked before anything is mapped.

    entry, segments = parse(data)           # ValueError: what is wrong

A strict reader: an image is made by our own linker script, so that whatever is unusual is wrong.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from cells.personalities.arm.regions import EXECUTE, READ, USER_START, WRITE
from hypervisor.abi.pv import PAGE

HEADER = Struct("<4s5B7x2H5I6H")
SEGMENT = Struct("<8I")
EXPECTED = (b"\x7fELF", 1, 1, 1)
"""Magic, 32 bits, little-endian, version (System V ABI, chapter 4)."""
EXECUTABLE, ARM, LOAD = 2, 40, 1
SEGMENTS = 8
END = 0x1000_0000
"""Images lie below the stacks."""
_RIGHTS = ((4, READ), (2, WRITE), (1, EXECUTE))


class Segment(NamedTuple):
    """A piece of the image at `address`: `data`, and zeroes up to `size` bytes."""

    address: int
    data: bytes
    size: int
    rights: int


def parse(data: bytes) -> tuple[int, tuple[Segment, ...]]:
    """Where it begins, and its pieces by address, none on a page of another.

    Raises:
        ValueError: it is no such image; the text says why.
    """
    if len(data) < HEADER.size:
        raise ValueError("is too short for an ELF header")
    fields = HEADER.unpack_from(data)
    head, (kind, machine, _, entry, at, _, _, _, each, count) = fields[:4], fields[6:16]
    if head != EXPECTED or (kind, machine) != (EXECUTABLE, ARM):
        raise ValueError("is no executable for 32-bit little-endian ARM at fixed addresses")
    if each != SEGMENT.size or not 0 < count <= SEGMENTS or at + each * count > len(data):
        raise ValueError("has no table of segments that can be read")
    rows = [SEGMENT.unpack_from(data, at + each * index) for index in range(count)]
    segments = tuple(_segments(data, rows))
    code = entry & ~1
    if not any(part.address <= code < part.address + len(part.data) and part.rights & EXECUTE for part in segments):
        raise ValueError("begins where there is no code")
    return entry, segments


def _segments(data: bytes, rows: list[tuple[int, ...]]) -> list[Segment]:
    found: list[Segment] = []
    lowest = USER_START
    for kind, offset, address, _, in_file, in_memory, flags, _ in rows:
        if kind != LOAD or not in_memory:
            continue
        if in_file > in_memory or offset + in_file > len(data):
            raise ValueError("has a segment that is not in the file")
        if not lowest <= address & -PAGE or address + in_memory > END:
            raise ValueError(f"has a segment at {address:#x} that is on top of another, or out of reach")
        rights = sum(right for bit, right in _RIGHTS if flags & bit)
        found.append(Segment(address, data[offset : offset + in_file], in_memory, rights))
        lowest = address + in_memory + PAGE - 1 & -PAGE
    return found
