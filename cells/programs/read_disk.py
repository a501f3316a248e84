"""Reads a disk from its beginning to its end, again and again, and looks at each byte: requests and interrupts without a rest.

[cells.client]
guest = "cells.programs.read_disk:main"
args = [4]                                   # KiB of a request
"""

from __future__ import annotations

from cells.port import Port
from cells.programs.copy_file import CHECKSUM_CYCLES
from cells.split.block.front import BlockDevice


def main(port: Port, kibibytes: int = 4, passes: int = 0) -> None:
    """Read it `passes` times, 0 for ever; each pass is reported with the kibibytes read so far."""
    name = next(name for name, link in port.connections.links.items() if link.kind == "block")
    disk = BlockDevice(port.connections, name, port)
    step = max((kibibytes << 10) // disk.sector_size, 1)
    done = 0
    while not passes or done < passes:
        for sector in range(0, disk.sectors, step):
            port.work(CHECKSUM_CYCLES * len(disk.read(sector, min(step, disk.sectors - sector))))
        done += 1
        port.report("kibibytes", done * disk.sectors * disk.sector_size >> 10)
