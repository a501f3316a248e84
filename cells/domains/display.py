"""The display driver domain: the pictures of its front ends on the panel that it owns.

```toml
[cells.lcd]
domain = "display"
devices = ["lcd0"]
ram = "1MiB"
on_crash = "restart"
```
"""

from __future__ import annotations

from cells.domains.devices import first
from cells.domains.drivers.lcd import SIZE, Lcd
from cells.port import Port
from cells.split.display.back import DisplayBack, Panel


class Dark:
    """A panel that nobody sees."""

    def __init__(self) -> None:
        self.pixels = memoryview(bytearray(SIZE))


def main(port: Port) -> None:
    """Serve for ever."""
    device = first(port, {"framebuffer"})
    if device is None:
        port.print(f"{port.name}: no display among its devices; pictures are shown to nobody")
    panel: Panel = Dark() if device is None else Lcd(port, device)
    DisplayBack(port.connections, panel, port, port.print).run()
