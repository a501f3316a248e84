"""Virtio console (Virtual I/O Device, OASIS, version 1.2, 5.3): one port, on a terminal of a driver domain.

Theory: Linux writes to such a console and spins until the buffer comes back. So a text is given back as soon as it is copied,
as long as less than `KEPT` bytes wait for the terminal; only then does the driver wait for that.
"""

from __future__ import annotations

from collections import deque

from cells.flavours import Link
from cells.machine.virtio.function import Function, alive
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.queue import Chain
from cells.split.asking import Asking
from cells.split.console.protocol import BUFFER, IN, OUT, SLOTS, Operation
from cells.split.ends import Clock, Outcome
from cells.split.ring import Response

RECEIVEQ, TRANSMITQ = 0, 1
DESCRIPTORS = 64
KEPT = 1 << 16
"""Bytes that wait for the terminal."""
READS = 2
"""Requests for what is typed that wait at the terminal."""
TYPED = 1024
"""Typed bytes that wait for the driver; while there are more, no more is asked for."""


class Console(Function):
    """One port."""

    ident = 3
    queues: tuple[int, ...] = (DESCRIPTORS, DESCRIPTORS)

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._out: Asking
        self._in: Asking
        self._leaving: deque[Chain] = deque()
        self._copied = 0
        """Bytes of the first of those that are in `_text` already."""
        self._room: deque[Chain] = deque()
        self._text = bytearray()
        self._typed = bytearray()

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """See `Function`."""
        super().attach(link, clock, patience)
        self._out, self._in = Asking(link, OUT, clock), Asking(link, IN, clock)
        self._watch(self._out)

    def features(self) -> int:
        """See `Function`: no size, one port."""
        return 0

    def config(self) -> bytes:
        """See `Function`."""
        return bytes(12)

    # ---- queues

    def notified(self, index: int) -> None:
        """See `Function`."""
        taken = self._room if index == RECEIVEQ else self._leaving
        while (chain := self._take(index)) is not None:
            taken.append(chain)
        self._pump()

    def _pump(self) -> None:
        self._copy()
        while self._text and self._out.outstanding < SLOTS and not self._out.broken:
            part = bytes(self._text[:BUFFER])
            del self._text[: len(part)]
            self._out.ask(Operation.WRITE, b"", part, self._shown, kick=False)
        if self._out.broken:
            self._text.clear()
        self._copy()
        self._out.kick()
        self._look()
        self._deliver()

    def _copy(self) -> None:
        """Take texts while there is room for them."""
        while self._leaving and len(self._text) < KEPT:
            chain = self._leaving[0]
            if chain.live:
                part = chain.read(self._copied, KEPT - len(self._text))
                self._text += part
                self._copied += len(part)
            if not chain.live or self._copied == chain.readable:
                self._leaving.popleft()
                self._copied = 0
                self._give_back(TRANSMITQ, chain, 0)

    def _shown(self, response: Response | None) -> None:
        """What the terminal did not take is lost, as on a line without anybody at its end."""

    def _deliver(self) -> None:
        """Give what was typed to the driver, and ask for more if it has room."""
        while self._typed and self._room:
            chain = self._room.popleft()
            if chain.live:
                written = chain.write(0, bytes(self._typed))
                del self._typed[:written]
                self._give_back(RECEIVEQ, chain, written)
        while self._room and len(self._typed) < TYPED and self._in.outstanding < READS and not self._in.broken:
            self._in.ask(Operation.READ, b"", b"", self._heard, kick=False)
        self._in.kick()

    def _heard(self, response: Response | None) -> None:
        if response is not None and response.status == Outcome.OK:
            self._typed += response.data

    # ---- the other end

    def progress(self) -> None:
        """The terminal may have answered."""
        self._out.progress()
        self._in.progress()
        self._pump()

    def unanswered(self) -> int:
        """See `Function`."""
        return self._out.outstanding

    def forget(self) -> None:
        """See `Function`. What was written is shown all the same."""
        self._copied = self._copied if self._leaving and self._leaving[0].live else 0
        self._leaving, self._room = alive(self._leaving), alive(self._room)
