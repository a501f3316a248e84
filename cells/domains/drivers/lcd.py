"""Driver of the PL111 display controller (devices/framebuffer.py): a panel of 320 x 240 pixels, 16 bits each.

The controller scans the picture out of this cell's memory for ever, so that whatever is written there is shown.

```python
panel = Lcd(port, device)
panel.pixels[:2] = b"\\x00\\xf8"          # the first pixel is red
```
"""

from __future__ import annotations

from cells.domains.devices import Owned
from cells.port import Port

WIDTH, HEIGHT = 320, 240
SIZE = 2 * WIDTH * HEIGHT
PAGES = -(-SIZE // 4096)
TIMING0, TIMING1, TIMING2, UPBASE, CONTROL, IMSC = 0x00, 0x04, 0x08, 0x10, 0x18, 0x1C
ENABLE, BPP_565, RED_HIGH, POWER = 1 << 0, 6 << 1, 1 << 8, 1 << 11
SET_UP = (
    (CONTROL, 0),
    (TIMING0, 7 << 24 | 7 << 16 | 7 << 8 | (WIDTH // 16 - 1) << 2),  # porches and synchronisation of 8 pixels
    (TIMING1, 1 << 24 | 1 << 16 | 1 << 10 | HEIGHT - 1),  # porches of 1 line, synchronisation of 2
    (TIMING2, 2 | (WIDTH - 1) << 16),  # CLCDCLK / 4; clocks of a line
    (IMSC, 0),
)
"""Registers in the order in which they are set (ARM DDI 0293C 3.2). The panel's timing is assumed."""


class Lcd:
    """One panel."""

    def __init__(self, port: Port, device: Owned) -> None:
        buffer = port.memory.allocate(PAGES)
        self.pixels: memoryview = port.memory.view(buffer, SIZE)
        for register, value in SET_UP:
            port.store(device.base + register, value)
        port.store(device.base + UPBASE, buffer)
        port.store(device.base + CONTROL, ENABLE | BPP_565 | RED_HIGH | POWER)
