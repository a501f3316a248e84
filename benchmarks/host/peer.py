"""The other end of the world switch: a cell that does nothing but stop again. `world_switch.py` starts it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cells.links import Link, ShmLink, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.order import CellOrder
from hypervisor.abi.records import ExitKind


def answer(order: CellOrder, fds: Mapping[str, int]) -> None:
    """The entry of the cell's process: stay on one host CPU, and answer every resume at once."""
    settings: Mapping[str, Any] = order.settings
    os.sched_setaffinity(0, {settings["cpu"]})
    link: Link
    if "page" in fds:
        link = ShmLink(fds["page"])
        link.adopt()
    else:
        link = ZmqLink(connect(**settings["address"]))
    world = Lockstep(link)
    world.exit(ExitKind.HELLO, 0)
    while True:
        world.exit(ExitKind.BUDGET, world.end, world.end)
