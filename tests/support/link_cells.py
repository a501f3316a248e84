"""Entries of cells for tests of the links: an echo, and liars, each in a process of its own behind the real cell-side link."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from cells.links import Link, ShmLink, ZmqLink, connect
from cells.lockstep import Lockstep
from cells.order import CellOrder
from hypervisor.abi import page
from hypervisor.abi.messages import pack
from hypervisor.abi.records import EXIT, ExitKind


def _world(order: CellOrder, fds: Mapping[str, int]) -> tuple[Link, Lockstep]:
    settings: Mapping[str, Any] = order.settings
    if "page" in fds:
        shm = ShmLink(fds["page"])
        shm.adopt()
        return shm, Lockstep(shm)
    link = ZmqLink(connect(**settings["address"]))
    return link, Lockstep(link)


def echo(order: CellOrder, fds: Mapping[str, int]) -> None:
    """Answers each resume at its end, with the events that it got as data."""
    _, world = _world(order, fds)
    world.exit(ExitKind.HELLO, 0)
    while True:
        data = b"".join(event.payload for event in world.due(world.end))
        world.exit(ExitKind.BUDGET, world.end, cycles=1, output=b"out", data=data)


def dies(order: CellOrder, fds: Mapping[str, int]) -> None:
    """Says hello, and dies when it is resumed."""
    _, world = _world(order, fds)
    world.exit(ExitKind.HELLO, 0)
    os.kill(os.getpid(), signal.SIGKILL)


def lies(order: CellOrder, fds: Mapping[str, int]) -> None:
    """Says hello, and then what the settings say."""
    link, world = _world(order, fds)
    world.exit(ExitKind.HELLO, 0)
    lie = order.settings["lie"]
    if isinstance(link, ZmqLink):
        link.send(lie if isinstance(lie, bytes) else pack(lie))
    else:
        assert isinstance(lie, list)
        EXIT.pack_into(link._page, page.EXIT_AT, *lie[:11], len(lie[11]), len(lie[12]))  # type: ignore[attr-defined]
        world_bell(link)
    signal.pause()


def world_bell(link: Any) -> None:
    """Ring without having been packed by the honest side."""
    from cells.engines.native._native import ffi, lib

    lib.doorbell_trap(link._doorbell, 0, link._seen, ffi.new("struct courtesy *"))
