"""An architecture of nothing but pages: guests share, map and revoke by bare hypercalls, with nobody in between.

    run = live(topology, guests=...)             # with the fixture `pages_only`: flavour okl4 then stands for this one

Cells are named by index, segments by number; nothing is checked beyond what `Memory` checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hypervisor.abi.records import Exit
from hypervisor.core.cell import Cell
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.flavours import FLAVOURS

SHARE, CREATE, MAP, UNMAP, REVOKE, DROP = range(900, 906)


class PageCalls(Mechanism):
    """Each call is one of `Memory`."""

    def calls(self) -> dict[int, Handler]:
        return {SHARE: _share, CREATE: _create, MAP: _map, UNMAP: _unmap, REVOKE: _revoke, DROP: _drop}

    def boot_info(self, cell: Cell) -> dict[str, Any]:
        return {"cell": cell.index}


def _share(monitor: Monitor, cell: Cell, record: Exit) -> int:
    return monitor.memory.share(cell, record.a1, record.a2, "test")


def _create(monitor: Monitor, cell: Cell, record: Exit) -> int:
    return monitor.memory.create("channel", record.a1, "test")


def _map(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """segment, index of the cell, writable."""
    pages = sum(backing.pages for backing in monitor.memory.backings()[record.a1])
    return monitor.memory.map(record.a1, 0, pages, monitor.cells[record.a2], writable=bool(record.a3))


def _unmap(monitor: Monitor, cell: Cell, record: Exit) -> int:
    monitor.memory.unmap(cell, record.a1, record.a2)
    return 0


def _revoke(monitor: Monitor, cell: Cell, record: Exit) -> int:
    return monitor.memory.revoke(record.a1)


def _drop(monitor: Monitor, cell: Cell, record: Exit) -> int:
    monitor.memory.drop(record.a1)
    return 0


@pytest.fixture
def pages_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The flavour okl4 is this one meanwhile."""
    monkeypatch.setitem(FLAVOURS, "okl4", replace(FLAVOURS["okl4"], mechanism="tests.support.page_calls:PageCalls"))
    yield
