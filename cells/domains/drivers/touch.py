"""Driver of the STMPE811 touch screen controller (devices/touch.py), register `n` at offset 4 n.

The controller's readings become events with the time at which the driver saw them: down, moves, up.

```python
touch = Touch(port, device)
for event in touch.events(): ...
```
"""

from __future__ import annotations

from cells.domains.devices import Owned
from cells.port import Port
from cells.split.input.protocol import Event, Kind

WIDTH, HEIGHT = 320, 240
RANGE = 4096
SYS_CTRL1, SYS_CTRL2, INT_CTRL, INT_EN, INT_STA, TSC_CTRL = 4 * 0x03, 4 * 0x04, 4 * 0x09, 4 * 0x0A, 4 * 0x0B, 4 * 0x40
FIFO_TH, FIFO_STA, FIFO_SIZE, DATA_XYZ = 4 * 0x4A, 4 * 0x4B, 4 * 0x4C, 4 * 0x52
TOUCH_DET, THRESHOLD, OVERFLOW = 1 << 0, 1 << 1, 1 << 2
PEN_DOWN = 1 << 7
FIFO = 128
"""Readings that the controller keeps (datasheet, FIFO_SIZE): one that says more is broken."""
SET_UP = (
    (SYS_CTRL1, 0b10),  # reset
    (SYS_CTRL2, 0),  # all clocks run
    (FIFO_TH, 1),
    (TSC_CTRL, 1),
    (FIFO_STA, 1),
    (FIFO_STA, 0),
    (INT_STA, 0xFF),
    (INT_EN, TOUCH_DET | THRESHOLD | OVERFLOW),
    (INT_CTRL, 1),
)
"""Registers in the order in which they are set (STMPE811 datasheet, section 10)."""


class Touch:
    """One touch screen."""

    def __init__(self, port: Port, device: Owned) -> None:
        self._port = port
        self._base = device.base
        self._line = device.line
        self._down = False
        self._at = (0, 0)
        for register, value in SET_UP:
            port.store(self._base + register, value)

    def events(self) -> list[Event]:
        """What has happened since the last call, if the controller has interrupted."""
        line = self._port.wait_irq(self._port.now)
        if line is None and self._line is not None:
            return []
        self._store(INT_STA, TOUCH_DET | OVERFLOW)
        events = [self._reading() for _ in range(min(self._load(FIFO_SIZE), FIFO))]
        if self._down and not self._load(TSC_CTRL) & PEN_DOWN:
            self._down = False
            events.append(Event(self._port.now, Kind.UP, *self._at))
        self._store(INT_STA, 0xFF & ~TOUCH_DET)
        if line is not None:
            self._port.end_irq(line)
        return events

    def _reading(self) -> Event:
        word = self._load(DATA_XYZ)
        self._at = (word >> 20) * WIDTH // RANGE, (word >> 8 & 0xFFF) * HEIGHT // RANGE
        kind = Kind.MOVE if self._down else Kind.DOWN
        self._down = True
        return Event(self._port.now, kind, *self._at)

    def _load(self, register: int) -> int:
        return self._port.load(self._base + register)

    def _store(self, register: int, value: int) -> None:
        self._port.store(self._base + register, value)
