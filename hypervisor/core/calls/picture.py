"""The hypercall PICTURE: what a cell sees on a screen that it shares, part by part, to be kept with the run.

A cell cannot write files; and what the display shows is the driver domain's copy. Here the pixels are those of the cell's own
mapping, as its program read them. A cell may keep so many pictures, and what it sends is not in the trace but for a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core import effects as do
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

PIXEL = 2
SIDE_LIMIT = 1024
"""Pixels of a line, and lines."""
PICTURES_LIMIT = 64
"""Of a cell, in all its lives: each takes room in the run directory."""


def picture(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """PICTURE: parts come in order; the one at 0 begins anew."""
    width, height = record.a1 & 0xFFFF, record.a1 >> 16
    size = width * height * PIXEL
    if not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise Refused(Status.BAD_ARGUMENT, f"a picture has up to {SIDE_LIMIT} pixels each way, not {width} x {height}")
    if record.a2 == 0:
        cell.drawn.clear()
    if record.a2 != len(cell.drawn) or not 0 < len(record.data) <= size - record.a2:
        raise Refused(Status.BAD_ARGUMENT, "parts of a picture come one after another, and fill it")
    if cell.account.pictures >= PICTURES_LIMIT:
        raise Refused(Status.NO_ROOM, f"more than {PICTURES_LIMIT} pictures")
    cell.drawn += record.data
    if len(cell.drawn) == size:
        cell.account.pictures += 1
        monitor.emit(do.KeepPicture(cell.index, width, height, bytes(cell.drawn)))
        cell.drawn.clear()
    return Status.OK
