"""A message channel: two rings, each a page that its receiver grants to the sender, and one event channel for both.

Theory: a message is written into the receiver's page, and the receiver is rung if its ring was empty; a sender that finds no
room says so in the page and is rung when there is some. So a stream of messages costs few calls. What an end has been sent is
its own and survives the sender. An end that may not receive grants nothing, and there is no way to send to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cells.port import RefusedError
from cells.xen.grants import Mapped
from cells.xen.kernel import Kernel
from cells.xen.ring import BrokenRingError, Receiver, Sender
from cells.xen.xenbus import Device
from hypervisor.abi.faults import Hit
from hypervisor.abi.memory import PAGE
from hypervisor.abi.mishaps import befalls
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import XenbusState

WORD_CYCLES = 3
"""Cycles of a guest for each word that it copies into or out of a ring (assumed: a load and a store that hit the cache)."""
RING_CYCLES = 50
"""Cycles for the indices and the length of a message (assumed)."""


class RingChannel(Device):
    """One end of a message channel."""

    meets = False
    ready = True  # to look costs no call

    def __init__(self, kernel: Kernel, told: Mapping[str, Any]) -> None:
        super().__init__(kernel.store, told)
        self._kernel = kernel
        self.limit: int = told["limit"]
        self._may_send, self._may_receive = "send" in told["rights"], "receive" in told["rights"]
        self._address = kernel.port.memory.allocate(1)
        self._receiver = Receiver(kernel.port.memory.view(self._address, PAGE), self.limit)
        self._sender: Sender | None = None
        self._mapped: Mapped | None = None
        self._reference: int | None = None
        self._bell: int | None = None
        self._behind: list[bytes] = []
        """Messages that an injected fault keeps for the next one."""
        self._bereft = False
        """The partner died since this end last sent anything: who asks for an answer is told once that none will come."""

    # ---- MessageChannel

    @property
    def there(self) -> bool:
        """See `MessageChannel`."""
        return self.peer_state is not XenbusState.UNKNOWN

    @property
    def outgoing(self) -> memoryview | None:
        """The partner's page, in which its messages lie, while it is mapped."""
        return self._mapped.view if self._mapped is not None else None

    def send(self, data: bytes, until: int = NEVER) -> None:
        """See `MessageChannel`."""
        while not self._put(data):
            if self.peer_state is XenbusState.UNKNOWN:
                raise RefusedError(f"send to {self.peer}", Status.PEER_GONE)
            self._wait("send to", until)

    def receive(self, until: int = NEVER) -> bytes:
        """See `MessageChannel`."""
        while (data := self._get()) is None:
            if self._bereft or self.peer_state is XenbusState.UNKNOWN:
                self._bereft = False
                raise RefusedError(f"receive from {self.peer}", Status.PEER_GONE)
            self._wait("receive from", until)
        return data

    def try_send(self, data: bytes) -> bool:
        """See `MessageChannel`."""
        return self._put(data)

    def try_receive(self) -> bytes | None:
        """See `MessageChannel`."""
        return self._get()

    # ---- the rings

    def _put(self, data: bytes) -> bool:
        if len(data) > self.limit:
            raise RefusedError(f"send to {self.peer}", Status.TOO_LONG)
        if not self._may_send:
            raise RefusedError(f"send to {self.peer}", Status.RIGHTS)
        self._kernel.look()
        self._work(data)
        if self._sender is None:
            return False
        faults = self._kernel.port.faults
        if faults is None:
            return self._write(data)
        return self._write_or_not(data, faults.visit("message"))

    def _write_or_not(self, data: bytes, hit: Hit | None) -> bool:
        """The same where an injected fault strikes; a delay is this end's own sleep."""
        if hit is None:
            sent = self._write(data)
            while sent and self._behind and self._write(self._behind[0]):
                self._behind.pop(0)
            return sent
        fate = befalls(hit, data, self.limit)
        if fate.held is not None and not fate.delay:
            self._behind.append(fate.held)
        elif fate.held is not None:
            self._kernel.port.sleep_until(self._kernel.port.now + fate.delay)
            return self._write(fate.held)
        went = [self._write(message) for message in fate.now]
        return all(went[:1])

    def _write(self, data: bytes) -> bool:
        """Into the ring, if there is room."""
        if self._sender is None:
            return False
        try:
            sent, was_empty = self._sender.put(data)
        except BrokenRingError:
            self.break_off()
            return False
        if was_empty:
            self._ring()
        self._bereft &= not sent
        return sent

    def _get(self) -> bytes | None:
        if not self._may_receive:
            raise RefusedError(f"receive from {self.peer}", Status.RIGHTS)
        self._kernel.look()
        try:
            data = self._receiver.take()
        except BrokenRingError:
            self._receiver.reset()
            self.break_off()
            return None
        if data is not None:
            self._work(data)
            if self._receiver.sender_waits():
                self._ring()
        return data

    def _work(self, data: bytes) -> None:
        """The copy takes the guest's own time."""
        self._kernel.port.work(RING_CYCLES + WORD_CYCLES * -(-len(data) // 4))

    def _ring(self) -> None:
        if self._bell is not None and self.state is XenbusState.CONNECTED:
            self._kernel.events.send(self._bell)

    def _wait(self, what: str, until: int) -> None:
        if until < NEVER and self._kernel.port.now >= until:
            raise RefusedError(f"{what} {self.peer}", Status.TIMEOUT)
        self._kernel.wait(until)

    # ---- xenbus

    def published(self) -> dict[str, str | int]:
        """The ring in which this end receives, and a port."""
        if self._bell is None:
            self._bell = self._kernel.events.alloc_unbound(self.remote, _nothing)
        return self._offered() | {"event-channel": self._bell}

    def attach(self) -> bool:
        """Map the front's ring, bind its port, offer an own ring."""
        port, reference = self.ask("event-channel"), self.ask("ring-ref")
        try:
            self._bell = self._kernel.events.bind_interdomain(self.remote, int(port), _nothing)
            self._take_up(reference)
        except (RefusedError, BrokenRingError, ValueError):
            self.leave()
            return False
        self.store.write_all({f"{self.node}/{name}": value for name, value in self._offered().items()})
        return True

    def join(self) -> None:
        """Map the back's ring. What it has granted may be nonsense: then nothing can be sent."""
        try:
            self._take_up(self.ask("ring-ref"))
        except (RefusedError, BrokenRingError, ValueError):
            self._let_go()

    def leave(self) -> None:
        """The partner's ring goes back. The front's port stays open for a new partner."""
        self._bereft |= self.state is XenbusState.CONNECTED
        self._let_go()
        if self.role == "back" and self._bell is not None:
            self._kernel.events.close(self._bell)
            self._bell = None

    def _offered(self) -> dict[str, str | int]:
        if not self._may_receive:
            return {}
        if self._reference is None:
            self._reference = self._kernel.grants.give(self.remote, self._address)
        return {"ring-ref": self._reference}

    def _take_up(self, reference: str) -> None:
        if reference and self._may_send:
            self._mapped = self._kernel.grants.map(self.remote, [int(reference)])
            self._sender = Sender(self._mapped.view)

    def _let_go(self) -> None:
        mapped, self._mapped, self._sender = self._mapped, None, None
        if mapped is not None:
            self._kernel.grants.unmap(mapped)


def _nothing() -> None:
    """That the bell has rung is all there is to know: the rings say the rest."""
