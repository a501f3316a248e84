"""A guest's RAM as its virtual devices see it: every address and length that a driver writes is an allegation.

>>> ram = GuestRam(memoryview(bytearray(4096)), 0x4000_0000)
>>> ram.write(0x4000_0010, b"ab"); ram.read(0x4000_0010, 2)
b'ab'
>>> ram.read(0x4000_0fff, 2)
Traceback (most recent call last):
cells.machine.virtio.ram.DriverError: 2 bytes at 0x40000fff are not in RAM
"""

from __future__ import annotations

from collections.abc import Callable


class DriverError(Exception):
    """The guest's driver did what the specification does not let it do: its device stops until it is reset."""


def _unheard(_address: int, _length: int) -> None:
    """Nobody keeps translations of this memory."""


class GuestRam:
    """`memory` lies at guest physical `base`. `written(address, length)` hears of each store: code may have lain there."""

    def __init__(self, memory: memoryview, base: int, written: Callable[[int, int], object] = _unheard) -> None:
        self._memory, self._base, self._size = memory, base, len(memory)
        self._written = written

    def check(self, address: int, length: int) -> int:
        """The offset of a range.

        Raises:
            DriverError: not all of it is RAM.
        """
        start = address - self._base
        if start < 0 or start + length > self._size:
            raise DriverError(f"{length} bytes at {address:#x} are not in RAM")
        return start

    def read(self, address: int, length: int) -> bytes:
        """A copy.

        Raises:
            DriverError: not all of it is RAM.
        """
        start = self.check(address, length)
        return bytes(self._memory[start : start + length])

    def write(self, address: int, data: bytes) -> None:
        """Store.

        Raises:
            DriverError: not all of it is RAM.
        """
        start = self.check(address, len(data))
        self._memory[start : start + len(data)] = data
        self._written(address, len(data))
