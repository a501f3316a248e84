"""Two real cells that share pages by raw hypercalls (page_calls.py), for tests of what each sees and what deaths leave.

    run = run_two(live, giver, taker)
    said(run, "back")

Times are such that the front end acts at each whole millisecond and the back end in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cells.port import Port
from hypervisor.abi.memory import PAGE, WINDOW_BASE
from tests.support.live import Live
from tests.support.page_calls import MAP, SHARE

Guest = Callable[[Port], object]


def topology(**cells: Mapping[str, Any]) -> dict[str, Any]:
    """A device of Python guests."""
    tables = {name: {"guest": "python", **table} for name, table in cells.items()}
    return {"name": "test", "board": "arm926", "flavour": "okl4", "cells": tables}


def run_two(live: Live, front: Guest, back: Guest, time: str = "10ms", **options: Any) -> Any:
    """`front` is cell 0, `back` cell 1."""
    run = live(topology(front={}, back={}), guests={"front": front, "back": back}, **options)
    run.until(time)
    return run


def said(run: Any, cell: str) -> list[str]:
    """The lines of its console."""
    return run.console(cell).decode().splitlines()  # type: ignore[no-any-return]


def share_one_page(port: Port, writable: int = 1) -> tuple[memoryview, int]:
    """A page of its own that holds "front", mapped in cell 1 at the beginning of its window; the page and the segment."""
    port.sleep_until(port.cycles("500us"))  # the other guest runs already
    address = port.memory.allocate(1)
    page = port.memory.view(address, PAGE)
    page[:5] = b"front"
    segment = port.hypercall(SHARE, address, 1)
    assert port.hypercall(MAP, segment, 1, writable) == WINDOW_BASE
    return page, segment


def giver(port: Port) -> None:
    """Shares a page, and looks at it later."""
    page, _ = share_one_page(port)
    port.sleep_until(port.cycles("2ms"))
    port.print(bytes(page[:10]))


def taker(port: Port) -> None:
    """Reads it and writes behind that."""
    port.sleep_until(port.cycles("1ms"))
    page = port.memory.view(WINDOW_BASE, PAGE)
    port.print(bytes(page[:10]))
    page[5:10] = b"+back"


def lender(port: Port) -> None:
    """Lends a page for reading and looks at it for ever."""
    page, _ = share_one_page(port, writable=0)
    while True:
        port.sleep("1ms")
        port.print(bytes(page[:5]))
