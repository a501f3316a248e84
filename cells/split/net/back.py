"""The back end of networks: a learning switch between its front ends and, if there is one, a physical interface.

Each front end is a port of the switch with an address of its own, drivers of unmodified kernels too, and so is the network
device. A frame for a known
address goes to that port, any other to all but the one it came from. There are no queues: a frame is put straight into
room that the receiver has handed over, or it is dropped and the sender is told. So nothing is in this cell's hands when
it dies.

```python
NetBack(port.connections, nic, port).run()
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from cells.flavours import Connections, KernelEnd, NetServer
from cells.split.ends import TIMELESS, Answer, BackEnd, Client, Clock, Outcome, copy_cycles
from cells.split.net.protocol import ADDRESS, LONGEST, RECEIVE, SEND, SHORTEST, Operation
from cells.split.ring import BackRing, Request
from hypervisor.abi.time import NEVER

OUTSIDE, GATEWAY = -1, -2
"""The switch's ports to the network device and to a gateway in this cell; the others are numbered as the clients."""
TABLE_SIZE = 256
"""Addresses that the switch remembers; the oldest goes first."""
BURST = 16
"""Frames that are taken from the network device between two rounds."""
LOCAL = 0x02
"""First byte of an address that no manufacturer has given out (IEEE 802, locally administered)."""


class Interface(Protocol):
    """A network device."""

    def send(self, frame: bytes) -> bool:
        """Send; False if it has no room."""
        ...

    def receive(self) -> bytes | None:
        """A frame that has arrived."""
        ...


class InnerPort(Interface, Protocol):
    """Somebody in this cell who is on the network: `address` is its interface's, `deadline` when it may have something to say."""

    address: bytes

    @property
    def deadline(self) -> int:
        """Cycles."""
        ...


class NetBack(BackEnd):
    """Serves network interfaces. `dropped`: frames from outside for which nobody had room."""

    kind = "net"
    layouts = (SEND, RECEIVE)

    def __init__(
        self,
        connections: Connections,
        interface: Interface | None,
        clock: Clock = TIMELESS,
        log: Callable[[str], None] | None = None,
        network: int = 0,
        kernels: Sequence[KernelEnd] = (),
        gateway: InnerPort | None = None,
    ) -> None:
        """`network` tells the addresses of one board's switch from those of another's; `kernels`: ports behind the clients'."""
        super().__init__(connections, clock, log)
        self._interface, self._gateway = interface, gateway
        self._network = network
        self._table: dict[bytes, int] = {}
        self._fixed = {self.address(client): client.index for client in self.clients}
        if gateway is not None:
            self._fixed[gateway.address] = GATEWAY
        self._guests: list[NetServer] = [
            end.serves(partial(self._switch, len(self.clients) + number), clock, self._log)
            for number, end in enumerate(kernels)
        ]
        self._fixed |= {guest.address: len(self.clients) + number for number, guest in enumerate(self._guests)}
        for guest in self._guests:
            guest.begin()
        self.dropped = 0

    def address(self, client: Client) -> bytes:
        """The address of a client's interface."""
        return bytes((LOCAL, 0x43, 0x56, self._network & 0xFF, 0, client.index + 1))

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer | None:
        """See `BackEnd`."""
        if ring is client.rings[1]:
            return None  # answered when a frame comes
        if request.operation == Operation.IDENTIFY:
            return Answer(Outcome.OK, data=self.address(client))
        if request.operation != Operation.SEND or not SHORTEST <= len(request.data) <= LONGEST:
            return Answer(Outcome.BAD_REQUEST)
        if request.repeated:
            return Answer(Outcome.OK)
        taken = self._switch(client.index, request.data)
        if taken:
            ring.commit(request)
        return Answer(Outcome.OK if taken else Outcome.NO_ROOM)

    def idle(self) -> bool:
        """Take frames from kernels and from the network device; whether there may be more."""
        for client in self.clients:
            self._refuse_nonsense(client.rings[1])
        busy = [guest.serve() for guest in self._guests]  # each of them
        busy += [self._take_from(OUTSIDE, self._interface), self._take_from(GATEWAY, self._gateway)]
        return any(busy)

    def deadline(self) -> int:
        """See `BackEnd`."""
        return NEVER if self._gateway is None else self._gateway.deadline

    def _take_from(self, port: int, interface: Interface | None) -> bool:
        if interface is None:
            return False
        for _ in range(BURST):
            frame = interface.receive()
            if frame is None:
                return False
            if len(frame) >= SHORTEST:
                self.dropped += not self._switch(port, frame)
        return True

    def gone(self, client: Client) -> None:
        """See `BackEnd`: its addresses may turn up elsewhere."""
        self._table = {mac: port for mac, port in self._table.items() if port != client.index}

    def _switch(self, source: int, frame: bytes) -> bool:
        """Hand a frame over; whether anybody took it."""
        to, from_ = frame[:ADDRESS], frame[ADDRESS : 2 * ADDRESS]
        self._learn(from_, source)
        known = self._fixed.get(to, self._table.get(to))
        if known is not None and not to[0] & 1:
            return known != source and self._put(known, frame)
        inside = range(len(self.clients) + len(self._guests))
        ports = [*[OUTSIDE] * bool(self._interface), *[GATEWAY] * bool(self._gateway), *inside]
        taken = [self._put(port, frame) for port in ports if port != source]
        return any(taken)

    def _learn(self, address: bytes, port: int) -> None:
        if address[0] & 1 or address in self._fixed:
            return  # nobody sends from a group address, and no client's address can be taken from it
        self._table.pop(address, None)
        self._table[address] = port
        if len(self._table) > TABLE_SIZE:
            del self._table[next(iter(self._table))]

    def _put(self, port: int, frame: bytes) -> bool:
        self._clock.work(copy_cycles(len(frame)))
        if port == GATEWAY:
            return self._gateway is not None and self._gateway.send(frame)
        if port == OUTSIDE:
            return self._interface is not None and self._interface.send(frame)
        if port >= len(self.clients):
            return self._guests[port - len(self.clients)].offer(frame)
        ring = self.clients[port].rings[1]
        if not ring.waiting:
            ring.take()
        self._refuse_nonsense(ring)
        given = ring.answer(Outcome.OK, data=frame)
        ring.kick(ring.layout.slots // 2)
        return given

    def _refuse_nonsense(self, ring: BackRing) -> None:
        while ring.waiting and ring.waiting[0].operation != Operation.RECEIVE:
            ring.answer(Outcome.BAD_REQUEST)
