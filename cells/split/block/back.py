"""The back end of disks: requests of several front ends onto one backing store.

Each front end has a disk of its own, in the order of the topology: an equal part of the store, or a store for each. Nobody
reaches another's.

```python
BlockBack(port.connections, RamStore(512, 2048), port).run()
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from cells.flavours import Connections
from cells.split.block.protocol import BUFFER, EXTENT, FLAG_READ_ONLY, FLAG_VOLATILE, IDENTITY, LAYOUT, Operation
from cells.split.clock import faults_of
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome
from cells.split.ring import BackRing, Request

_MOVING = frozenset({Operation.READ, Operation.WRITE})


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


class Share(NamedTuple):
    """The disk of one front end: so many sectors of a store."""

    store: Store
    first: int
    sectors: int


def shares(stores: Sequence[Store], clients: int) -> list[Share]:
    """What each front end gets: of one store an equal part, of several one each (as many as there are).

    Raises:
        ValueError: there is no store.
    """
    if not stores:
        raise ValueError("a back end of disks without any")
    if len(stores) > 1:
        return [Share(store, 0, store.sectors) for store in stores]
    each = stores[0].sectors // max(clients, 1)
    return [Share(stores[0], number * each, each) for number in range(clients)]


class BlockBack(BackEnd):
    """Serves disks."""

    kind = "block"
    layouts = (LAYOUT,)

    def __init__(
        self,
        connections: Connections,
        store: Store | Sequence[Share],
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(connections, clock, log)
        self._shares = store if isinstance(store, Sequence) else shares([store], len(self.clients))
        self._operations: dict[int, Callable[[Client, Request], Answer]] = {
            Operation.IDENTIFY: self._identify,
            Operation.READ: self._read,
            Operation.WRITE: self._write,
            Operation.FLUSH: self._flush,
        }

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer:
        """See `BackEnd`. Every operation may happen twice without harm, so that nothing is committed."""
        operation = self._operations.get(request.operation)
        if operation is None or client.index >= len(self._shares):
            return Answer(Outcome.BAD_REQUEST)
        try:
            self._fail_if_injected(request)
            return operation(client, request)
        except StoreError as error:
            self._log(f"{client.link.peer}: {error}")
            return Answer(Outcome.IO_ERROR)

    def _fail_if_injected(self, request: Request) -> None:
        faults = faults_of(self._clock)
        if faults is not None and request.operation in _MOVING and faults.visit("block.io") is not None:
            raise StoreError("the device failed")

    def _identify(self, client: Client, request: Request) -> Answer:
        store, _, sectors = self._shares[client.index]
        flags = FLAG_READ_ONLY * store.read_only | FLAG_VOLATILE * store.volatile
        return Answer(Outcome.OK, IDENTITY.pack(sectors, store.sector_size, flags))

    def _read(self, client: Client, request: Request) -> Answer:
        store, sector, count, wrong = self._extent(client, request)
        if wrong:
            return Answer(wrong)
        return Answer(Outcome.OK, data=store.read(sector, count))

    def _write(self, client: Client, request: Request) -> Answer:
        store, sector, count, wrong = self._extent(client, request)
        data = request.data
        if wrong or store.read_only:
            return Answer(wrong or Outcome.READ_ONLY)
        if len(data) != count * store.sector_size:
            return Answer(Outcome.BAD_REQUEST)
        store.write(sector, data)
        return Answer(Outcome.OK)

    def _flush(self, client: Client, request: Request) -> Answer:
        self._shares[client.index].store.flush()
        return Answer(Outcome.OK)

    def _extent(self, client: Client, request: Request) -> tuple[Store, int, int, Outcome]:
        """Where on which store a request's sectors lie, and what is wrong with it."""
        first, count, zero = EXTENT.unpack(request.body)
        store, start, sectors = self._shares[client.index]
        if zero or not 0 < count <= BUFFER // store.sector_size:
            return store, 0, 0, Outcome.BAD_REQUEST
        if first + count > sectors:
            return store, 0, 0, Outcome.OUT_OF_RANGE
        return store, start + first, count, Outcome.OK
