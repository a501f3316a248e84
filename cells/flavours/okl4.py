"""okl4: bounded channels in the microvisor, pages that are shared from boot on, virtual interrupts.

Theory: no call waits in the monitor. An end that is refused sleeps until it is rung and tries again, and it remembers what it
was told, so that it asks only when the answer may have changed: after a notification, or the coming or going of the partner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cells.flavours import Connections
from cells.flavours.names import by_peer
from cells.port import RefusedError
from hypervisor.abi.bells import ARRIVED, ROOM
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port

BELL = 1
"""The bit that the ends of a link ring each other with: what it is about stands in their memory."""
_LENGTH = (1 << 32) - 1


class BoundedChannel:
    """A message channel: a queue of the microvisor in each direction."""

    meets = False

    def __init__(self, port: Port, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.peer: str = told["peer"]
        self._port = port
        self._slot: int = told["slot"]
        self.limit: int = told["limit"]
        self._may_send = self._may_receive = True
        self._bereft = False
        """The partner's death was told to `try_receive`, which cannot say so: the next `receive` does."""
        self.there = False

    @property
    def ready(self) -> bool:
        """See `MessageChannel`."""
        return self._may_receive

    def send(self, data: bytes, until: int = NEVER) -> None:
        """See `MessageChannel`."""
        while not self._put(data):
            self._wait("send to", until)

    def receive(self, until: int = NEVER) -> bytes:
        """See `MessageChannel`."""
        while (data := self._get()) is None:
            if self._bereft:
                self._bereft = False
                raise RefusedError(f"receive from {self.peer}", Status.PEER_GONE)
            self._wait("receive from", until)
        return data

    def try_send(self, data: bytes) -> bool:
        """See `MessageChannel`."""
        try:
            return self._put(data)
        except RefusedError as refusal:
            _expect(Status.PEER_GONE, refusal)
            return False

    def try_receive(self) -> bytes | None:
        """See `MessageChannel`."""
        try:
            return self._get()
        except RefusedError as refusal:
            _expect(Status.PEER_GONE, refusal)
            self._bereft = True
            return None

    # ---- what happens to it

    def on_ring(self, bits: int) -> None:
        """The microvisor tells of a message or of room."""
        self._may_receive |= bool(bits & ARRIVED)
        self._may_send |= bool(bits & ROOM)

    def peer_changed(self, there: bool) -> None:
        """The partner came or went: either call may be answered differently now."""
        self._may_send = self._may_receive = True
        self.there = there

    # ---- the microvisor

    def _put(self, data: bytes) -> bool:
        if len(data) > self.limit:
            raise RefusedError(f"send to {self.peer}", Status.TOO_LONG)
        if not self._may_send:
            return False
        try:
            self._port.hypercall(Hypercall.CHANNEL_SEND, self._slot, data=data)
        except RefusedError as refusal:
            _expect(Status.FULL, refusal)
            self._may_send = False
        else:
            self._bereft = False
        return self._may_send

    def _get(self) -> bytes | None:
        if not self._may_receive:
            return None
        try:
            result, data = self._port.call(Hypercall.CHANNEL_RECEIVE, self._slot)
        except RefusedError as refusal:
            _expect(Status.EMPTY, refusal)
            self._may_receive = False
            return None
        self._may_receive = result > _LENGTH  # some are left
        return data

    def _wait(self, what: str, until: int) -> None:
        if until < NEVER and self._port.now >= until:
            raise RefusedError(f"{what} {self.peer}", Status.TIMEOUT)
        self._port.wait(until)


class SharedLink:
    """A link: pages that both ends have from boot on, and a virtual interrupt each way."""

    def __init__(self, port: Port, told: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.kind: str = told["kind"]
        self.role: str = told["role"]
        self.peer: str = told["peer"]
        self.address: int = told["address"]
        self.memory: memoryview = port.memory.view(self.address, told["size"])
        self.connected = False
        self.generation = 0
        self.rung = False
        self._port = port
        self._slot: int = told["slot"]

    def notify(self) -> None:
        """Ring the other end; one that is gone hears nothing."""
        try:
            self._port.hypercall(Hypercall.NOTIFY, self._slot, BELL)
        except RefusedError as refusal:
            _expect(Status.PEER_GONE, refusal)

    def on_ring(self, bits: int) -> None:
        """The other end rang."""
        self.rung = True

    def peer_changed(self, there: bool) -> None:
        """The other end came or went."""
        self.generation += there and not self.connected
        self.connected = there


def _expect(expected: Status, refusal: RefusedError) -> None:
    """Any other refusal is the caller's to know.

    Raises:
        RefusedError: for another reason.
    """
    if refusal.status != expected:
        raise refusal


class Wired(Connections):
    """All that a cell was given at boot; what comes in finds its channel or link by the slot."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port
        channels = {
            key: (told["slot"], BoundedChannel(port, told)) for key, told in by_peer(_told(port, "channels")).items()
        }
        links = {key: (told["slot"], SharedLink(port, told)) for key, told in by_peer(_told(port, "links")).items()}
        self.channels |= {key: channel for key, (_, channel) in channels.items()}
        self.links |= {key: link for key, (_, link) in links.items()}
        self._by_slot: dict[int, BoundedChannel | SharedLink] = dict([*channels.values(), *links.values()])
        for told in _told(port, "shared"):
            self.shared[told["name"]] = port.memory.view(told["address"], told["size"])
        port.on_notify, port.on_peer = self._on_notify, self._on_peer

    def wait(self, until: int = NEVER) -> None:
        """See `Connections`. No handshake is needed: everything has been there since boot."""
        self._port.wait(until)

    def _on_notify(self, slot: int, bits: int) -> None:
        if slot in self._by_slot:
            self._by_slot[slot].on_ring(bits)

    def _on_peer(self, slot: int, there: int) -> None:
        if slot in self._by_slot:
            self._by_slot[slot].peer_changed(bool(there))


def _told(port: Port, what: str) -> Sequence[Mapping[str, Any]]:
    told: Sequence[Mapping[str, Any]] = port.boot.get(what, ())
    return told


def connect(port: Port) -> Connections:
    """See `cells.flavours.connect`."""
    return Wired(port)
