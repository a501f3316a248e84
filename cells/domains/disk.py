"""A disk of the host's as a store of sectors: the content is mapped (cells/disks.py), the time is a card's.

Theory: a request takes the time that a small embedded flash card would, and its driver sleeps meanwhile: so long until the
first byte, and so long for each further one. Both are assumed, of the order of an eMMC 4.41 card's (JEDEC JESD84-A441
allows 104 MB/s on the bus; cards of the time gave less than half, and answered within a tenth of a millisecond).
"""

from __future__ import annotations

from typing import Protocol

from cells.disks import Disk, DiskError
from cells.split.block.back import StoreError
from cells.split.ends import Clock

SECTOR = 512
LATENCY_NS = 100_000
NS_PER_BYTE = 25
"""40 MB/s."""


class Sleeper(Clock, Protocol):
    """What a driver needs of a port."""

    hz: int

    def sleep_until(self, time: int) -> None:
        """Wait until `time`."""


class DiskStore:
    """See `Store` of cells/split/block/back.py."""

    volatile = False
    sector_size = SECTOR

    def __init__(self, disk: Disk, port: Sleeper) -> None:
        self._disk, self._port = disk, port
        self.sectors = disk.size // SECTOR
        self.read_only = disk.read_only

    def read(self, sector: int, count: int) -> bytes:
        """See `Store`."""
        self.pass_time(count * SECTOR)
        try:
            return self._disk.read(sector * SECTOR, count * SECTOR)
        except DiskError as error:
            raise StoreError(str(error)) from None

    def write(self, sector: int, data: bytes) -> None:
        """See `Store`. The host has it when this returns."""
        self.pass_time(len(data))
        try:
            self._disk.write(sector * SECTOR, data)
        except DiskError as error:
            raise StoreError(str(error)) from None

    def flush(self) -> None:
        """See `Store`: nothing is ever under way."""

    def pass_time(self, length: int) -> None:
        """Sleep as long as the card would work on so many bytes."""
        self._port.sleep_until(self._port.now + (LATENCY_NS + length * NS_PER_BYTE) * self._port.hz // 10**9)
