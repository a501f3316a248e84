"""The hypercall FILES: a cell looks at a directory of the host that it was given a view of.

The words are checked here, whoever sends them; the bytes come from whom the shell has put at `Monitor.served`
(hypervisor/shell/served.py). Nothing is kept between two calls: there is nothing to open, so nothing can be left open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hypervisor.abi.records import Exit
from hypervisor.abi.served import ANSWER_LIMIT, Look, is_path
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell
from hypervisor.core.errors import InvariantBroken, Refused

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

PLACE_LIMIT = 1 << 48
"""No place in a file or list is that far."""


class Served(Protocol):
    """Who reads the host's files for cells: the shell, or a test's stand-in."""

    def look(self, cell: int, view: int, operation: Look, path: bytes, place: int) -> tuple[int, bytes]:
        """The result and the answer, as abi/served.py says.

        Raises:
            Refused: NOT_YOURS, the cell has no such view; RIGHTS, this is not shown; WRONG_STATE, it has changed; NO_ROOM.
        """
        ...


def look(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """FILES: one look."""
    operation, view = record.a1 & 0xFF, record.a1 >> 8
    if operation not in list(Look) or record.a2 >= PLACE_LIMIT or not is_path(record.data):
        raise Refused(Status.BAD_ARGUMENT, "no operation, place or path of a look at files")
    if monitor.served is None:
        raise Refused(Status.NOT_YOURS, "no cell has a view of a directory")
    value, answer = monitor.served.look(cell.index, view, Look(operation), record.data, record.a2)
    if len(answer) > ANSWER_LIMIT:
        raise InvariantBroken(f"{len(answer)} bytes were served at once")
    if answer:
        monitor.reply(cell, answer)
    return value
