"""xen: rings and pages that one domain grants to another, event channels, and the store in which they find each other.

Theory: nothing is connected at boot. Each end of a channel or link is a xenbus device that meets its partner by the states in
the store, and meets a new one when the old one has died; that goes on whenever the cell waits (cells/xen/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cells.flavours import Connections
from cells.flavours.names import by_peer
from cells.xen.blkback import BlkBack
from cells.xen.channel import RingChannel
from cells.xen.kernel import Kernel
from cells.xen.kernel_device import KernelDevice
from cells.xen.link import GrantedLink
from cells.xen.netback import NetBack
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port


BACK_ENDS: Mapping[str, Callable[..., KernelDevice]] = {"vbd": BlkBack, "vif": NetBack}
"""Devices as the drivers of unmodified kernels know them -> their back ends."""


class UnmodifiedEnd:
    """See `KernelEnd`."""

    def __init__(self, kernel: Kernel, told: Mapping[str, Any]) -> None:
        self.kind: str = told["kind"]
        self._kernel, self._told = kernel, told

    def serves(self, what: Any, clock: Any, log: Callable[[str], None]) -> KernelDevice:
        """See `KernelEnd`."""
        return BACK_ENDS[self._told["device"]](self._kernel, self._told, what, clock, log)


class XenConnections(Connections):
    """The devices of a domain, and memory that it shares from boot on."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        told = {part: _told(port, part) for part in ("channels", "links", "shared")}
        self.kernel = Kernel(port, told["shared"])
        channels = {name: RingChannel(self.kernel, entry) for name, entry in by_peer(told["channels"]).items()}
        named = by_peer(told["links"])
        links = {name: GrantedLink(self.kernel, entry) for name, entry in named.items() if not _is_kernels(entry)}
        self.kernels = {name: UnmodifiedEnd(self.kernel, entry) for name, entry in named.items() if _is_kernels(entry)}
        self.channels |= channels
        self.links |= links
        for entry in told["shared"]:
            self.shared[entry["name"]] = port.memory.view(entry["address"], entry["size"])
        for device in (*channels.values(), *links.values()):
            device.begin()
        self.kernel.progress()

    def wait(self, until: int = NEVER) -> None:
        """See `Connections`."""
        self.kernel.wait(until)


def _is_kernels(entry: Mapping[str, Any]) -> bool:
    return entry["role"] == "back" and entry.get("device") in BACK_ENDS


def _told(port: Port, what: str) -> Sequence[Mapping[str, Any]]:
    told: Sequence[Mapping[str, Any]] = port.boot.get(what, ())
    return told


def connect(port: Port) -> Connections:
    """See `cells.flavours.connect`."""
    return XenConnections(port)
