"""The input driver domain: touches of the screen that it owns, for the front end in focus.

```toml
[cells.touch]
domain = "input"
devices = ["touch0"]
on_crash = "restart"
```
"""

from __future__ import annotations

from cells.domains.devices import first
from cells.domains.drivers.touch import Touch
from cells.port import Port
from cells.split.input.back import InputBack, Source
from cells.split.input.protocol import Event


class Still:
    """A screen that nobody touches."""

    def events(self) -> list[Event]:
        """Nothing, ever."""
        return []


def main(port: Port) -> None:
    """Serve for ever."""
    device = first(port, {"touch"})
    if device is None:
        port.print(f"{port.name}: no touch screen among its devices; nothing will ever happen")
    source: Source = Still() if device is None else Touch(port, device)
    InputBack(port.connections, source, port, port.print).run()
