"""Guest images: what a file is and what of it goes where. Pure: others read files, `placement` lays the parts out in
RAM.

An image is an ELF for ARM (statically linked at fixed addresses, or a static PIE that loads anywhere), a Linux
zImage, or a flat binary. Everything else is refused with one line that says what it is and what to do.

>>> recognise("flat.bin", bytes.fromhex("fe ff ff ea")).kind
'raw'
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from itertools import chain

from elftools.elf.elffile import ELFFile
from elftools.elf.segments import Segment

from cells.machine.notes import NO_NOTES, NoteError, Notes, read_notes

R_ARM_RELATIVE = 23
"""The only relocation that a static PIE for ARM has (ELF for the Arm Architecture, 5.6.1)."""
_DT_REL, _DT_RELSZ = 17, 18
_FOREIGN_TABLES = {7: "RELA", 23: "PLT", 36: "RELR"}
"""Tags of relocation tables in forms that this loader has no use for (ELF gABI, figure 5-10)."""
ZIMAGE_MAGIC = 0x016F2818
_ZIMAGE_MAGIC_AT = 0x24
"""Then follow the absolute addresses of start and end (Linux, arch/arm/boot/compressed/head.S)."""
_ZIMAGE_TABLE_AT = 0x34
"""0x45454545, then the offset of a table of tags (same place); kernels since 4.15 have it."""
_ZIMAGE_TABLE_MAGIC = 0x45454545
_KERNEL_SIZE_TAG = 0x5A534C4B

_NOT_BOOTABLE: tuple[tuple[bytes, str], ...] = (
    (b"\x27\x05\x19\x56", "is a U-Boot image: strip its header of 64 bytes"),
    (b"\xd0\x0d\xfe\xed", "is a device tree or a FIT image, not a program"),
    (b"\x1f\x8b", "is compressed (gzip): unpack it first"),
    (b"\xfd7zXZ\0", "is compressed (xz): unpack it first"),
    (b"!<arch>\n", "is an archive or a Debian package: unpack it first"),
    (b"0707", "is a cpio archive: name it with initrd or root"),
    (b"#!", "is a script, not an image"),
)
"""Beginnings of files that people take for images."""


class ImageError(Exception):
    """A file cannot be booted; the user is told which one and why, in one line."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file}: {why}")
        self.file = file
        self.why = why


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of an image at an address, or at an offset from where a movable image is put; then zeros up to `size`."""

    address: int
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Image:
    """What a file turned out to be.

    `kind`: "elf", "zimage" or "raw". `movable`: addresses, `entry` and `relocations` (the words to which the load
    address is to be added) count from wherever it is put. `entry`: bit 0 set means Thumb. `unpacked_size`: what a
    zImage's kernel takes when unpacked, with its zeroed data; 0 when it does not say. `notes`: what a kernel says of itself."""

    file: str
    kind: str
    parts: tuple[Part, ...]
    entry: int
    movable: bool
    relocations: tuple[int, ...] = ()
    unpacked_size: int = 0
    notes: Notes = NO_NOTES

    @property
    def deprivileged(self) -> bool:
        """Whether it is a kernel that was made to run without privileges."""
        return bool(self.notes.flavour)  # native is 0


def recognise(file: str, data: bytes) -> Image:
    """What kind of image the bytes are; `file` is the name for messages.

    Raises:
        ImageError: it is none, is for another machine, or is cut short.
    """
    if not data:
        raise ImageError(file, "is empty")
    if data.startswith(b"\x7fELF"):
        return _elf(file, data)
    if _word(data, _ZIMAGE_MAGIC_AT) == ZIMAGE_MAGIC:
        return _zimage(file, data)
    for magic, why in _NOT_BOOTABLE:
        if data.startswith(magic):
            raise ImageError(file, why)
    return Image(file, "raw", (Part(0, data, len(data)),), entry=0, movable=True)


def _word(data: bytes, offset: int) -> int | None:
    """The little-endian word at an offset, or None beyond the end."""
    return int(struct.unpack_from("<I", data, offset)[0]) if 0 <= offset <= len(data) - 4 else None


def _zimage(file: str, data: bytes) -> Image:
    start, end = _word(data, _ZIMAGE_MAGIC_AT + 4), _word(data, _ZIMAGE_MAGIC_AT + 8)
    if start is None or end is None or end <= start:
        raise ImageError(file, "is a zImage with a broken header")
    if len(data) < end - start:
        raise ImageError(file, f"is truncated: {len(data)} bytes of a zImage of {end - start}")
    part = Part(0, data, len(data))
    return Image(file, "zimage", (part,), entry=0, movable=True, unpacked_size=_unpacked_size(data))


def _unpacked_size(data: bytes) -> int:
    """Size of the kernel inside, from the tag table: text and data (a word that the tag points to), and zeroed data."""
    at = _word(data, _ZIMAGE_TABLE_AT + 4) if _word(data, _ZIMAGE_TABLE_AT) == _ZIMAGE_TABLE_MAGIC else None
    while at is not None:
        words, tag = _word(data, at), _word(data, at + 4)
        if not words or tag is None:
            break
        if tag == _KERNEL_SIZE_TAG:
            return (_word(data, _word(data, at + 8) or 0) or 0) + (_word(data, at + 12) or 0)
        at += 4 * words
    return 0


def _elf(file: str, data: bytes) -> Image:
    try:
        return _parsed_elf(file, ELFFile(BytesIO(data)), len(data))
    except ImageError:
        raise
    except NoteError as error:
        raise ImageError(file, str(error)) from None
    except Exception as error:  # pyelftools meets damage with whatever its code runs into, assertions included
        raise ImageError(file, f"is a damaged ELF ({str(error) or type(error).__name__})") from None


def _parsed_elf(file: str, elf: ELFFile, length: int) -> Image:
    header = elf.header
    if header["e_machine"] != "EM_ARM" or not elf.little_endian or elf.elfclass != 32:
        raise ImageError(file, f"is an ELF for {elf.get_machine_arch()}, not for little-endian 32-bit ARM")
    movable = {"ET_EXEC": False, "ET_DYN": True}.get(header["e_type"])
    if movable is None:
        raise ImageError(file, "is an object file: link it first")
    segments = list(elf.iter_segments())
    if any(segment["p_type"] == "PT_INTERP" for segment in segments):
        raise ImageError(file, "is dynamically linked: link it with -static or -static-pie")
    parts = tuple(_part(file, s, length) for s in segments if s["p_type"] == "PT_LOAD" and s["p_memsz"])
    if not parts:
        raise ImageError(file, "has nothing to load")
    tables = [_relocations(file, s.data(), parts) for s in segments if s["p_type"] == "PT_DYNAMIC"]
    notes = read_notes(*(segment.data() for segment in segments if segment["p_type"] == "PT_NOTE"))
    if notes.virtual_base and not movable:
        raise ImageError(file, "says a virtual base, but is linked to fixed addresses: link it with -static-pie")
    return Image(file, "elf", parts, header["e_entry"], movable, tuple(chain.from_iterable(tables)), notes=notes)


def _part(file: str, segment: Segment, length: int) -> Part:
    offset, stored, size = segment["p_offset"], segment["p_filesz"], segment["p_memsz"]
    if offset + stored > length:
        raise ImageError(file, f"is truncated: {length} bytes of an ELF of at least {offset + stored}")
    if stored > size:
        raise ImageError(file, "is a damaged ELF (a segment has more bytes in the file than in memory)")
    return Part(segment["p_paddr"], segment.data(), size)


def _relocations(file: str, dynamic: bytes, parts: tuple[Part, ...]) -> list[int]:
    """Offsets of the words to relocate, from the dynamic section's table of (offset, type) pairs."""
    tags = dict(struct.iter_unpack("<2I", dynamic[: len(dynamic) & ~7]))
    foreign = [name for tag, name in _FOREIGN_TABLES.items() if tag in tags]
    if foreign:
        raise ImageError(file, f"has relocations in {foreign[0]} form: a static PIE for ARM has REL only")
    at, size = tags.get(_DT_REL, 0), tags.get(_DT_RELSZ, 0)
    table = b"".join(p.data[at - p.address :][:size] for p in parts if p.address <= at < p.address + len(p.data))
    if len(table) != size or size % 8:
        raise ImageError(file, "is a damaged ELF (its relocations lie outside of it)")
    pairs = list(struct.iter_unpack("<2I", table))
    if any(kind != R_ARM_RELATIVE for _, kind in pairs):
        raise ImageError(file, "needs a dynamic linker: link it with -static-pie")
    return [offset for offset, _ in pairs]
