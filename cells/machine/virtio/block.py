"""Virtio block device (Virtual I/O Device, OASIS, version 1.2, 5.2) on a disk of a driver domain.

Theory: a request's data is cut into parts of what one slot of the ring to the driver domain carries; the parts go there in
order, so many at a time as there are slots. A request is done when its last part is answered: then what was written is on the
device. A driver domain that dies makes requests take longer. Errors come from the device, from a domain that has lied, or when
one has been gone for longer than the topology has patience for.
"""

from __future__ import annotations

import struct
from collections import deque
from functools import partial

from cells.flavours import Link
from cells.machine.virtio.function import Function
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.queue import Chain
from cells.machine.virtio.ram import DriverError
from cells.split.asking import Asking
from cells.split.block.protocol import BUFFER, EXTENT, FLAG_READ_ONLY, IDENTITY, LAYOUT, Operation
from cells.split.ends import Clock, Outcome
from cells.split.ring import Response
from hypervisor.abi.time import NEVER

IN, OUT, FLUSH, GET_ID = 0, 1, 4, 8
OK, IOERR, UNSUPP = 0, 1, 2
"""Types of requests, and statuses (5.2.6)."""
SEG_MAX, READ_ONLY, BLK_SIZE, CAN_FLUSH = 1 << 2, 1 << 5, 1 << 6, 1 << 9
"""Features (5.2.3)."""
HEADER = struct.Struct("<IIQ")
CONFIG = struct.Struct("<QII4xI")
"""Capacity in sectors, most bytes of a segment, most segments, (geometry,) bytes of a block."""
SECTOR = 512
DESCRIPTORS = 128
SEGMENTS = DESCRIPTORS // 2 - 2
"""So that two requests of the longest kind fit at once."""
NAME_SIZE = 20


class Request:
    """What is left to do of one: `size` bytes of data from unit `first` on, of which `asked` are on their way."""

    __slots__ = ("answered", "asked", "chain", "first", "operation", "size", "status")

    def __init__(self, chain: Chain, operation: Operation, first: int = 0, size: int = 0) -> None:
        self.chain, self.operation, self.first, self.size = chain, operation, first, size
        self.asked = self.answered = 0
        self.status = OK


class Block(Function):
    """One disk."""

    ident = 2
    queues: tuple[int, ...] = (DESCRIPTORS,)

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._asking: Asking
        self._name = b""
        self._waiting: deque[Request] = deque()
        self._unit = SECTOR
        self._units = 0
        self._read_only = False
        self._known = self._asked = False
        self._patience = 0
        self._gone_at = NEVER
        """When the driver domain was seen to be gone."""
        self._out: dict[Request, None] = {}
        """Requests that were begun and are not done, in their order."""

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """See `Function`."""
        super().attach(link, clock, patience)
        self._asking, self._patience = Asking(link, LAYOUT, clock), patience
        self._watch(self._asking)
        self._name = link.name.encode()[:NAME_SIZE]
        self._identify()

    # ---- what it is

    def features(self) -> int:
        """See `Function`."""
        return SEG_MAX | BLK_SIZE | CAN_FLUSH | READ_ONLY * self._read_only

    def config(self) -> bytes:
        """See `Function`. A disk whose domain has not answered yet has no sectors."""
        return CONFIG.pack(self._units * self._unit // SECTOR, 0, SEGMENTS, self._unit)

    def _identify(self) -> None:
        if not self._known and not self._asked:
            self._asked = True
            self._asking.ask(Operation.IDENTIFY, b"", b"", self._identified)

    def _identified(self, response: Response | None) -> None:
        self._asked = False
        if response is None or response.status != Outcome.OK or len(response.body) < IDENTITY.size:
            return
        units, unit, flags = IDENTITY.unpack_from(response.body)
        if unit < SECTOR or unit > BUFFER or unit & (unit - 1) or units * unit >> 64:
            return
        self._units, self._unit, self._read_only = units, unit, bool(flags & FLAG_READ_ONLY)
        self._known = True
        self._mmio.changed()

    # ---- requests

    def notified(self, index: int) -> None:
        """See `Function`."""
        while (chain := self._take(index)) is not None:
            self._begin(chain)
        self._pump()

    def _begin(self, chain: Chain) -> None:
        if chain.readable < HEADER.size or not chain.writable:
            raise DriverError("a request without header or status")
        kind, _, sector = HEADER.unpack(chain.read(0, HEADER.size))
        if kind == FLUSH:
            self._wait_for(Request(chain, Operation.FLUSH))
        elif kind in (IN, OUT):
            self._transfer(chain, kind, sector)
        elif kind == GET_ID:
            chain.write(0, self._name.ljust(min(NAME_SIZE, chain.writable - 1), b"\0")[: chain.writable - 1])
            self._finish(chain, OK, min(NAME_SIZE, chain.writable - 1))
        else:
            self._finish(chain, UNSUPP, 0)

    def _transfer(self, chain: Chain, kind: int, sector: int) -> None:
        size = chain.writable - 1 if kind == IN else chain.readable - HEADER.size
        start = sector * SECTOR
        whole = size > 0 and not size % self._unit and not start % self._unit
        if not whole or start + size > self._units * self._unit or (kind == OUT and self._read_only):
            self._finish(chain, IOERR, 0)
            return
        operation = Operation.READ if kind == IN else Operation.WRITE
        self._wait_for(Request(chain, operation, start // self._unit, size))

    def _wait_for(self, request: Request) -> None:
        """It is the driver domain's turn, unless that has been gone for too long."""
        if self._mmio.now() >= self._given_up():
            self._finish(request.chain, IOERR, 0)
            return
        self._waiting.append(request)
        self._out[request] = None
        self._mmio.kick()

    def _pump(self) -> None:
        """Hand over as many parts as there are slots."""
        asking = self._asking
        while self._waiting and asking.outstanding < LAYOUT.slots:
            request = self._waiting[0]
            if not request.chain.live:
                self._waiting.popleft()
                continue
            part = min(request.size - request.asked, BUFFER)
            at, request.asked = request.asked, request.asked + part
            if request.asked == request.size:
                self._waiting.popleft()
            self._ask(request, at, part)
        asking.kick()
        self._look()

    def _ask(self, request: Request, at: int, part: int) -> None:
        body, data = b"", b""
        if part:
            body = EXTENT.pack(request.first + at // self._unit, part // self._unit, 0)
        if request.operation == Operation.WRITE:
            data = request.chain.read(HEADER.size + at, part)
        self._asking.ask(request.operation, body, data, partial(self._heard, request, at, part), kick=False)

    def _heard(self, request: Request, at: int, part: int, response: Response | None) -> None:
        chain = request.chain
        if not chain.live:
            return
        if response is None or response.status != Outcome.OK:
            request.status = IOERR
        elif request.operation == Operation.READ:
            if len(response.data) == part:
                chain.write(at, response.data)
            else:
                request.status = IOERR
        request.answered += part
        if request.answered == request.size:
            self._out.pop(request, None)
            self._finish(chain, request.status, request.size if request.operation == Operation.READ else 0)

    def _finish(self, chain: Chain, status: int, written: int) -> None:
        chain.write(chain.writable - 1, bytes((status,)))
        self._give_back(0, chain, written + 1)

    # ---- the other end

    def progress(self) -> None:
        """See `Function`."""
        if self._asking.link.connected:
            self._gone_at = NEVER
        elif self._gone_at == NEVER:
            self._gone_at = self._mmio.now()
            self._mmio.kick()
        self._asking.progress()
        self._identify()
        self._pump()

    def unanswered(self) -> int:
        """See `Function`."""
        return self._asking.outstanding

    def _given_up(self) -> int:
        """When the driver domain has been gone for too long."""
        return min(self._gone_at + self._patience, NEVER) if self._patience else NEVER

    def deadline(self) -> int:
        """See `Function`."""
        return min(super().deadline(), self._given_up() if self._out else NEVER)

    def expire(self) -> None:
        """See `Function`."""
        super().expire()
        if self._mmio.now() >= self._given_up():
            self._fail()

    def _fail(self) -> None:
        """Nobody waits any more. What the domain's next life does of it, it does in its order, before all that comes later."""
        late, self._out = self._out, {}
        self._waiting.clear()
        for request in late:
            if request.chain.live:
                self._finish(request.chain, IOERR, 0)

    def forget(self) -> None:
        """See `Function`."""
        self._out = {request: None for request in self._out if request.chain.live}
        self._waiting = deque(request for request in self._waiting if request.chain.live)
