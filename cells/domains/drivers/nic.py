"""Driver of the OpenCores Ethernet MAC (devices/nic.py): descriptors in its registers, buffers in this cell's memory.

Frames are taken and given without checksum. The interrupt says that something arrived; then the descriptors are looked
through until an empty one is found.

```python
nic = Nic(port, device)
nic.send(frame)
while (frame := nic.receive()) is not None: ...
```
"""

from __future__ import annotations

from cells.domains.devices import Owned
from cells.port import Port

MODER, INT_SOURCE, INT_MASK, TX_BD_NUM, MAC_ADDR0, MAC_ADDR1, DESCRIPTORS = 0x00, 0x04, 0x08, 0x20, 0x40, 0x44, 0x400
RXEN, TXEN, PROMISCUOUS, CRC, PAD = 1 << 0, 1 << 1, 1 << 5, 1 << 13, 1 << 15
RXB, RXE, BUSY = 1 << 2, 1 << 3, 1 << 4
OWNED, IRQ, WRAP = 1 << 15, 1 << 14, 1 << 13
WRONG = 1 << 6 | 1 << 3 | 1 << 2 | 1 << 1
"""Bits of a received descriptor: overrun, too long, too short, wrong checksum."""
SENDERS, RECEIVERS = 8, 16
BUFFER = 2048
CHECKSUM = 4
LONGEST_FRAME = "200us"
"""A frame of 1538 bytes, gap and all, takes 123 us at 100 Mbit/s."""


class Nic:
    """One network device. `mac`: its own address."""

    def __init__(self, port: Port, device: Owned) -> None:
        self._port = port
        self._base = device.base
        self._line = device.line
        self._store(MODER, 0)  # before anything else: a predecessor's descriptors are still there
        port.sleep(LONGEST_FRAME)  # and a frame of its may be on its way out
        high, low = self._load(MAC_ADDR1) & 0xFFFF, self._load(MAC_ADDR0)
        self.mac = (high << 32 | low).to_bytes(6, "big")
        start = port.memory.allocate((SENDERS + RECEIVERS) * BUFFER // 4096)
        self._buffers = [start + number * BUFFER for number in range(SENDERS + RECEIVERS)]
        self._sending, self._receiving = 0, SENDERS
        self._arrived = True
        self._store(TX_BD_NUM, SENDERS)
        for number, address in enumerate(self._buffers):
            self._store(DESCRIPTORS + 8 * number + 4, address)
            self._store(DESCRIPTORS + 8 * number, self._bits(number))
        self._store(INT_SOURCE, 0x7F)
        self._store(INT_MASK, RXB | RXE | BUSY)
        self._store(MODER, RXEN | TXEN | PROMISCUOUS | CRC | PAD)

    def send(self, frame: bytes) -> bool:
        """Send; False if all descriptors are taken."""
        descriptor = DESCRIPTORS + 8 * self._sending
        if self._load(descriptor) & OWNED:
            return False
        self._port.memory.view(self._buffers[self._sending], len(frame))[:] = frame
        wrap = WRAP if self._sending == SENDERS - 1 else 0
        self._store(descriptor, len(frame) << 16 | OWNED | wrap)
        self._sending = (self._sending + 1) % SENDERS
        return True

    def receive(self) -> bytes | None:
        """The next frame that has arrived; None if there is none."""
        while self._has_news():
            number = self._receiving
            control = self._load(DESCRIPTORS + 8 * number)
            if control & OWNED:
                self._arrived = False
                continue
            length = min((control >> 16) - CHECKSUM, BUFFER)
            frame = bytes(self._port.memory.view(self._buffers[number], max(length, 0)))
            self._store(DESCRIPTORS + 8 * number, self._bits(number))
            self._receiving = SENDERS + (number + 1 - SENDERS) % RECEIVERS
            if not control & WRONG:
                return frame
        return None

    def _bits(self, number: int) -> int:
        """A descriptor as it is handed to the device: empty ones for receiving, idle ones for sending."""
        if number < SENDERS:
            return WRAP if number == SENDERS - 1 else 0
        return OWNED | IRQ | (WRAP if number == SENDERS + RECEIVERS - 1 else 0)

    def _has_news(self) -> bool:
        """Whether a descriptor may have been filled: since the last interrupt not all have been looked at."""
        line = self._port.wait_irq(self._port.now)
        if line is not None:
            self._store(INT_SOURCE, RXB | RXE | BUSY)
            self._port.end_irq(line)
            self._arrived = True
        return self._arrived

    def _load(self, register: int) -> int:
        return self._port.load(self._base + register)

    def _store(self, register: int, value: int) -> None:
        self._port.store(self._base + register, value)
