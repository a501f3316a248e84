"""Little ELF files for tests: kernels that say something of themselves, honestly or not."""

from __future__ import annotations

import struct

from cells.machine.notes import OWNER

LOAD, DYNAMIC, NOTE = 1, 2, 4
VIRTUAL_BASE = 0xC000_0000
DATA_AT = 0x104
"""Where `kernel` has the one word that is relocated."""


def elf(*segments: tuple[int, int, bytes, int], kind: int = 3, entry: int = 0) -> bytes:
    """Segments are (type, address, content, size in memory); kind 3 is a static PIE, 2 is linked at fixed addresses."""
    offset = 52 + 32 * len(segments)
    headers, body = b"", b""
    for p_type, address, data, size in segments:
        headers += struct.pack("<8I", p_type, offset + len(body), address, address, len(data), size, 7, 4)
        body += data
    header = struct.pack("<HHIIIIIHHHHHH", kind, 40, 1, entry, 52, 0, 0x5000200, 52, 32, len(segments), 0, 0, 0)
    return b"\x7fELF\x01\x01\x01" + bytes(9) + header + headers + body


def note(kind: int, *words: int, owner: bytes = OWNER) -> bytes:
    """One note, as a linker writes it."""
    content = struct.pack(f"<{len(words)}I", *words)
    return struct.pack("<3I", len(owner), len(content), kind) + owner.ljust(-(-len(owner) // 4) * 4, b"\0") + content


def kernel(
    notes: bytes = note(1, 2) + note(2, VIRTUAL_BASE), *more: tuple[int, int, bytes, int], kind: int = 3
) -> bytes:
    """A kernel for xen, unless it says otherwise: 0x200 bytes, its first instruction at 0, one word that is relocated."""
    table = struct.pack("<2I", DATA_AT, 23)
    code = bytes(DATA_AT) + struct.pack("<3I", 0x44, 2, 3) + table
    tags = struct.pack("<6I", 17, DATA_AT + 12, 18, 8, 0, 0)
    segments = [(LOAD, 0, code + tags, 0x200), (DYNAMIC, len(code), tags, len(tags)), *more]
    return elf(*segments, *([(NOTE, 0, notes, len(notes))] if notes else []), kind=kind)


LIARS: dict[str, bytes] = {
    "flavour_9": kernel(note(1, 9)),
    "low_base": kernel(note(1, 2) + note(2, 0x1000_0000)),
    "cut_note": kernel((note(1, 2) + note(2, VIRTUAL_BASE))[:-6]),
    "two_segments": kernel(note(1, 2), (LOAD, 0x100, b"more", 4)),
    "honest_xen": kernel(),
}
"""Images in `tests/topologies/bad/files`, as NAME.elf."""
