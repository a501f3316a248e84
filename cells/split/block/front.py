"""A disk as a client cell sees it.

```python
disk = BlockDevice(port.connections, "storage", port)
disk.write(0, b"\\0" * disk.sector_size)              # back when it is on the device
print(disk.read(0, 1))
tickets = [disk.submit_read(sector, 1) for sector in range(16)]
while (done := disk.poll()) is not None: ...           # pipelined: completions in the order of the requests
```
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from cells.flavours import Connections
from cells.split.block.protocol import BUFFER, EXTENT, FLAG_READ_ONLY, FLAG_VOLATILE, IDENTITY, LAYOUT, Operation
from cells.split.ends import TIMELESS, Clock, FrontEnd, Outcome, SplitError
from cells.split.ring import Response
from hypervisor.abi.time import NEVER


class Completion(NamedTuple):
    """A request that is done. `data`: the sectors of a read."""

    ticket: int
    status: int
    data: bytes


class BlockDevice(FrontEnd):
    """Sectors of a disk behind a link. The calls without a ticket wait; a back end that dies meanwhile only takes longer."""

    kind = "block"
    layouts = (LAYOUT,)

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        super().__init__(connections, name, clock)
        (self._ring,) = self._rings
        self._bodies: dict[int, bytes] = {}
        self._done: deque[Completion] = deque()
        self._identity: tuple[int, int, int] | None = None

    @property
    def sectors(self) -> int:
        """How many sectors there are."""
        return self._identify()[0]

    @property
    def sector_size(self) -> int:
        """Bytes of a sector."""
        return self._identify()[1]

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return bool(self._identify()[2] & FLAG_READ_ONLY)

    @property
    def volatile(self) -> bool:
        """Whether the content is lost with the back end."""
        return bool(self._identify()[2] & FLAG_VOLATILE)

    def read(self, sector: int, count: int) -> bytes:
        """So many sectors.

        Raises:
            SplitError: the back end says no.
        """
        tickets = [self.submit_read(first, part) for first, part in self._parts(sector, count)]
        return b"".join(self._finish("read", ticket).data for ticket in tickets)

    def write(self, sector: int, data: bytes) -> None:
        """Write whole sectors; they are on the device when this returns.

        Raises:
            SplitError: the back end says no.
        """
        size = self.sector_size
        if len(data) % size:
            raise ValueError(f"{len(data)} bytes are not whole sectors of {size}")
        view, tickets = memoryview(data), []
        for first, part in self._parts(sector, len(data) // size):
            start = (first - sector) * size
            tickets.append(self.submit_write(first, bytes(view[start : start + part * size])))
        for ticket in tickets:
            self._finish("write", ticket)

    def flush(self) -> None:
        """All that was written is on the device when this returns."""
        self._finish("flush", self._ask(Operation.FLUSH))

    def submit_read(self, sector: int, count: int) -> int:
        """Ask for at most 4 KiB; a ticket that the completion will carry."""
        return self._ask(Operation.READ, EXTENT.pack(sector, count, 0))

    def submit_write(self, sector: int, data: bytes) -> int:
        """Ask to write whole sectors, at most 4 KiB; a ticket."""
        return self._ask(Operation.WRITE, EXTENT.pack(sector, len(data) // self.sector_size, 0), data)

    def poll(self, until: int = 0) -> Completion | None:
        """The next completion in the order of the requests; None if there is none by `until`."""
        self._wait_until(self._arrived, until)
        return self._done.popleft() if self._done else None

    def _ask(self, operation: Operation, body: bytes = b"", data: bytes = b"") -> int:
        return self._submit(self._ring, operation, body, data)

    def _parts(self, sector: int, count: int) -> list[tuple[int, int]]:
        """Extents of one buffer each."""
        step = BUFFER // self.sector_size
        return [(first, min(step, sector + count - first)) for first in range(sector, sector + count, step)]

    def _arrived(self) -> bool:
        """Take what has come; whether there is a completion."""
        while (response := self._take(self._ring)) is not None:
            data = response.data if response.status == Outcome.OK else b""
            if response.request.operation == Operation.IDENTIFY:
                self._bodies[response.request.id] = response.body
            status = response.status if self._is_whole(response) else Outcome.IO_ERROR
            self._done.append(Completion(response.request.id, status, data))
        return bool(self._done)

    def _is_whole(self, response: Response) -> bool:
        """Whether a read brought the sectors that it asked for."""
        if response.request.operation != Operation.READ or response.status != Outcome.OK or self._identity is None:
            return True
        _, count, _ = EXTENT.unpack(response.request.body)
        return len(response.data) == int(count) * self._identity[1]

    def _finish(self, what: str, ticket: int) -> Completion:
        """Wait for one completion; those of others stay where they are."""
        self._wait_until(lambda: self._arrived() and any(done.ticket == ticket for done in self._done), NEVER)
        found = next(done for done in self._done if done.ticket == ticket)
        self._done.remove(found)
        if found.status != Outcome.OK:
            raise SplitError(what, found.status)
        return found

    def _identify(self) -> tuple[int, int, int]:
        if self._identity is None:
            ticket = self._ask(Operation.IDENTIFY)
            self._finish("identify", ticket)
            sectors, size, flags = IDENTITY.unpack(self._bodies.pop(ticket))
            if not sectors or not 0 < size <= BUFFER:
                raise SplitError("identify", Outcome.IO_ERROR)
            self._identity = sectors, size, flags
        return self._identity
