"""A module's file (.mod): a header, code and constants, data; every field checked.

    image = parse(data)                 # raises ImageError
    image.entry, image.classes, image.text, image.data, image.bss

Theory: a module has an address space of its own, so that it is linked to one address and needs no relocation. Its file is what
lies in memory from there on: whole pages of code and constants, then data; zeroes follow. Class ids stand in the header, where
BREW has them in the module information file (.mif) beside it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from cells.personalities.brew.codes import OWN_CLASSES

PAGE = 4096
BASE = 0x0010_0000
"""Where modules lie."""
MAGIC, VERSION = b"CVMD", 1
LARGEST = 1 << 20
"""Bytes of a module in memory."""
CLASSES = 8
_HEADER = struct.Struct(f"<4s5I{CLASSES}I")


class ImageError(ValueError):
    """It is no module."""


class Image(NamedTuple):
    """A module as it lies in memory. `entry`: AEEMod_Load, bit 0 for Thumb."""

    text: bytes
    data: bytes
    bss: int
    entry: int
    classes: tuple[int, ...]

    @property
    def end(self) -> int:
        """Behind its zeroes, in whole pages."""
        return BASE + len(self.text) + (len(self.data) + self.bss + PAGE - 1 & -PAGE)


def parse(data: bytes) -> Image:
    """The module in a file.

    Raises:
        ImageError: it is none.
    """
    if len(data) < _HEADER.size or data[:4] != MAGIC:
        raise ImageError("is no module (a module's file begins with CVMD)")
    _, version, text, file, bss, entry, *words = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ImageError(f"is a module of version {version}; this one loads version {VERSION}")
    if text % PAGE or not _HEADER.size < text <= LARGEST or file > LARGEST or bss > LARGEST:
        raise ImageError(f"has sizes that cannot be ({text:#x} + {file:#x} + {bss:#x} bytes)")
    if len(data) != text + file or text + file + bss > LARGEST:
        raise ImageError(f"has {len(data)} bytes where its header says {text + file}")
    if not BASE + _HEADER.size <= entry & ~1 < BASE + text or entry & 3 == 2:
        raise ImageError(f"begins at {entry:#x}, outside of its code")
    return Image(data[:text], data[text:], bss, entry, _classes(words))


def _classes(words: list[int]) -> tuple[int, ...]:
    found = tuple(word for word in words if word)
    if not found or len(set(found)) != len(found) or any(word in OWN_CLASSES for word in found):
        raise ImageError(f"has class ids that cannot be ({', '.join(f'{word:#010x}' for word in found) or 'none'})")
    return found
