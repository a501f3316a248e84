"""The back end of disks: requests of several front ends onto one backing store.

Each front end has a disk of its own: an equal part of the store, in the order of the topology. Nobody reaches another's.

```python
BlockBack(port.connections, RamStore(512, 2048), port).run()
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cells.flavours import Connections
from cells.split.block.protocol import BUFFER, EXTENT, FLAG_READ_ONLY, FLAG_VOLATILE, IDENTITY, LAYOUT, Operation
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome
from cells.split.ring import BackRing, Request


class StoreError(Exception):
    """The device failed."""


class Store(Protocol):
    """What holds the sectors. `write` returns when they would survive the death of this cell."""

    sectors: int
    sector_size: int
    read_only: bool
    volatile: bool

    def read(self, sector: int, count: int) -> bytes:
        """So many sectors.

        Raises:
            StoreError: the device failed.
        """
        ...

    def write(self, sector: int, data: bytes) -> None:
        """Whole sectors.

        Raises:
            StoreError: the device failed.
        """
        ...

    def flush(self) -> None:
        """Finish what is under way."""
        ...


class RamStore:
    """Sectors in this cell's own memory: for tests, since they are lost with it."""

    read_only = False
    volatile = True

    def __init__(self, sector_size: int, sectors: int) -> None:
        self.sector_size = sector_size
        self.sectors = sectors
        self.content = bytearray(sector_size * sectors)

    def read(self, sector: int, count: int) -> bytes:
        """See `Store`."""
        return bytes(self.content[sector * self.sector_size : (sector + count) * self.sector_size])

    def write(self, sector: int, data: bytes) -> None:
        """See `Store`."""
        start = sector * self.sector_size
        self.content[start : start + len(data)] = data

    def flush(self) -> None:
        """See `Store`."""


class BlockBack(BackEnd):
    """Serves disks."""

    kind = "block"
    layouts = (LAYOUT,)

    def __init__(
        self,
        connections: Connections,
        store: Store,
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(connections, clock, log)
        self._store = store
        self._each = store.sectors // max(len(self.clients), 1)
        self._operations: dict[int, Callable[[Client, Request], Answer]] = {
            Operation.IDENTIFY: self._identify,
            Operation.READ: self._read,
            Operation.WRITE: self._write,
            Operation.FLUSH: self._flush,
        }

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer:
        """See `BackEnd`. Every operation may happen twice without harm, so that nothing is committed."""
        operation = self._operations.get(request.operation)
        if operation is None:
            return Answer(Outcome.BAD_REQUEST)
        try:
            return operation(client, request)
        except StoreError as error:
            self._log(f"{client.link.peer}: {error}")
            return Answer(Outcome.IO_ERROR)

    def _identify(self, client: Client, request: Request) -> Answer:
        flags = FLAG_READ_ONLY * self._store.read_only | FLAG_VOLATILE * self._store.volatile
        return Answer(Outcome.OK, IDENTITY.pack(self._each, self._store.sector_size, flags))

    def _read(self, client: Client, request: Request) -> Answer:
        sector, count, wrong = self._extent(client, request)
        if wrong:
            return Answer(wrong)
        return Answer(Outcome.OK, data=self._store.read(sector, count))

    def _write(self, client: Client, request: Request) -> Answer:
        sector, count, wrong = self._extent(client, request)
        data = request.data
        if wrong or self._store.read_only:
            return Answer(wrong or Outcome.READ_ONLY)
        if len(data) != count * self._store.sector_size:
            return Answer(Outcome.BAD_REQUEST)
        self._store.write(sector, data)
        return Answer(Outcome.OK)

    def _flush(self, client: Client, request: Request) -> Answer:
        self._store.flush()
        return Answer(Outcome.OK)

    def _extent(self, client: Client, request: Request) -> tuple[int, int, Outcome]:
        """Where on the store a request's sectors lie, and what is wrong with it."""
        first, count, zero = EXTENT.unpack(request.body)
        if zero or not 0 < count <= BUFFER // self._store.sector_size:
            return 0, 0, Outcome.BAD_REQUEST
        if first + count > self._each:
            return 0, 0, Outcome.OUT_OF_RANGE
        return client.index * self._each + first, count, Outcome.OK
