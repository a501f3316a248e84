"""What a guest kernel of Xen keeps once per domain: hypercalls, events, grants, the store; and the loop that serves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cells.xen.events import Events
from cells.xen.grants import Grants
from cells.xen.hypercalls import Hypercalls
from cells.xen.store import Store
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port


class Kernel:
    """The Xen parts of a cell. `taken`: places of the window that are in use from boot on."""

    def __init__(self, port: Port, taken: Iterable[Mapping[str, Any]] = ()) -> None:
        self.port = port
        self.calls = Hypercalls(port)
        self.events = Events(self.calls)
        self.grants = Grants(self.calls, taken)
        self.store = Store(self.calls, self.events)
        self._rung = True
        port.on_notify = self._on_notify

    def wait(self, until: int = NEVER) -> None:
        """Sleep until anything happens to this cell, or `until`; what happened since the last call counts."""
        if not self.progress():
            self.port.wait(until)
            self.progress()

    def progress(self) -> bool:
        """Serve what has happened; whether anything had."""
        self.look()
        happened, self._rung = self._rung, False
        return happened

    def look(self) -> None:
        """The same, for a caller in the middle of something: whoever waits next returns at once."""
        while self.events.take() | self.store.dispatch():
            self._rung = True

    def _on_notify(self, _source: int, _bits: int) -> None:
        """The upcall. What is pending stands in the shared page, and is looked at when there is time for it."""
        self._rung = True
