"""Driver of the UARTs on our boards: ARM's PL011, and the 16550A as Kirkwood and the PXA255 carry it (a register per word).

What differs is where the registers are and which bits say what: a table. A byte that is written is gone when the store
returns, as the models have no wait for the transmitter.

```python
uart = Uart(port, device)
uart.write(b"hello\\r\\n")
```
"""

from __future__ import annotations

from typing import NamedTuple

from cells.domains.devices import Owned
from cells.port import Port

FIFO = 64
"""Bytes of the deepest FIFO of these parts (PXA255 developer's manual 17.3). One that never runs empty is broken, and must not
hold the driver for ever.
"""


class Part(NamedTuple):
    """Registers and bits of a UART. `set_up`: (register, value) pairs. `acknowledge`: likewise, after the FIFO was read."""

    data: int
    status: int
    has_data: int
    inverted: bool
    set_up: tuple[tuple[int, int], ...]
    acknowledge: tuple[tuple[int, int], ...] = ()


_16550 = Part(
    data=0x00,
    status=0x14,
    has_data=1 << 0,  # LSR.DR
    inverted=False,
    set_up=((0x0C, 0x03), (0x08, 0x07), (0x04, 0x01)),  # LCR: 8 bits; FCR: FIFOs on and empty; IER: received data
)
PARTS = {
    "pl011": Part(
        data=0x00,
        status=0x18,
        has_data=1 << 4,  # FR.RXFE
        inverted=True,
        set_up=((0x2C, 0x70), (0x30, 0x301), (0x44, 0x7FF), (0x38, 0x50)),  # LCRH, CR, ICR, IMSC: RX and time-out
        acknowledge=((0x44, 0x50),),
    ),
    "uart8250": _16550,
    "pxa_uart": _16550._replace(set_up=((0x0C, 0x03), (0x08, 0x07), (0x04, 0x51))),  # IER: unit, data, time-out
}
"""Device model -> its registers (ARM DDI 0183, PC16550D, PXA255 developer's manual 17.5.4)."""


class Uart:
    """A physical serial line."""

    def __init__(self, port: Port, device: Owned) -> None:
        self._port = port
        self._base = device.base
        self._part = PARTS[device.model]
        self._line = device.line
        for register, value in self._part.set_up:
            port.store(self._base + register, value)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        for byte in data:
            self._port.store(self._base + self._part.data, byte, 1)

    def read(self) -> bytes:
        """What has been received, if the UART has interrupted."""
        line = self._port.wait_irq(self._port.now)
        if line is None and self._line is not None:
            return b""
        received = bytearray()
        while len(received) < FIFO and self._has_data():
            received.append(self._port.load(self._base + self._part.data, 1))
        for register, value in self._part.acknowledge:
            self._port.store(self._base + register, value)
        if line is not None:
            self._port.end_irq(line)
        return bytes(received)

    def _has_data(self) -> bool:
        there = bool(self._port.load(self._base + self._part.status) & self._part.has_data)
        return there != self._part.inverted
