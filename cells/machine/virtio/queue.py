"""Split virtqueues (Virtual I/O Device, OASIS, version 1.2, 2.7): how a driver hands buffers to a device, and gets them back.

Theory: three areas in the driver's memory. A table of *descriptors*, each an address, a length, flags and the next one of its
chain; the *available ring*, in which the driver counts up the chains that it hands over; the *used ring*, in which the device
counts up those that it gives back. The device only reads the first two and only writes the third.

The driver is hostile. Every word is copied once before it is looked at; the device's own counts are its own and never read
back. A chain has each of its descriptors in RAM, and all chains that are out together have no more descriptors than the
table, so that a loop ends, and one notification costs a bounded number of steps. What breaks a rule raises `DriverError`,
and then nothing but a reset brings the device back.

```python
queue.select(128); queue.move(table, available, used); queue.start()
while (chain := queue.take()) is not None:
    queue.give_back(chain, chain.write(0, answer(chain.read(0, chain.readable))))
```
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cells.machine.virtio.ram import DriverError, GuestRam

NEXT, WRITE, INDIRECT = 1, 2, 4
"""Flags of a descriptor (2.7.5). Indirect tables are a feature, which no device here offers."""
NO_INTERRUPT = 1
"""Flag of the available ring (2.7.6): no interrupt when a buffer is used."""
DESCRIPTOR = struct.Struct("<QIHH")
"""Address, length, flags, next."""
_HALF = struct.Struct("<H")
_PAIR = struct.Struct("<2H")
_USED = struct.Struct("<II")
_COUNT = 0xFFFF

Piece = tuple[int, int]
"""Guest physical address, length."""


class Chain:
    """Buffers that the driver handed over together: those that the device reads, then those that it writes.

    `readable`, `writable`: bytes of each. `live`: its queue has not been reset since.
    """

    __slots__ = ("_from", "_ram", "_to", "descriptors", "head", "live", "readable", "writable")

    def __init__(self, ram: GuestRam, head: int, to_read: list[Piece], to_write: list[Piece]) -> None:
        self._ram, self.head = ram, head
        self._from, self._to = to_read, to_write
        self.readable = sum(length for _, length in to_read)
        self.writable = sum(length for _, length in to_write)
        self.descriptors = len(to_read) + len(to_write)
        self.live = True

    def read(self, start: int, length: int) -> bytes:
        """At most so many of the bytes that the device may read."""
        return b"".join(self._ram.read(address, part) for address, part in _cut(self._from, start, length))

    def write(self, start: int, data: bytes) -> int:
        """Store into what the device may write, as much as there is room for; how much that was."""
        at = 0
        for address, part in _cut(self._to, start, len(data)):
            self._ram.write(address, data[at : at + part])
            at += part
        return at


def _cut(pieces: list[Piece], start: int, length: int) -> Iterator[Piece]:
    """The pieces of a part."""
    for address, size in pieces:
        if start >= size:
            start -= size
            continue
        part = min(size - start, length)
        if part <= 0:
            return
        yield address + start, part
        start, length = 0, length - part


class Queue:
    """One queue of at most `most` descriptors, a power of two."""

    def __init__(self, ram: GuestRam, most: int) -> None:
        self._ram, self.most = ram, most
        self._out: dict[int, Chain] = {}
        self.reset()

    def reset(self) -> None:
        """As it was at first. Chains that are out are nobody's any more."""
        for chain in self._out.values():
            chain.live = False
        self._out = {}
        self.size = 0
        self.ready = False
        self.areas = [0, 0, 0]
        """Where the descriptors, the available ring and the used ring lie."""
        self._descriptors = 0
        self._seen = self._used = 0

    def start(self) -> None:
        """The driver says that all is in place.

        Raises:
            DriverError: it is not.
        """
        size, (table, available, used) = self.size, self.areas
        if not 0 < size <= self.most or size & (size - 1):
            raise DriverError(f"a queue of {size} descriptors: it takes a power of two up to {self.most}")
        for address, length, grain in ((table, 16 * size, 16), (available, 6 + 2 * size, 2), (used, 6 + 8 * size, 4)):
            if address % grain:
                raise DriverError(f"an area of a queue at {address:#x}: it lies at multiples of {grain}")
            self._ram.check(address, length)
        self.ready = True

    @property
    def taken(self) -> int:
        """Chains that are out."""
        return len(self._out)

    def take(self) -> Chain | None:
        """The next chain that the driver has handed over, None if there is none.

        Raises:
            DriverError: what stands there makes no sense.
        """
        if not self.ready:
            return None
        available = self.areas[1]
        (count,) = _HALF.unpack(self._ram.read(available + 2, 2))
        waiting = count - self._seen & _COUNT
        if not waiting:
            return None
        if waiting + len(self._out) > self.size:
            raise DriverError(f"{waiting} chains handed over, {len(self._out)} out, of {self.size}")
        (head,) = _HALF.unpack(self._ram.read(available + 4 + 2 * (self._seen % self.size), 2))
        if head in self._out:
            raise DriverError(f"descriptor {head} is out already")
        chain = self._chain(head)
        self._seen = self._seen + 1 & _COUNT
        self._descriptors += chain.descriptors
        self._out[head] = chain
        return chain

    def _chain(self, head: int) -> Chain:
        """Follow the descriptors from one on."""
        to_read: list[Piece] = []
        to_write: list[Piece] = []
        room, at = self.size - self._descriptors, head
        while True:
            if at >= self.size:
                raise DriverError(f"descriptor {at} of {self.size}")
            if len(to_read) + len(to_write) >= room:
                raise DriverError("chains with more descriptors than there are: one loops, or shares with another")
            address, length, flags, following = DESCRIPTOR.unpack(self._ram.read(self.areas[0] + 16 * at, 16))
            self._ram.check(address, length)
            if flags & INDIRECT:
                raise DriverError("an indirect descriptor: that was not offered")
            if flags & WRITE:
                to_write.append((address, length))
            elif to_write:
                raise DriverError("a buffer to be read behind one to be written")
            else:
                to_read.append((address, length))
            if not flags & NEXT:
                return Chain(self._ram, head, to_read, to_write)
            at = following

    def give_back(self, chain: Chain, written: int) -> bool:
        """The chain is done, `written` bytes stand in it; whether the driver wants to be interrupted.

        Raises:
            DriverError: its memory is not there; it was when the queue was started.
        """
        if not chain.live:
            return False
        del self._out[chain.head]
        chain.live = False
        self._descriptors -= chain.descriptors
        used = self.areas[2]
        self._ram.write(used + 4 + 8 * (self._used % self.size), _USED.pack(chain.head, written))
        self._used = self._used + 1 & _COUNT
        self._ram.write(used + 2, _HALF.pack(self._used))
        flags, _ = _PAIR.unpack(self._ram.read(self.areas[1], 4))
        return not flags & NO_INTERRUPT
