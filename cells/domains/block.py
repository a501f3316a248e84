"""The block driver domain: disks for its front ends, on the flash chip that it owns, else in its own memory.

Everything that was answered is in the flash, so that this cell may be killed at any time and started again. Without a
flash chip the content is lost with the cell; its log and the disk's `volatile` say so.

```toml
[cells.storage]
domain = "block"
devices = ["flash0"]
on_crash = "restart"
```
"""

from __future__ import annotations

from collections.abc import Callable

from cells.domains.devices import Owned, owned
from cells.domains.drivers.nand import NandFlash
from cells.domains.drivers.nor import NorFlash
from cells.domains.ftl import FlashDisk, Medium
from cells.domains.media import NandMedium, NorMedium
from cells.port import Port
from cells.split.block.back import BlockBack, RamStore, Store

RAM_SECTOR, RAM_SECTORS = 512, 2048
"""A disk of 1 MiB where there is no flash."""


def main(port: Port) -> None:
    """Serve for ever."""
    store = make_store(port)
    BlockBack(port.connections, store, port, port.print).run()


def make_store(port: Port) -> Store:
    """The backing store on the first flash chip that this cell owns, or in its memory."""
    for device in owned(port):
        if device.model in _MEDIA:
            return FlashDisk(_MEDIA[device.model](port, device), port.print)
    port.print(f"{port.name}: no flash chip among its devices; the disk is in memory and is lost with this cell")
    return RamStore(RAM_SECTOR, RAM_SECTORS)


def _nor(port: Port, device: Owned) -> Medium:
    return NorMedium(NorFlash(port, device.base, device.line))


def _nand(port: Port, device: Owned) -> Medium:
    return NandMedium(NandFlash(port, device.base, device.line))


_MEDIA: dict[str, Callable[[Port, Owned], Medium]] = {"nor_flash": _nor, "nand_flash": _nand}
"""Device model -> the medium on it."""
