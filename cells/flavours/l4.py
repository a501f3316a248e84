"""l4: channels are rendezvous, pages travel in messages, bells are notification bits, and sleeping is an open receive.

Theory: a message channel keeps nothing: a sender waits for its receiver (or finds that there is none now: a timeout of zero).
The front end of a link owns its pages and sends them as a map item; the back end takes them whenever it waits. As either may be
busy when the other is not, a front end offers for a while, then listens for a while, and each time a little longer. What comes
in while the program waits for something else, messages of other channels among it, is kept for whom it is for, up to `INBOX`
messages; from then on their senders wait.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cells.flavours import Connections
from cells.flavours.ipc import NOBODY, Kernel
from cells.flavours.names import by_peer
from cells.port import RefusedError
from hypervisor.abi.l4 import ANY, INTERRUPT, NIL, NOTIFICATION, REGISTERS, Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port

INBOX = 16
"""Messages that a channel keeps which came while its cell waited for something else."""
OFFER, LONGEST_OFFER = 1 << 20, 1 << 24
"""Cycles for which a front end waits for its back end to listen; twice as long each time."""
PAUSE = 1 << 18
"""Cycles between two offers, in which it listens itself."""
BELL = 1
_SHORT = 4 * REGISTERS


def pack_bytes(data: bytes) -> Message:
    """Bytes of a channel as a message: whole words in registers and the rest as a string; what is long, as a string alone."""
    whole = len(data) // 4 if len(data) <= _SHORT else 0
    return Message(Label.CHANNEL, struct.unpack_from(f"<{whole}I", data), string=data[4 * whole :])


def unpack_bytes(message: Message) -> bytes:
    """The inverse, for whatever a partner sends.

    >>> unpack_bytes(pack_bytes(b"hello"))
    b'hello'
    """
    return struct.pack(f"<{len(message.words)}I", *message.words) + message.string


class Rendezvous:
    """A message channel. Its partner is the thread that `slot` names."""

    meets = True

    def __init__(self, kernel: Kernel, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.peer: str = told["peer"]
        self.slot: int = told["slot"]
        self.inbox: deque[bytes] = deque()
        self.there = True
        self._kernel = kernel
        self.limit: int = told["limit"]

    @property
    def ready(self) -> bool:
        """See `MessageChannel`."""
        return bool(self.inbox)

    def send(self, data: bytes, until: int = NEVER) -> None:
        """See `MessageChannel`."""
        if len(data) > self.limit:
            raise RefusedError(f"send to {self.peer}", Status.TOO_LONG)
        self._kernel.send(self.slot, pack_bytes(data), until)

    def receive(self, until: int = NEVER) -> bytes:
        """See `MessageChannel`."""
        if self.inbox:
            return self.inbox.popleft()
        try:
            return unpack_bytes(self._kernel.receive(self.slot, until)[1])
        except RefusedError as refusal:
            _unless(refusal, Status.EMPTY)
            raise RefusedError(f"receive from {self.peer}", Status.TIMEOUT) from None

    def try_send(self, data: bytes) -> bool:
        """See `MessageChannel`."""
        try:
            self.send(data, 0)
        except RefusedError as refusal:
            _unless(refusal, Status.TIMEOUT, Status.PEER_GONE)
            return False
        return True

    def try_receive(self) -> bytes | None:
        """See `MessageChannel`."""
        try:
            return self.receive(0)
        except RefusedError as refusal:
            _unless(refusal, Status.TIMEOUT, Status.PEER_GONE)
            return None

    def heard(self, message: Message) -> None:
        """It came while something else was waited for."""
        self.inbox.append(unpack_bytes(message))

    def peer_changed(self, there: bool) -> None:
        """Calls find out by themselves; this is for who does not call."""
        self.there = there


class PageLink:
    """What both ends of a link have. `offering`: the front end has pages that its back end should take."""

    def __init__(self, port: Port, kernel: Kernel, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.kind: str = told["kind"]
        self.role: str = told["role"]
        self.peer: str = told["peer"]
        self.slot: int = told["slot"]
        self.bell: int = told["bell"]
        self.pages: int = told["size"] // PAGE
        self.memory = memoryview(b"")
        self.address = 0
        self.connected = False
        self.generation = 0
        self.rung = False
        self._port, self._kernel = port, kernel

    @property
    def offering(self) -> bool:
        """Whether there is something to offer."""
        return False

    def offer(self, until: int) -> None:
        """Offer it, until then at the latest."""

    def heard(self, message: Message) -> None:
        """The other end says something."""

    def notify(self) -> None:
        """Ring the other end; one that is gone hears nothing."""
        try:
            self._kernel.notify(self.bell, BELL)
        except RefusedError as refusal:
            _unless(refusal, Status.PEER_GONE)

    def peer_changed(self, there: bool) -> None:
        """The other end came or went: a life of its own that knows nothing of this connection."""
        self.connected = False

    def _connect(self) -> None:
        self.connected = True
        self.generation += 1


class FrontLink(PageLink):
    """It owns the pages, in its own memory: they survive the back end."""

    def __init__(self, port: Port, kernel: Kernel, told: Mapping[str, Any]) -> None:
        super().__init__(port, kernel, told)
        self.address = port.memory.allocate(self.pages)
        self.memory = port.memory.view(self.address, self.pages * PAGE)
        self._there = True
        self._patience = OFFER

    @property
    def offering(self) -> bool:
        """See `PageLink`."""
        return self._there and not self.connected

    def offer(self, until: int) -> None:
        """See `PageLink`."""
        item = Item(ItemKind.MAP, self.address, self.pages, READ | WRITE)
        try:
            self._kernel.send(
                self.slot, Message(Label.CONNECT, items=(item,)), min(until, self._port.now + self._patience)
            )
        except RefusedError as refusal:
            _unless(refusal, Status.TIMEOUT, Status.PEER_GONE, Status.WRONG_STATE)  # it may not accept pages yet
            self._there = refusal.status != Status.PEER_GONE
            self._patience = min(2 * self._patience, LONGEST_OFFER)
        else:
            self._patience = OFFER
            self._connect()

    def peer_changed(self, there: bool) -> None:
        """See `PageLink`."""
        super().peer_changed(there)
        self._there = there


class BackLink(PageLink):
    """It is given the pages, in its window."""

    def __init__(self, port: Port, kernel: Kernel, told: Mapping[str, Any]) -> None:
        super().__init__(port, kernel, told)

    def heard(self, message: Message) -> None:
        """The front end's pages. Anything else, and pages that are too few, it may keep."""
        items = message.items
        if message.label != Label.CONNECT or len(items) != 1 or items[0].kind is not ItemKind.MAP:
            return
        if items[0].count != self.pages or not items[0].rights & WRITE:
            return
        if self.connected:
            self._kernel.unmap(self.address, self.pages, flush=True)
        self.address = items[0].address
        try:
            self.memory = self._port.memory.view(self.address, self.pages * PAGE)
        except ValueError:  # who sent them is gone already, and they with it
            self.connected = False
        else:
            self._connect()


_ROLES: Mapping[str, type[PageLink]] = {"front": FrontLink, "back": BackLink}


class Meeting(Connections):
    """All that a cell was given at boot; what comes in finds its channel or link by the slot."""

    asks = True

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port
        self.kernel = Kernel(port)
        self._window: Sequence[int] = port.boot.get("window", (0, 0))
        if any(told["role"] == "back" for told in _told(port, "links")):
            self.kernel.accept(*self._window)
        rendezvous = {key: Rendezvous(self.kernel, told) for key, told in by_peer(_told(port, "channels")).items()}
        links = {
            key: _ROLES[told["role"]](port, self.kernel, told) for key, told in by_peer(_told(port, "links")).items()
        }
        self.channels |= rendezvous
        self.links |= links
        self._rendezvous, self._links = list(rendezvous.values()), list(links.values())
        self._by_slot: dict[int, Rendezvous | PageLink] = {end.slot: end for end in self._rendezvous}
        self._by_slot |= {end.slot: end for end in self._links}
        self._by_bell = {link.bell: link for link in self._links}
        self._hinted = False
        for told in _told(port, "shared"):
            self.shared[told["name"]] = port.memory.view(told["address"], told["size"])
        port.on_notify, port.on_peer = self._on_notify, self._on_peer
        port.await_line = self._await_line

    def wait(self, until: int = NEVER) -> None:
        """See `Connections`. One thing has been heard when this returns, or the time is up."""
        for link in [link for link in self._links if link.offering]:
            link.offer(until)
            if link.connected:
                return
        if any(link.offering for link in self._links):
            until = min(until, self._port.now + PAUSE)
        self._listen(until)

    def _listen(self, until: int) -> None:
        full = any(len(channel.inbox) >= INBOX for channel in self._rendezvous)
        source = INTERRUPT if full else ANY
        try:
            heard = self.kernel.listen(source, until)
            if heard is None and self._hinted:  # bits wait in the kernel
                heard = self.kernel.receive(source, 0)
        except RefusedError as refusal:
            _unless(refusal, Status.EMPTY)
            heard = None
        self._hinted = False
        if heard is not None:
            self._dispatch(*heard)

    def _await_line(self, until: int) -> None:
        """How `wait_irq` sleeps: in a receive of interrupts and notifications alone."""
        try:
            heard = self.kernel.listen(INTERRUPT, until)
        except RefusedError as refusal:
            _unless(refusal, Status.EMPTY)
        else:
            self._dispatch(*(heard or NOBODY))

    def _dispatch(self, who: int, message: Message) -> None:
        if who == INTERRUPT:
            self._port.line_came_up(message.words[0])
        elif who == NOTIFICATION:
            link = self._by_bell.get(message.words[0])
            if link is not None:
                link.rung = True
        elif who != NIL and who in self._by_slot:
            self._by_slot[who].heard(message)

    def _on_notify(self, _bell: int, _bits: int) -> None:
        """A hint: the bits are in the kernel, and an open receive brings them."""
        self._hinted = True

    def _on_peer(self, slot: int, there: int) -> None:
        if slot in self._by_slot:
            self._by_slot[slot].peer_changed(bool(there))


def _unless(refusal: RefusedError, *expected: Status) -> None:
    """Any other refusal is the caller's to know.

    Raises:
        RefusedError: for another reason.
    """
    if refusal.status not in expected:
        raise refusal


def _told(port: Port, what: str) -> Sequence[Mapping[str, Any]]:
    told: Sequence[Mapping[str, Any]] = port.boot.get(what, ())
    return told


def connect(port: Port) -> Connections:
    """See `cells.flavours.connect`."""
    return Meeting(port)
