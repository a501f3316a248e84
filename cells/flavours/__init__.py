"""The cell's side of each flavour: the same connections for a guest program, made of what the architecture has.

```python
def main(port):
    other = port.connections.channels["pong"]
    other.send(b"hello")                     # okl4: into a bounded queue; l4: a rendezvous; xen: into a granted ring
    print(other.receive())
```
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port


class MessageChannel(Protocol):
    """A channel of class "message": whole messages, each copied, in order, none lost and none twice."""

    @property
    def name(self) -> str:
        """The channel's name."""
        ...

    @property
    def peer(self) -> str:
        """The cell at the other end."""
        ...

    @property
    def limit(self) -> int:
        """Bytes of the longest message."""
        ...

    @property
    def there(self) -> bool:
        """Whether the cell at the other end lives, as far as is known."""
        ...

    @property
    def ready(self) -> bool:
        """Whether `try_receive` may find something without troubling anybody about it."""
        ...

    @property
    def meets(self) -> bool:
        """A message goes only while the partner listens, and nobody is told when it does."""
        ...

    def send(self, data: bytes, until: int = NEVER) -> None:
        """Send, waiting for room or for the partner.

        Raises:
            RefusedError: TIMEOUT, PEER_GONE, TOO_LONG.
        """
        ...

    def receive(self, until: int = NEVER) -> bytes:
        """The next message.

        Raises:
            RefusedError: TIMEOUT, PEER_GONE.
        """
        ...

    def try_send(self, data: bytes) -> bool:
        """Send if that needs no waiting; whether it was sent."""
        ...

    def try_receive(self) -> bytes | None:
        """A message if there is one."""
        ...


class Link(Protocol):
    """A channel between a front and a back end: shared memory and a bell.

    `memory`: the same bytes at both ends, while `connected`; `address`: where they lie in guest physical memory. `generation`
    grows with each new connection. `rung` is set when the peer rang, and cleared by whoever looks.
    """

    name: str
    kind: str
    role: str
    peer: str
    memory: memoryview
    address: int
    connected: bool
    generation: int
    rung: bool

    def notify(self) -> None:
        """Ring the other end."""
        ...


class Server(Protocol):
    """The back end of one device of an unmodified kernel."""

    def begin(self) -> None:
        """Meet the front end, now or whenever it comes."""
        ...

    def serve(self) -> bool:
        """Serve at most one request; whether there may be more."""
        ...


class NetServer(Server, Protocol):
    """The back end of a network interface."""

    @property
    def address(self) -> bytes:
        """The interface's."""
        ...

    def offer(self, frame: bytes) -> bool:
        """A frame for the guest; whether it had room."""
        ...


class KernelEnd(Protocol):
    """A link whose front end is a driver of an unmodified kernel: no memory and a bell, but a protocol of its own."""

    kind: str

    def serves(self, what: Any, clock: Any, log: Callable[[str], None]) -> Any:
        """The back end: of kind block a `Server` of a share of a store, of kind net a `NetServer`, whose frames go into `what`,
        a function that says whether anybody took them.
        """
        ...


class Connections(ABC):
    """All that a cell is connected to. Channels and links by the peer's name (the channel's, if two have one peer).

    `asks`: to hear of what has come takes a call of the kernel (`wait`); elsewhere events tell. `kernels`: links to drivers of
    unmodified kernels, by name.
    """

    asks = False

    def __init__(self) -> None:
        self.channels: dict[str, MessageChannel] = {}
        self.links: dict[str, Link] = {}
        self.kernels: dict[str, KernelEnd] = {}
        self.shared: dict[str, memoryview] = {}

    @abstractmethod
    def wait(self, until: int = NEVER) -> None:
        """Sleep until anything happens to this cell, or `until`. Handshakes go on meanwhile."""


_SIDES = {
    "okl4": "cells.flavours.okl4:connect",
    "l4": "cells.flavours.l4:connect",
    "xen": "cells.flavours.xen:connect",
    "native": "cells.flavours.alone:connect",
}
"""Flavour -> function (port) -> Connections."""


def module_of(boot: Mapping[str, Any]) -> str:
    """The module of the side of a cell that is told this at its start: it has to be imported before the sandbox closes."""
    return _side(boot).partition(":")[0]


def _side(boot: Mapping[str, Any]) -> str:
    return _SIDES[str(boot.get("flavour", "native"))]


def connect(port: Port) -> Connections:
    """The connections of a cell, by what it was told at its start."""
    module, _, function = _side(port.boot).partition(":")
    make: Callable[[Port], Connections] = getattr(import_module(module), function)
    return make(port)
