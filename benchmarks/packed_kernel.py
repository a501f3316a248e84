"""Debian's ARMv7 kernel without its unpacking, which is nine tenths of a boot's instructions.

The kernel is Debian's, byte for byte, as its own decompressor would leave it in RAM; a board that loads it there (`CHANGES`)
boots it at once.

    Path("Image").write_bytes(unpacked(resolve("debian:armmp").path.read_bytes()))
    launch({"board": "beagle", "cells": {"linux": {"kernel": "Image", ...}}}, overrides=CHANGES)
"""

from __future__ import annotations

import lzma

XZ = b"\xfd7zXZ\0"
TEXT_OFFSET = 0x20_8000
"""Where it is linked to lie in RAM, with the platforms that Debian's configuration has (arch/arm/Makefile, textofs)."""
CHANGES = (f"board.linux.load_offset={TEXT_OFFSET}",)


def unpacked(zimage: bytes) -> bytes:
    """The kernel in a zImage that is packed with xz.

    Raises:
        ValueError: there is none.
    """
    at = zimage.find(XZ)
    while at >= 0:
        try:
            return lzma.LZMADecompressor().decompress(zimage[at:])
        except lzma.LZMAError:  # the decompressor knows the mark, too
            at = zimage.find(XZ, at + 1)
    raise ValueError("there is no xz stream in it")
