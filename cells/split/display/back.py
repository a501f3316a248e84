"""The back end of screens: the pictures of several clients on one panel.

The panel is divided into equal bands, one for each front end in the order of the topology. A flush copies a rectangle from
the client's memory into its band, and nowhere else; the band of a client that has died is dark.

```python
DisplayBack(port.connections, lcd, port).run()
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cells.flavours import Connections
from cells.split.display.protocol import (
    GEOMETRY,
    HEIGHT,
    LAYOUT,
    PICTURE,
    PIXEL,
    RECTANGLE,
    STRIDE,
    WIDTH,
    Operation,
)
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome, copy_cycles
from cells.split.ring import BackRing, Request


class Panel(Protocol):
    """The physical screen: `pixels` are `HEIGHT` lines of `STRIDE` bytes, and what stands there is shown."""

    @property
    def pixels(self) -> memoryview:
        """The picture, writable."""
        ...


class DisplayBack(BackEnd):
    """Serves screens."""

    kind = "display"
    layouts = (LAYOUT,)

    def __init__(
        self,
        connections: Connections,
        panel: Panel,
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(connections, clock, log)
        self._panel = panel
        self._height = HEIGHT // max(len(self.clients), 1)

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer:
        """See `BackEnd`. Both operations may happen twice without harm."""
        if request.operation == Operation.IDENTIFY:
            return Answer(Outcome.OK, GEOMETRY.pack(WIDTH, self._height, STRIDE))
        if request.operation != Operation.FLUSH:
            return Answer(Outcome.BAD_REQUEST)
        x, y, width, height = RECTANGLE.unpack_from(request.body)
        if x + width > WIDTH or y + height > self._height:
            return Answer(Outcome.OUT_OF_RANGE)
        self._copy(client, x, y, width, height)
        return Answer(Outcome.OK)

    def arrived(self, client: Client) -> None:
        """See `BackEnd`: a predecessor has promised that what was flushed is shown."""
        self._copy(client, 0, 0, WIDTH, self._height)

    def gone(self, client: Client) -> None:
        """See `BackEnd`."""
        start = client.index * self._height * STRIDE
        self._panel.pixels[start : start + self._height * STRIDE] = bytes(self._height * STRIDE)

    def _copy(self, client: Client, x: int, y: int, width: int, height: int) -> None:
        memory, pixels = client.link.memory, self._panel.pixels
        first, length = x * PIXEL, width * PIXEL
        self._clock.work(copy_cycles(length * height))
        for line in range(y, y + height):
            from_ = PICTURE + line * STRIDE + first
            to = (client.index * self._height + line) * STRIDE + first
            pixels[to : to + length] = memory[from_ : from_ + length]
