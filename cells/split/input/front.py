"""Touches and keys as a client cell sees them.

```python
events = Input(port.connections, "touch", port)
while (event := events.next(until=port.now + port.cycles("1s"))) is not None:
    port.print(event)
```
"""

from __future__ import annotations

from collections import deque

from cells.flavours import Connections
from cells.split.ends import TIMELESS, Clock, FrontEnd, Outcome
from cells.split.input.protocol import EVENT, LAYOUT, SLOTS, Event, Kind, Operation
from hypervisor.abi.time import NEVER

_KINDS = frozenset(Kind)


class Input(FrontEnd):
    """Events over a link of class input, in the order in which they happened."""

    kind = "input"
    layouts = (LAYOUT,)
    prompt = 0

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        super().__init__(connections, name, clock)
        (self._ring,) = self._rings
        self._events: deque[Event] = deque()

    def next(self, until: int = NEVER) -> Event | None:
        """The next event; None if there is none by `until`."""
        self._wait_until(self._has_event, until)
        return self._events.popleft() if self._events else None

    def _has_event(self) -> bool:
        while (response := self._take(self._ring)) is not None:
            event = Event(*EVENT.unpack(response.body))
            if response.status == Outcome.OK and event.kind in _KINDS:
                self._events.append(event)
        while self._ring.outstanding < SLOTS:
            self._submit(self._ring, Operation.NEXT)
        self._ring.kick(SLOTS // 2 if self._ring.live else 1)
        return bool(self._events)
