"""The console driver domain: terminals for its front ends on the physical UART that it owns, else on its own console.

```toml
[cells.uart]
domain = "console"
devices = ["uart1"]
on_crash = "restart"
```
"""

from __future__ import annotations

from cells.domains.devices import first
from cells.domains.drivers.uart import PARTS, Uart
from cells.port import Port
from cells.split.console.back import ConsoleBack, Terminal


class Line:
    """The UART; what is typed at this cell's console, which is where the UART's bytes are shown, counts as typed there."""

    def __init__(self, port: Port, uart: Uart) -> None:
        self._port = port
        self._uart = uart

    def write(self, data: bytes) -> None:
        """See `Terminal`."""
        self._uart.write(data)

    def read(self) -> bytes:
        """See `Terminal`."""
        return self._uart.read() + self._port.read()


def main(port: Port) -> None:
    """Serve for ever."""
    ConsoleBack(port.connections, make_terminal(port), port, port.print).run()


def make_terminal(port: Port) -> Terminal:
    """The UART that this cell owns, or the cell's own console."""
    device = first(port, PARTS.keys())
    if device is not None:
        return Line(port, Uart(port, device))
    port.print(f"{port.name}: no UART among its devices; terminals are shown here")
    return port  # a port can write and read, too
