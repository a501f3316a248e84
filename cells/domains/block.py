"""The block driver domain: disks for its front ends, on what it owns: files of the host, a flash chip, else its own memory.

Everything that was answered is in the file or the flash, so that this cell may be killed at any time and started again. Without
either the content is lost with the cell; its log and the disk's `volatile` say so. Several files are a disk for each front end.

```toml
[cells.storage]
domain = "block"
devices = ["flash0"]
on_crash = "restart"
```
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cells.domains.devices import Owned, ends, owned
from cells.domains.disk import DiskStore
from cells.domains.drivers.nand import NandFlash
from cells.domains.drivers.nor import NorFlash
from cells.domains.ftl import FlashDisk, Medium
from cells.domains.media import NandMedium, NorMedium
from cells.flavours import Connections, Server
from cells.port import Port
from cells.split.block.back import BlockBack, RamStore, Share, Store, shares
from hypervisor.abi.memory import DISK

RAM_SECTOR, RAM_SECTORS = 512, 2048
"""A disk of 1 MiB where there is no flash."""


def main(port: Port) -> None:
    """Serve for ever."""
    connections, stores = port.connections, make_stores(port)
    names = [name for name, kind in ends(port) if kind == "block"]
    given = dict(zip(names, shares(stores, len(names)), strict=False))
    own = [given[name] for name in names if name in connections.links and name in given]
    servers = [
        connections.kernels[name].serves(given[name], port, port.print)
        for name in names
        if name in connections.kernels and name in given
    ]
    BlockDomain(connections, own, servers, port).run()


class BlockDomain(BlockBack):
    """Disks for cells of ours, and for unmodified kernels: one request of each in turn."""

    def __init__(self, connections: Connections, own: Sequence[Share], servers: Sequence[Server], port: Port) -> None:
        super().__init__(connections, own, port, port.print)
        self._servers = servers
        for server in servers:
            server.begin()

    def idle(self) -> bool:
        """See `BackEnd`."""
        busy = [server.serve() for server in self._servers]  # each of them
        return any(busy)


def make_stores(port: Port) -> Sequence[Store]:
    """One for each file that this cell owns as a disk; else one, as `make_store`."""
    disks = [port.disks[device.name] for device in owned(port) if device.model == DISK and device.name in port.disks]
    return [DiskStore(disk, port) for disk in disks] or [make_store(port)]


def make_store(port: Port) -> Store:
    """The backing store on the first flash chip that this cell owns, or in its memory."""
    for device in owned(port):
        if device.model in _MEDIA:
            return FlashDisk(_MEDIA[device.model](port, device), port.print)
    port.print(
        f"{port.name}: no disk and no flash chip among its devices; the disk is in memory and is lost with this cell"
    )
    return RamStore(RAM_SECTOR, RAM_SECTORS)


def _nor(port: Port, device: Owned) -> Medium:
    return NorMedium(NorFlash(port, device.base, device.line))


def _nand(port: Port, device: Owned) -> Medium:
    return NandMedium(NandFlash(port, device.base, device.line))


_MEDIA: dict[str, Callable[[Port, Owned], Medium]] = {"nor_flash": _nor, "nand_flash": _nand}
"""Device model -> the medium on it."""
