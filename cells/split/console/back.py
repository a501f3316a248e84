"""The back end of terminals: several clients on one physical line.

What clients write is shown by whole lines, each behind its client's name if there are several; a line that is not ended
is shown when another client speaks, or when it is a prompt of the client in focus. What is typed goes to the client in
focus. Ctrl-A moves the focus to the next client and says whose it is.

```python
ConsoleBack(port.connections, uart, port).run()
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cells.flavours import Connections
from cells.split.console.protocol import BUFFER, IN, OUT, Operation
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome
from cells.split.ring import BackRing, Request

SWITCH = 0x01
"""Ctrl-A."""
TYPED_LIMIT = 256
"""Typed bytes that wait for a client that does not read; more are dropped."""


class Terminal(Protocol):
    """The physical line."""

    def write(self, data: bytes) -> None:
        """Show bytes; back when they are out."""
        ...

    def read(self) -> bytes:
        """What was typed since the last call."""
        ...


class ConsoleBack(BackEnd):
    """Serves terminals."""

    kind = "console"
    layouts = (OUT, IN)

    def __init__(
        self,
        connections: Connections,
        terminal: Terminal,
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(connections, clock, log)
        self._terminal = terminal
        self._typed = [bytearray() for _ in self.clients]
        self._speaker: int | None = None
        """Whose unfinished line stands on the terminal."""
        self.focus = 0
        self.dropped = 0

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer | None:
        """See `BackEnd`."""
        if ring is client.rings[1]:
            return None  # answered by `_deliver`, when there is something
        if request.operation != Operation.WRITE:
            return Answer(Outcome.BAD_REQUEST)
        if not request.repeated:
            self._show(client, request.data)
            ring.commit(request)
        return Answer(Outcome.OK)

    def idle(self) -> bool:
        """Hand out what was typed."""
        typed = self._terminal.read()
        for byte in typed:
            self._take(byte)
        for client in self.clients:
            self._deliver(client)
        return bool(typed)

    def gone(self, client: Client) -> None:
        """See `BackEnd`: what was typed for it is nobody's now."""
        self._typed[client.index].clear()

    def _show(self, client: Client, data: bytes) -> None:
        """Put text on the terminal, each line behind its client's name if there are several."""
        if len(self.clients) == 1:
            self._terminal.write(data)
            return
        prefix = f"[{client.link.peer}] ".encode()
        shown = bytearray()
        for line in data.splitlines(keepends=True):
            if self._speaker != client.index:
                shown += (b"\r\n" if self._speaker is not None else b"") + prefix
            shown += line
            self._speaker = None if line.endswith((b"\n", b"\r")) else client.index
        self._terminal.write(bytes(shown))

    def _take(self, byte: int) -> None:
        if byte == SWITCH and len(self.clients) > 1:
            self.focus = (self.focus + 1) % len(self.clients)
            name = self.clients[self.focus].link.peer
            self._terminal.write((b"\r\n" if self._speaker is not None else b"") + f"-- {name} --\r\n".encode())
            self._speaker = None
        elif self.clients and len(self._typed[self.focus]) < TYPED_LIMIT:
            self._typed[self.focus].append(byte)
        else:
            self.dropped += 1

    def _deliver(self, client: Client) -> None:
        ring, typed = client.rings[1], self._typed[client.index]
        while ring.waiting and ring.waiting[0].operation != Operation.READ:
            ring.answer(Outcome.BAD_REQUEST)
        while typed and ring.waiting:
            data = bytes(typed[:BUFFER])
            if not ring.answer(Outcome.OK, data=data):
                return
            del typed[: len(data)]
        ring.kick()
