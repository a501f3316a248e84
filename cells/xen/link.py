"""A link: the front's pages, granted to the back, and an event channel.

Theory: the memory is the front's own and survives the back; a back that was started again maps it anew and finds it as it was
left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cells.port import RefusedError
from cells.xen.grants import Mapped
from cells.xen.kernel import Kernel
from cells.xen.xenbus import Device
from hypervisor.abi.memory import PAGE


class GrantedLink(Device):
    """One end of a link; see `cells.flavours.Link`."""

    def __init__(self, kernel: Kernel, told: Mapping[str, Any]) -> None:
        super().__init__(kernel.store, told)
        self._kernel = kernel
        self._size: int = told["size"]
        self.connected = False
        self.generation = 0
        self.rung = False
        self.address = 0
        if self.role == "front":
            self.address = kernel.port.memory.allocate(self._size // PAGE)
            self.memory = kernel.port.memory.view(self.address, self._size)
        else:
            self.memory = memoryview(bytearray(self._size))  # until the front's pages are there
        self._references: list[int] = []
        self._mapped: Mapped | None = None
        self._bell: int | None = None

    def notify(self) -> None:
        """Ring the other end; one that is gone hears nothing."""
        if self.connected and self._bell is not None:
            self._kernel.events.send(self._bell)

    # ---- xenbus

    def published(self) -> dict[str, str | int]:
        """The pages, and a port. Both are kept for whoever comes next."""
        if self._bell is None:
            self._bell = self._kernel.events.alloc_unbound(self.remote, self._on_ring)
            pages = range(self.address, self.address + self._size, PAGE)
            self._references = [self._kernel.grants.give(self.remote, page) for page in pages]
        return {"ring-ref": " ".join(map(str, self._references)), "event-channel": self._bell}

    def attach(self) -> bool:
        """Map the front's pages, bind its port."""
        port, references = self.ask("event-channel"), self.ask("ring-ref").split()
        if len(references) != self._size // PAGE:
            return False
        try:
            self._bell = self._kernel.events.bind_interdomain(self.remote, int(port), self._on_ring)
            self._mapped = self._kernel.grants.map(self.remote, [int(reference) for reference in references])
        except (RefusedError, ValueError):
            self.leave()
            return False
        self.memory, self.address = self._mapped.view, self._mapped.address
        self._up()
        return True

    def join(self) -> None:
        """The back has the pages."""
        self._up()

    def leave(self) -> None:
        """The other end is gone. The front's port stays open for a new one."""
        self.connected = False
        if self.role == "front":
            return
        mapped, self._mapped = self._mapped, None
        if mapped is not None:
            self._kernel.grants.unmap(mapped)
        if self._bell is not None:
            self._kernel.events.close(self._bell)
            self._bell = None

    def _up(self) -> None:
        self.connected = True
        self.generation += 1

    def _on_ring(self) -> None:
        self.rung = True
