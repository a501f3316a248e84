"""The back end of touch screens and keys: what people do goes to the client in focus.

The focus is with the first client of the topology that is there. Of what a client does not take in time the oldest is
dropped, and it is told how much that was.

```python
InputBack(port.connections, touch, port).run()
```
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from cells.flavours import Connections
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome
from cells.split.input.protocol import EVENT, LAYOUT, Event, Kind, Operation
from cells.split.ring import BackRing, Request

WAITING = 64
"""Events that wait for a client."""
MOST = 0xFFFF


class Source(Protocol):
    """The physical device."""

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        ...


class InputBack(BackEnd):
    """Serves events."""

    kind = "input"
    layouts = (LAYOUT,)

    def __init__(
        self,
        connections: Connections,
        source: Source,
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(connections, clock, log)
        self._source = source
        self._queues: list[deque[Event]] = [deque() for _ in self.clients]
        self._lost = [0] * len(self.clients)

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer | None:
        """See `BackEnd`: answered when something happens."""
        return None

    def idle(self) -> bool:
        """Hand out what has happened."""
        happened = self._source.events()
        focus = next((client for client in self.clients if client.session), None)
        if focus is not None:
            for event in happened:
                self._keep(focus.index, event)
        for client in self.clients:
            self._deliver(client)
        return bool(happened)

    def gone(self, client: Client) -> None:
        """See `BackEnd`: what was meant for the dead is for nobody."""
        self._queues[client.index].clear()
        self._lost[client.index] = 0

    def _keep(self, index: int, event: Event) -> None:
        queue = self._queues[index]
        queue.append(event)
        if len(queue) > WAITING:
            queue.popleft()
            self._lost[index] = min(self._lost[index] + 1, MOST)

    def _deliver(self, client: Client) -> None:
        ring, queue = client.rings[0], self._queues[client.index]
        while ring.waiting and (queue or ring.waiting[0].operation != Operation.NEXT):
            if ring.waiting[0].operation != Operation.NEXT:
                ring.answer(Outcome.BAD_REQUEST)
                continue
            lost = self._lost[client.index]
            event = Event(queue[0].time, Kind.LOST, code=lost) if lost else queue[0]
            if not ring.answer(Outcome.OK, EVENT.pack(*event)):
                return
            if lost:
                self._lost[client.index] = 0
            else:
                queue.popleft()
        ring.kick()
