"""Virtio network device (Virtual I/O Device, OASIS, version 1.2, 5.1): one pair of queues, no offloads.

Theory: room that the driver hands over for frames becomes room at the switch, never more than the driver gave, so that a
frame which was taken always has a place. A frame to be sent is given back when the switch has said what became of it; that is
how a fast sender is slowed down.
"""

from __future__ import annotations

import struct
from collections import deque
from functools import partial

from cells.flavours import Link
from cells.machine.virtio.function import Function, alive
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.queue import Chain
from cells.split.asking import Asking
from cells.split.ends import Clock, Outcome
from cells.split.net.protocol import ADDRESS, LONGEST, RECEIVE, SEND, SHORTEST, SLOTS, Operation
from cells.split.ring import Response

MAC, STATUS = 1 << 5, 1 << 16
"""Features (5.1.3)."""
CONFIG = struct.Struct("<6sH")
LINK_UP = 1
HEADER = struct.Struct("<10xH")
"""Of each frame: flags, GSO and checksum (none here), then how many buffers it takes (5.1.6)."""
RECEIVEQ, TRANSMITQ = 0, 1
DESCRIPTORS = 128


class Net(Function):
    """One interface. `dropped`: frames that no switch takes, or that have no room in what the driver gave."""

    ident = 1
    queues: tuple[int, ...] = (DESCRIPTORS, DESCRIPTORS)

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._send: Asking
        self._receive: Asking
        self._leaving: deque[Chain] = deque()
        self._room: deque[Chain] = deque()
        self._address = b""
        self._asked = False
        self.dropped = 0

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """See `Function`."""
        super().attach(link, clock, patience)
        self._send, self._receive = Asking(link, SEND, clock), Asking(link, RECEIVE, clock)
        self._watch(self._send)
        self._identify()

    # ---- what it is

    def features(self) -> int:
        """See `Function`."""
        return STATUS | MAC * bool(self._address)

    def config(self) -> bytes:
        """See `Function`."""
        return CONFIG.pack(self._address, LINK_UP * bool(self._address))

    def _identify(self) -> None:
        if not self._address and not self._asked:
            self._asked = True
            self._send.ask(Operation.IDENTIFY, b"", b"", self._identified)

    def _identified(self, response: Response | None) -> None:
        self._asked = False
        if response is not None and response.status == Outcome.OK and len(response.data) == ADDRESS:
            self._address = response.data
            self._mmio.changed()

    # ---- queues

    def notified(self, index: int) -> None:
        """See `Function`."""
        taken = self._room if index == RECEIVEQ else self._leaving
        while (chain := self._take(index)) is not None:
            taken.append(chain)
        self._pump()

    def _pump(self) -> None:
        """Hand over frames and room, as much as there are slots."""
        while self._leaving and self._send.outstanding < SLOTS:
            self._leave(self._leaving.popleft())
        self._send.kick()
        while not self._receive.broken and self._receive.outstanding < min(SLOTS, len(self._room)):
            self._receive.ask(Operation.RECEIVE, b"", b"", self._arrived, kick=False)
        self._receive.kick(SLOTS // 2)
        self._look()

    def _leave(self, chain: Chain) -> None:
        if not chain.live:
            return
        length = chain.readable - HEADER.size
        if SHORTEST <= length <= LONGEST:
            frame = chain.read(HEADER.size, length)
            self._send.ask(Operation.SEND, b"", frame, partial(self._sent, chain), kick=False)
        else:
            self._sent(chain, None)

    def _sent(self, chain: Chain, response: Response | None) -> None:
        self.dropped += response is None or response.status != Outcome.OK
        self._give_back(TRANSMITQ, chain, 0)

    def _arrived(self, response: Response | None) -> None:
        if response is None or response.status != Outcome.OK:
            return
        frame = HEADER.pack(1) + response.data
        while self._room and not self._room[0].live:
            self._room.popleft()
        if not self._room or len(frame) > self._room[0].writable:
            self.dropped += 1
            return
        chain = self._room.popleft()
        self._give_back(RECEIVEQ, chain, chain.write(0, frame))

    # ---- the other end

    def progress(self) -> None:
        """The switch may have answered."""
        self._send.progress()
        self._receive.progress()
        self._identify()
        self._pump()

    def unanswered(self) -> int:
        """See `Function`."""
        return self._send.outstanding

    def forget(self) -> None:
        """See `Function`. Room at the switch stays; what comes for it finds no buffers."""
        self._leaving, self._room = alive(self._leaving), alive(self._room)
