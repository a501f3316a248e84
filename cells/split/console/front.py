"""A terminal as a client cell sees it.

```python
console = Console(port.connections, "uart", port)
console.write(b"name? ")
name = console.read_line()
```
"""

from __future__ import annotations

from cells.flavours import Connections
from cells.split.console.protocol import BUFFER, IN, OUT, SLOTS, Operation
from cells.split.ends import TIMELESS, Clock, FrontEnd, Outcome, SplitError
from hypervisor.abi.time import NEVER


class Console(FrontEnd):
    """Writes and reads bytes over a link of class console."""

    kind = "console"
    layouts = (OUT, IN)

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        super().__init__(connections, name, clock)
        self._out, self._in = self._rings
        self._typed = bytearray()

    def write(self, data: bytes) -> None:
        """Write; waits while there is no room for more."""
        for at in range(0, len(data), BUFFER):
            self._wait_until(self._has_room)
            self._submit(self._out, Operation.WRITE, data=data[at : at + BUFFER])
        self._out.kick()

    def print(self, *words: object) -> None:
        """Write a line."""
        self.write((" ".join(str(word) for word in words) + "\n").encode())

    def flush(self) -> None:
        """Wait until all that was written has been shown."""
        self._wait_until(lambda: self._has_room() and not self._out.outstanding)

    def read(self, until: int = NEVER) -> bytes:
        """What was typed, at least a byte; nothing if it is `until` before."""
        self._wait_until(self._has_typed, until)
        typed = bytes(self._typed)
        self._typed.clear()
        return typed

    def read_line(self) -> bytes:
        """Wait for a typed line; returned with its end. What was typed behind it is kept for the next call."""
        self._wait_until(lambda: self._has_typed() and self._line_end() > 0)
        end = self._line_end()
        line = bytes(self._typed[:end])
        del self._typed[:end]
        return line

    def _line_end(self) -> int:
        """How long the first line is, with its end; 0 if it is not whole."""
        ends = [at for at in (self._typed.find(b"\n"), self._typed.find(b"\r")) if at >= 0]
        return min(ends) + 1 if ends else 0

    def _has_room(self) -> bool:
        while (response := self._take(self._out)) is not None:
            if response.status != Outcome.OK:
                raise SplitError("write", response.status)
        return self._out.outstanding < SLOTS

    def _has_typed(self) -> bool:
        """Take what was typed, and keep a few requests there for more."""
        while (response := self._take(self._in)) is not None:
            self._typed += response.data
        while self._in.outstanding < 2:
            self._submit(self._in, Operation.READ)
        self._in.kick()
        return bool(self._typed)
