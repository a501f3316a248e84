"""Event channels from within: the shared_info page, ports with handlers, the upcall.

```python
events = Events(xen)
port = events.alloc_unbound(remote=2, handler=lambda: ...)
events.send(port)
events.take()          # after a notification: every pending port's handler, once
```
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from cells.xen.hypercalls import Hypercalls
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    ALLOC_UNBOUND,
    BIND_INTERDOMAIN,
    DOMID_SELF,
    EVTCHN_MASK,
    EVTCHN_PENDING,
    PENDING_SEL,
    PORT,
    UPCALL_PENDING,
    WORD_BITS,
    Call,
    EvtchnOp,
    MapSpace,
    MemoryOp,
)

Handler = Callable[[], None]
_WORD = Struct("<Q")


class Events:
    """The ports of a cell."""

    def __init__(self, xen: Hypercalls) -> None:
        self._xen = xen
        self._handlers: dict[int, Handler] = {}
        address = xen.port.memory.allocate(1)
        self._page = xen.port.memory.view(address, PAGE)
        place = (DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, address // PAGE)
        xen.call(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place)

    def alloc_unbound(self, remote: int, handler: Handler) -> int:
        """A port that the domain `remote` may bind."""
        answer = self._xen.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, remote, 0)
        return self.handle(answer[2], handler)

    def bind_interdomain(self, remote: int, remote_port: int, handler: Handler) -> int:
        """A port joined to one that was left unbound for this domain.

        It is pending at once, in case that somebody rang before; nobody rings here who is not connected, so that is forgotten.
        """
        answer = self._xen.call(Call.EVENT_CHANNEL, EvtchnOp.BIND_INTERDOMAIN, BIND_INTERDOMAIN, remote, remote_port, 0)
        port: int = answer[2]
        at = EVTCHN_PENDING + port // WORD_BITS * 8
        self._exchange(at, self._word(at) & ~(1 << port % WORD_BITS))
        return self.handle(port, handler)

    def handle(self, port: int, handler: Handler) -> int:
        """Call `handler` whenever the port is pending."""
        self._handlers[port] = handler
        return port

    def close(self, port: int) -> None:
        """The port is no more."""
        del self._handlers[port]
        self._xen.call(Call.EVENT_CHANNEL, EvtchnOp.CLOSE, PORT, port)

    def send(self, port: int) -> None:
        """Make the other end pending."""
        self._xen.call(Call.EVENT_CHANNEL, EvtchnOp.SEND, PORT, port)

    def take(self) -> bool:
        """The upcall: handle what is pending; whether anything was. The flag goes first: what comes later raises it anew."""
        taken = False
        while self._page[UPCALL_PENDING]:
            self._page[UPCALL_PENDING] = 0
            selected = self._exchange(PENDING_SEL, 0)
            for word in _bits(selected):
                at = word * 8
                ready = self._word(EVTCHN_PENDING + at) & ~self._word(EVTCHN_MASK + at)
                for bit in _bits(ready):
                    taken = True
                    self._exchange(EVTCHN_PENDING + at, self._word(EVTCHN_PENDING + at) & ~(1 << bit))
                    self._handlers.get(word * WORD_BITS + bit, _ignore)()
        return taken

    def _word(self, at: int) -> int:
        value: int = _WORD.unpack_from(self._page, at)[0]
        return value

    def _exchange(self, at: int, value: int) -> int:
        before = self._word(at)
        _WORD.pack_into(self._page, at, value)
        return before


def _bits(word: int) -> list[int]:
    """Numbers of the bits that are set, lowest first."""
    return [bit for bit in range(word.bit_length()) if word >> bit & 1]


def _ignore() -> None:
    """A port that was closed meanwhile."""
