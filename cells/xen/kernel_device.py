"""The back end of a device whose front end is a driver of an unmodified kernel: the handshake as such drivers know it.

```
front  INITIALISING ----------------> INITIALISED -----------> CONNECTED ----> CLOSING --> CLOSED --> INITIALISING ...
back   INITIALISING --> INIT_WAIT --------------> CONNECTED ----------------> CLOSING --> CLOSED --> INIT_WAIT ...
```

Theory: a driver of Linux does not begin anew by itself when its back end dies: it stays CONNECTED, its pages stay granted and its
port stays open to the domain that was at the other end. So the next back end takes up what it finds: it offers itself, sees a
front end that is CONNECTED, and goes on where the ring says that its predecessor stopped. The front end has seen the other state
vanish and come back, and retries nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from cells.port import RefusedError
from cells.xen.grants import GrantRefusedError, Mapped
from cells.xen.kernel import Kernel
from cells.xen.shared_ring import BrokenRingError, SharedRing
from cells.xen.store import StoreRefusedError
from cells.xen.xenbus import Device, Table
from hypervisor.abi.xen import XenbusState as State

ABI = "arm-abi"
"""The layout of the rings' structures (public/io/protocols.h)."""
REQUEST_CYCLES = 300
"""Of a request, beside what is copied: as at our own rings (cells/split/ends.py). Assumed."""
TRIES, PAUSE = 100, "1ms"
"""How long there may be no room for a ring: a guest whose pages all come back has to take note of each."""
_DIGITS = 10


class KernelDevice(Device):
    """One such device. `log` is told, once per connection, what its front end does wrong."""

    def __init__(self, kernel: Kernel, told: Mapping[str, Any], log: Callable[[str], None]) -> None:
        super().__init__(kernel.store, told)
        self._table = TABLE
        self._kernel, self._log = kernel, log
        self._bell: int | None = None
        self._pages: list[Mapped] = []
        self.connected = False
        self.generation = 0

    # ---- what a class of devices says and does

    @abstractmethod
    def features(self) -> dict[str, str | int]:
        """Nodes that the front end looks for before it connects."""

    @abstractmethod
    def facts(self) -> dict[str, str | int]:
        """Nodes that it looks for when it is connected."""

    @abstractmethod
    def open_rings(self) -> None:
        """Map what the front end has published.

        Raises:
            RefusedError, ValueError: that is not possible.
        """

    @abstractmethod
    def rings(self) -> list[SharedRing]:
        """The rings, while connected."""

    @abstractmethod
    def close_rings(self) -> None:
        """Forget them, and all that was mapped beside."""

    @abstractmethod
    def serve_one(self) -> bool:
        """Serve at most one request; whether there was any.

        Raises:
            BrokenRingError: the front end lies.
        """

    # ---- serving

    def serve(self) -> bool:
        """At most one request; whether there was, or may be, any more. One that lies is served no more."""
        if not self.connected:
            return False
        try:
            if self.serve_one():
                return True
            self.tell()
            return self.arm()
        except BrokenRingError as error:
            self.refuse(f"broke its ring: {error.what}")
            return False

    def arm(self) -> bool:
        """Want to hear of new requests; whether there are some."""
        waiting = [ring.arm() for ring in self.rings()]  # each of them, whatever the others have
        return any(waiting)

    def tell(self) -> None:
        """Ring, if the front end wants to hear of what was answered."""
        due = [ring.due() for ring in self.rings()]
        if any(due) and self._bell is not None:
            self._kernel.events.send(self._bell)

    def refuse(self, why: str) -> None:
        """Say why, and have nothing more to do with this front end until it begins anew."""
        self._log(f"{self.peer} {why}")
        self.leave()
        self.go(State.CLOSED)

    # ---- xenbus

    def published(self) -> dict[str, str | int]:
        """A back end publishes when it offers."""
        return self.features()

    def join(self) -> None:
        """A back end does not join."""

    def attach(self) -> bool:
        """Take up what the front end has published, or what it had published for a predecessor."""
        try:
            self.open_rings()
            self._bell = self._kernel.events.bind_interdomain(self.remote, self.number("event-channel"), _nothing)
            self.store.write_all({f"{self.node}/{name}": value for name, value in self.facts().items()})
        except (RefusedError, StoreRefusedError, ValueError, MemoryError) as error:
            self.refuse(f"cannot be connected: {error}")
            return False
        self.connected = True
        self.generation += 1
        self.go(State.CONNECTED)
        self.look_after_a_gap()
        return True

    def look_after_a_gap(self) -> None:
        """A predecessor may have died between an answer and its bell: ring once."""
        if self._bell is not None:
            self._kernel.events.send(self._bell)

    def leave(self) -> None:
        """Give back what is the front end's."""
        self.connected = False
        self.close_rings()
        pages, self._pages = self._pages, []
        for mapped in pages:
            self._kernel.grants.unmap(mapped)
        if self._bell is not None:
            self._kernel.events.close(self._bell)
            self._bell = None

    def map(self, name: str) -> memoryview:
        """The page whose reference stands in a node of the front end's.

        Raises:
            RefusedError, ValueError: there is none.
        """
        mapped = self._patiently(self.number(name))
        self._pages.append(mapped)
        return mapped.view

    def _patiently(self, reference: int) -> Mapped:
        """Map a page; where a predecessor's mappings are not gone yet, a little later."""
        for _ in range(TRIES):
            try:
                return self._kernel.grants.map(self.remote, [reference])
            except GrantRefusedError as refusal:
                if not refusal.passes:
                    raise
                self._kernel.port.sleep(PAUSE)
        return self._kernel.grants.map(self.remote, [reference])

    def number(self, name: str) -> int:
        """A number in a node of the front end's.

        Raises:
            ValueError: there is none.
        """
        text = self.ask(name)
        if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS:
            raise ValueError(f"{name} is {text[:20]!r}, not a number")
        return int(text) & 0xFFFFFFFF

    def flag(self, name: str) -> bool:
        """Whether the front end says 1 of a feature."""
        return self.ask(name) == "1"


def _nothing() -> None:
    """That the bell has rung wakes the cell; the rings say the rest."""


def _offer(device: Device) -> bool:
    device.state = State.INIT_WAIT
    nodes = {f"{device.node}/{name}": value for name, value in device.published().items()}
    device.store.write_all({**nodes, f"{device.node}/state": int(State.INIT_WAIT)})
    return True


def _attach(device: Device) -> bool:
    device.attach()
    return False


def _gone(device: Device) -> bool:
    device.leave()
    return _offer(device)


def _closing(device: Device) -> bool:
    device.leave()
    device.go(State.CLOSING)
    return True


def _closed(device: Device) -> bool:
    device.leave()
    device.go(State.CLOSED)
    return True


_ANEW = {State.UNKNOWN: _gone, State.INITIALISING: _gone}
TABLE: Table = {
    State.INITIALISING: dict.fromkeys(State, _offer),
    State.INIT_WAIT: {State.INITIALISED: _attach, State.CONNECTED: _attach},
    State.CONNECTED: {**_ANEW, State.CLOSING: _closing, State.CLOSED: _closed},
    State.CLOSING: {**_ANEW, State.CLOSED: _closed},
    State.CLOSED: _ANEW,
}
"""Own state -> the front end's -> what to do."""
