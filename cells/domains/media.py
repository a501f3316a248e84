"""Flash chips as a medium for `FlashDisk`: how units and tags lie in blocks.

NOR has no spare bytes: a block begins with the tags of all its units, 32 bytes apart so that each is one operation of the
write buffer; data of 512 bytes follow. A tag is programmed after its data. On NAND a unit is a page and its tag lies in
the spare bytes, behind the mark of a bad block; both are programmed at once, and one job reads the tags of a whole block.
"""

from __future__ import annotations

import contextlib

from cells.domains.drivers.failure import DeviceError
from cells.domains.drivers.nand import DATA_SIZE, PAGES_IN_BLOCK, SPARE_SIZE, NandFlash
from cells.domains.drivers.nor import NorFlash
from cells.domains.ftl import BLANK, TAG

NOR_UNIT = 512
NOR_TAG = 32
TAG_AT = 8
"""Where in a NAND page's spare bytes the tag is."""
GOOD = 0xFF
"""Spare byte 0 of the first two pages of a block that may be used (datasheet K9F1G08U0B, "initial invalid blocks")."""


class NorMedium:
    """Units of 512 bytes on a NOR chip."""

    unit_size = NOR_UNIT

    def __init__(self, flash: NorFlash) -> None:
        self._flash = flash
        self.blocks = flash.blocks
        self.units = flash.block_size // (NOR_UNIT + NOR_TAG)
        self._data = flash.block_size - self.units * NOR_UNIT

    def is_bad(self, block: int) -> bool:
        """NOR chips are sold without bad blocks."""
        return False

    def tag(self, block: int, unit: int) -> bytes:
        """See `Medium`. Its first word tells whether there is one, which most of a scan is about."""
        start = block * self._flash.block_size + unit * NOR_TAG
        first = self._flash.read(start, 4)
        return BLANK if first == BLANK[:4] else first + self._flash.read(start + 4, TAG.size - 4)

    def read(self, block: int, unit: int) -> bytes:
        """See `Medium`."""
        return self._flash.read(self._place(block, unit), NOR_UNIT)

    def program(self, block: int, unit: int, data: bytes, tag: bytes) -> None:
        """See `Medium`."""
        self._flash.program(self._place(block, unit), data)
        self._flash.program(block * self._flash.block_size + unit * NOR_TAG, tag.ljust(NOR_TAG, b"\xff"))

    def erase(self, block: int) -> None:
        """See `Medium`."""
        self._flash.erase(block)

    def retire(self, block: int) -> None:
        """Its next life finds out by itself: erasing fails again."""

    def _place(self, block: int, unit: int) -> int:
        return block * self._flash.block_size + self._data + unit * NOR_UNIT


class NandMedium:
    """Pages of 2048 bytes on a NAND chip."""

    unit_size = DATA_SIZE
    units = PAGES_IN_BLOCK

    def __init__(self, flash: NandFlash) -> None:
        self._flash = flash
        self.blocks = flash.blocks
        self._block = -1
        self._spare = b""
        """Spare bytes of all pages of `_block`."""

    def is_bad(self, block: int) -> bool:
        """Whether the manufacturer or an earlier life said so."""
        spare = self._spare_bytes(block)
        return spare[0] != GOOD or spare[SPARE_SIZE] != GOOD

    def tag(self, block: int, unit: int) -> bytes:
        """See `Medium`."""
        start = unit * SPARE_SIZE + TAG_AT
        return self._spare_bytes(block)[start : start + TAG.size]

    def read(self, block: int, unit: int) -> bytes:
        """See `Medium`."""
        return self._flash.read(block * PAGES_IN_BLOCK + unit)

    def program(self, block: int, unit: int, data: bytes, tag: bytes) -> None:
        """See `Medium`."""
        self._block = -1
        spare = b"\xff" * TAG_AT + tag
        self._flash.program(block * PAGES_IN_BLOCK + unit, data + spare.ljust(SPARE_SIZE, b"\xff"))

    def erase(self, block: int) -> None:
        """See `Medium`."""
        self._block = -1
        self._flash.erase(block)

    def retire(self, block: int) -> None:
        """Mark it as the manufacturer does. If even that fails, the next life finds out by itself."""
        self._block = -1
        for page in (0, 1):
            with contextlib.suppress(DeviceError):
                self._flash.program(block * PAGES_IN_BLOCK + page, b"\0", column=DATA_SIZE)

    def _spare_bytes(self, block: int) -> bytes:
        if block != self._block:
            self._spare = self._flash.read(block * PAGES_IN_BLOCK, DATA_SIZE, SPARE_SIZE, PAGES_IN_BLOCK)
            self._block = block
        return self._spare
