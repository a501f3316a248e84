"""A disk on flash: sectors that can be written again and again, on blocks that must be erased before.

The flash is a log. A sector is written to the next blank *unit* (its data and a *tag* that says which sector this is, with
a sequence number and checksums) and never in place; the newest unit of a sector is the sector. The tag is programmed after
the data, or with it in one operation, so that a unit whose tag is right is whole. A new life reads the tags and knows
everything: whoever is killed at any point loses no sector that was written, and of one that was being written gets the
old or the new content. That is also why a write is on the device when it returns.

Blocks are opened in rotation, which spreads the wear. When blank blocks run low, the block with the fewest current units is
cleaned: they are copied to the log's end, then the block is erased. Each `LEVELLING`th time it is instead the block that was
begun longest ago, however full, so that data which never changes does not hold on to an unworn block for ever.

```python
disk = FlashDisk(NorMedium(flash), log=print)
disk.write(7, b"...")
```
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cells.domains.drivers.failure import DeviceError
from cells.split.block.back import StoreError

TAG = struct.Struct("<HHIQII")
"""Mark, zero, sector, sequence number, checksum of the data, checksum of the tag so far."""
MARK = 0x4C43
BLANK = b"\xff" * TAG.size
SPARE = 4
"""Blocks beyond the content: two blank ones at any time, the open one, and one whose current units make no garbage."""
LOW = 2
LEVELLING = 16


class Medium(Protocol):
    """Flash as this layer sees it. Units of a block are programmed in order, each once between two erases.

    All but `is_bad` raise `DeviceError` when the device fails.
    """

    blocks: int
    units: int
    """Of each block."""
    unit_size: int

    def is_bad(self, block: int) -> bool:
        """Whether the block must not be used."""
        ...

    def tag(self, block: int, unit: int) -> bytes:
        """The tag of a unit, `TAG.size` bytes; all ones if there is none."""
        ...

    def read(self, block: int, unit: int) -> bytes:
        """The data of a unit."""
        ...

    def program(self, block: int, unit: int, data: bytes, tag: bytes) -> None:
        """Write a blank unit, its tag not before its data."""
        ...

    def erase(self, block: int) -> None:
        """Make a block blank."""
        ...

    def retire(self, block: int) -> None:
        """Mark a block as bad, for all lives to come if the medium can."""
        ...


class Place(NamedTuple):
    """Where a sector is, and what its data sums up to."""

    block: int
    unit: int
    checksum: int


class FlashDisk:
    """A backing store on a medium. `log` is told what was found at the start, and of failures."""

    read_only = False
    volatile = False

    def __init__(self, medium: Medium, log: Callable[[str], None]) -> None:
        self._medium = medium
        self._log = log
        self.sector_size = medium.unit_size
        spare = SPARE + medium.blocks // 32
        self.sectors = (medium.blocks - spare) * medium.units
        if self.sectors <= 0:
            raise StoreError(f"{medium.blocks} blocks are too few: {spare} are kept for cleaning")
        self._places: dict[int, Place] = {}
        self._current = [0] * medium.blocks
        """Units of each block that are the newest of their sector."""
        self._used = [0] * medium.blocks
        """Units of each block that are not blank."""
        self._begun = [0] * medium.blocks
        """Sequence number at which each was begun."""
        self._bad = {block for block in range(medium.blocks) if medium.is_bad(block)}
        self._erased: set[int] = set()
        """Blocks that were erased in this life: no other is trusted to be blank, whatever its tags say."""
        self._open: int | None = None
        self._last_opened = -1
        self._sequence = 0
        self._cleanings = 0
        self._mount()

    # ---- the store

    def read(self, sector: int, count: int) -> bytes:
        """See `Store`. A sector that was never written is zeros."""
        return b"".join([self._read(each) for each in range(sector, sector + count)])

    def write(self, sector: int, data: bytes) -> None:
        """See `Store`."""
        for number, at in enumerate(range(0, len(data), self.sector_size)):
            self._make_room()
            unit = data[at : at + self.sector_size]
            self._append(sector + number, unit, zlib.crc32(unit))

    def flush(self) -> None:
        """Nothing waits."""

    def _read(self, sector: int) -> bytes:
        place = self._places.get(sector)
        if place is None:
            return bytes(self.sector_size)
        try:
            data = self._medium.read(place.block, place.unit)
        except DeviceError as error:
            raise StoreError(str(error)) from error
        if zlib.crc32(data) != place.checksum:
            raise StoreError(f"sector {sector}: the flash gives other data than was written")
        return data

    # ---- the start

    def _mount(self) -> None:
        """Read all tags; the newest of each sector counts."""
        newest: dict[int, int] = {}
        for block in range(self._medium.blocks):
            if block not in self._bad:
                self._scan(block, newest)
        if self._open is not None:
            self._last_opened = self._open
            self._resume(self._open)
        bad = f", {len(self._bad)} bad" if self._bad else ""
        self._log(
            f"flash: {self._medium.blocks} blocks{bad}, {self.sectors} sectors, {len(self._places)} of them written"
        )

    def _scan(self, block: int, newest: dict[int, int]) -> None:
        for unit in range(self._medium.units):
            tag = self._medium.tag(block, unit)
            if tag == BLANK:
                return
            self._used[block] = unit + 1
            fields = parse_tag(tag)
            if fields is None or fields[0] >= self.sectors:
                continue  # spoiled on purpose, or never finished
            sector, sequence, checksum = fields
            self._begun[block] = self._begun[block] or sequence
            if sequence > newest.get(sector, -1):
                newest[sector] = sequence
                self._move(sector, Place(block, unit, checksum))
            if sequence >= self._sequence:
                self._sequence, self._open = sequence + 1, block

    def _resume(self, block: int) -> None:
        """Go on in the block that was written last, behind units that were begun and have no tag."""
        while self._used[block] < self._medium.units:
            unit = self._used[block]
            if self._medium.read(block, unit) == b"\xff" * self.sector_size:
                return
            self._used[block] += 1
            try:
                self._medium.program(block, unit, b"\xff" * self.sector_size, bytes(TAG.size))
            except DeviceError as error:
                self._give_up(block, error)
                return

    # ---- the log

    def _append(self, sector: int, data: bytes, checksum: int) -> None:
        """Write a sector at the end of the log."""
        while True:
            block = self._block_to_write()
            unit, sequence = self._used[block], self._sequence
            self._used[block] += 1
            self._sequence += 1
            try:
                self._medium.program(block, unit, data, make_tag(sector, sequence, checksum))
            except DeviceError as error:
                self._give_up(block, error)
                continue
            self._move(sector, Place(block, unit, checksum))
            return

    def _move(self, sector: int, place: Place) -> None:
        old = self._places.get(sector)
        if old is not None:
            self._current[old.block] -= 1
        self._places[sector] = place
        self._current[place.block] += 1

    def _block_to_write(self) -> int:
        """The open block, or the next blank one in rotation."""
        while self._open is None or self._used[self._open] >= self._medium.units:
            blank = self._blank()
            if not blank:
                raise StoreError("the flash is full: too many of its blocks are bad")
            self._open_block(next((block for block in blank if block > self._last_opened), blank[0]))
        return self._open

    def _open_block(self, block: int) -> None:
        self._last_opened = block
        if block in self._erased or self._erase(block):
            self._erased.discard(block)
            self._open, self._begun[block] = block, self._sequence

    def _blank(self) -> list[int]:
        """Blocks without content, in order."""
        return [b for b in range(self._medium.blocks) if not self._used[b] and b not in self._bad]

    # ---- cleaning

    def _make_room(self) -> None:
        """Clean until enough blocks are blank for the next cleaning, however that one may be interrupted."""
        while len(self._blank()) < LOW:
            victim = self._victim()
            if victim is None:
                raise StoreError("the flash is full: too many of its blocks are bad")
            self._evacuate(victim)
            self._erase(victim)

    def _victim(self) -> int | None:
        """The block to clean."""
        self._cleanings += 1
        full = [b for b in range(self._medium.blocks) if self._used[b] and b != self._open and b not in self._bad]
        if self._cleanings % LEVELLING == 0:
            return min(full, key=lambda block: self._begun[block], default=None)
        worth = [block for block in full if self._current[block] < self._medium.units]
        return min(worth, key=lambda block: self._current[block], default=None)

    def _evacuate(self, block: int) -> None:
        """Copy the current units of a block to the end of the log; one that is spoiled stays so, and reading it says so."""
        for sector, place in [each for each in self._places.items() if each[1].block == block]:
            try:
                data = self._medium.read(place.block, place.unit)
            except DeviceError:
                data = bytes(self.sector_size)
            self._append(sector, data, place.checksum)

    def _erase(self, block: int) -> bool:
        try:
            self._medium.erase(block)
        except DeviceError as error:
            self._bad.add(block)
            self._medium.retire(block)
            self._log(f"flash: block {block} is given up: {error}")
            return False
        self._used[block] = self._begun[block] = 0
        self._erased.add(block)
        return True

    def _give_up(self, block: int, error: DeviceError) -> None:
        """A block that failed while it was written: what it holds is copied elsewhere."""
        self._log(f"flash: block {block} is given up: {error}")
        self._bad.add(block)
        self._open = None
        self._evacuate(block)
        self._medium.retire(block)


def make_tag(sector: int, sequence: int, checksum: int) -> bytes:
    """The tag of a unit."""
    tag = TAG.pack(MARK, 0, sector, sequence, checksum, 0)
    return tag[:-4] + zlib.crc32(tag[:-4]).to_bytes(4, "little")


def parse_tag(tag: bytes) -> tuple[int, int, int] | None:
    """Sector, sequence number and the data's checksum; None if this is no tag."""
    mark, zero, sector, sequence, checksum, own = TAG.unpack(tag)
    if (mark, zero) != (MARK, 0) or own != zlib.crc32(tag[:-4]):
        return None
    return sector, sequence, checksum
