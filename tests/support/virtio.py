"""A virtio driver in Python before one device: fake RAM, real registers, and the driver domain's back end behind a fake link.

```python
driver = Driver(Block, World("block"), lambda connections: BlockBack(connections, store))
driver.start()                                     # features, queues, DRIVER_OK
head = driver.put(0, [header], [512, 1])           # buffers to be read, sizes of those to be written
driver.kick(0)
assert driver.done(0) == [(head, 513)] and driver.got(head)[-1:] == b"\\0"
```
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from cells.machine.virtio.function import Function
from cells.machine.virtio.mmio import ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, Mmio
from cells.machine.virtio.queue import DESCRIPTOR, NEXT, WRITE
from cells.machine.virtio.ram import GuestRam
from tests.support.links import World

BASE = 0x4000_0000
SIZE = 1 << 18
AREA = 0x4000
"""Bytes for each queue's areas: descriptors, available ring, used ring."""
STATUS, NOTIFY, INTERRUPTS, ACK = 0x70, 0x50, 0x60, 0x64


class Host:
    """Counts what the monitor would be told of."""

    def __init__(self) -> None:
        self.traps: list[tuple[int, int, int | None]] = []
        self.interrupts = 0
        self.now: Callable[[], int] = lambda: 0
        self.kicks = 0

    def trap(self, offset: int, size: int, value: int | None) -> None:
        self.traps.append((offset, size, value))

    def interrupt(self) -> None:
        self.interrupts += 1

    def kick(self) -> None:
        self.kicks += 1


class Driver:
    """`size`: descriptors of each queue. `patience`: as the device's."""

    def __init__(
        self,
        make: Callable[[Mmio], Function],
        world: World | None = None,
        make_back: Callable[[Any], Any] | None = None,
        size: int = 16,
        patience: int = 0,
    ) -> None:
        self.memory = bytearray(SIZE)
        self.written: list[tuple[int, int]] = []
        ram = GuestRam(memoryview(self.memory), BASE, lambda *what: self.written.append(what))
        self.host, self.levels = Host(), [False]
        self.mmio = Mmio(make, ram, self.host, self.levels.append)
        self.world, self.size = world, size
        self.free = BASE + AREA * len(self.mmio.queues)
        self.chains: dict[tuple[int, int], list[tuple[int, int]]] = {}
        self._next: dict[int, int] = {}
        self._available: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        if world is not None and make_back is not None:
            world.start_back(make_back)
            self.host.now = lambda: world.clock.now
            self.mmio.function.attach(world.start_front().links["back"], world.clock, patience)
            self.settle()

    # ---- registers

    def read(self, offset: int, size: int = 4) -> int:
        return self.mmio.registers.read(offset, size)

    def write(self, offset: int, value: int, size: int = 4) -> None:
        self.mmio.registers.write(offset, size, value)

    @property
    def status(self) -> int:
        return self.read(STATUS)

    def features(self) -> int:
        words = []
        for word in range(2):
            self.write(0x14, word)
            words.append(self.read(0x10))
        return words[1] << 32 | words[0]

    def accept(self, features: int) -> None:
        for word in range(2):
            self.write(0x24, word)
            self.write(0x20, features >> 32 * word & 0xFFFF_FFFF)

    def start(self, features: int | None = None) -> None:
        self.write(STATUS, 0)
        self._next, self._available, self._seen = {}, {}, {}
        self.write(STATUS, ACKNOWLEDGE)
        self.write(STATUS, ACKNOWLEDGE | DRIVER)
        self.accept(self.features() if features is None else features)
        self.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK)
        for index in range(len(self.mmio.queues)):
            self.place(index)
        self.write(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def areas(self, index: int) -> tuple[int, int, int]:
        table = BASE + AREA * index
        return table, table + 0x1000, table + 0x2000

    def place(self, index: int, areas: Sequence[int] | None = None, size: int | None = None, ready: int = 1) -> None:
        for area in self.areas(index):
            self.memory[area - BASE : area - BASE + 0x1000] = bytes(0x1000)
        self.write(0x30, index)
        self.write(0x38, self.size if size is None else size)
        for offset, area in zip((0x80, 0x90, 0xA0), areas or self.areas(index), strict=True):
            self.write(offset, area & 0xFFFF_FFFF)
            self.write(offset + 4, area >> 32)
        self.write(0x44, ready)

    # ---- queues

    def poke(self, address: int, layout: str, *values: int) -> None:
        struct.pack_into("<" + layout, self.memory, address - BASE, *values)

    def peek(self, address: int, layout: str) -> tuple[int, ...]:
        return struct.unpack_from("<" + layout, self.memory, address - BASE)

    def buffer(self, size: int, content: bytes = b"") -> int:
        if self.free + size > BASE + SIZE:
            self.free = BASE + AREA * len(self.mmio.queues)
        address, self.free = self.free, self.free + -(-max(size, 1) // 16) * 16
        self.memory[address - BASE : address - BASE + len(content)] = content
        return address

    def describe(self, index: int, at: int, address: int, length: int, flags: int = 0, following: int = 0) -> None:
        self.poke(self.areas(index)[0] + 16 * at, "QIHH", address, length, flags, following)

    def put(self, index: int, to_read: Sequence[bytes], to_write: Sequence[int] = ()) -> int:
        """Describe a chain and hand it over; its head."""
        pieces = [(self.buffer(len(data), data), len(data), 0) for data in to_read]
        pieces += [(self.buffer(size), size, WRITE) for size in to_write]
        first = self._next.get(index, 0)
        places = [(first + number) % self.size for number in range(len(pieces))]
        for number, (address, length, flags) in enumerate(pieces):
            following = () if number == len(pieces) - 1 else (flags | NEXT, places[number + 1])
            self.describe(index, places[number], address, length, *(following or (flags,)))
        self._next[index] = (first + len(pieces)) % self.size
        self.chains[index, places[0]] = [(address, length) for address, length, flags in pieces if flags & WRITE]
        self.offer(index, places[0])
        return places[0]

    def offer(self, index: int, head: int) -> None:
        """Put a head into the available ring and count it."""
        count = self._available.get(index, 0)
        _, available, _ = self.areas(index)
        self.poke(available + 4 + 2 * (count % self.size), "H", head)
        self._available[index] = count = count + 1 & 0xFFFF
        self.poke(available + 2, "H", count)

    def kick(self, index: int) -> None:
        self.write(NOTIFY, index)
        self.settle()

    def settle(self) -> None:
        """Let the back end and the device talk until neither has anything to say."""
        if self.world is None:
            return
        for _ in range(1000):
            before = self._activity()
            if self.world.back is not None:
                self.world.serve()
            self.mmio.function.progress()
            if self._activity() == before:
                return
        raise AssertionError("device and back end never rest")

    def _activity(self) -> tuple[int, ...]:
        assert self.world is not None
        links = (*self.world.fronts.values(), *self.world.backs.values())
        return self.world.clock.spent, len(self.written), sum(link.rings for link in links)

    def done(self, index: int) -> list[tuple[int, int]]:
        """Heads that came back since the last look, each with the bytes that were written."""
        _, _, used = self.areas(index)
        seen, (count,) = self._seen.get(index, 0), self.peek(used + 2, "H")
        found = []
        while seen != count:
            found.append(self.peek(used + 4 + 8 * (seen % self.size), "II"))
            seen = seen + 1 & 0xFFFF
        self._seen[index] = seen
        return [(head, written) for head, written in found]

    def got(self, head: int, index: int = 0) -> bytes:
        """What stands in the buffers that the device may write."""
        pieces = self.chains[index, head]
        return b"".join(bytes(self.memory[at - BASE : at - BASE + length]) for at, length in pieces)


def crime_table(size: int = 16) -> dict[str, Callable[[Driver], None]]:
    """What a hostile driver does to queue 0 of a device that works, before it rings: each must cost it its device."""

    def loop(driver: Driver) -> None:
        driver.describe(0, 0, BASE + 0x8000, 16, NEXT, 1)
        driver.describe(0, 1, BASE + 0x8000, 16, NEXT, 0)
        driver.offer(0, 0)

    def far(driver: Driver) -> None:
        driver.describe(0, 0, 0x1000, 16)
        driver.offer(0, 0)

    def beyond(driver: Driver) -> None:
        driver.describe(0, 0, BASE + SIZE - 8, 16)
        driver.offer(0, 0)

    def around(driver: Driver) -> None:
        driver.describe(0, 0, (1 << 64) - 8, 16)
        driver.offer(0, 0)

    def huge(driver: Driver) -> None:
        driver.describe(0, 0, BASE + 0x8000, 0xFFFF_FFFF, WRITE)
        driver.offer(0, 0)

    def index(driver: Driver) -> None:
        driver.offer(0, size)

    def next_index(driver: Driver) -> None:
        driver.describe(0, 0, BASE + 0x8000, 16, NEXT, 0xFFFF)
        driver.offer(0, 0)

    def count(driver: Driver) -> None:
        driver.poke(driver.areas(0)[1] + 2, "H", size + 1)

    def indirect(driver: Driver) -> None:
        driver.describe(0, 0, BASE + 0x8000, 16, 4)
        driver.offer(0, 0)

    def order(driver: Driver) -> None:
        driver.describe(0, 0, BASE + 0x8000, 16, WRITE | NEXT, 1)
        driver.describe(0, 1, BASE + 0x8000, 16, 0)
        driver.offer(0, 0)

    return {
        "a chain that loops": loop,
        "a buffer below RAM": far,
        "a buffer across the end of RAM": beyond,
        "a buffer at the end of the address space": around,
        "a buffer of 4 GiB": huge,
        "a head beyond the table": index,
        "a next beyond the table": next_index,
        "more chains than descriptors": count,
        "an indirect descriptor": indirect,
        "a buffer to be read behind one to be written": order,
    }


assert DESCRIPTOR.size == 16
