"""STREAM: connections of a network's gateway to ports of the host (hypervisor/abi/streams.py).

Theory: the monitor knows which streams a life of the cell has open, so that what the host says of another one, or of one of an
earlier life, reaches nobody. What goes to the host is an effect; what comes is an input, and is fed from the record in a replay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.abi.streams import NEWS, ROOM, STREAMS_LIMIT, News, StreamCall
from hypervisor.core import effects as do
from hypervisor.core.cell import Cell
from hypervisor.core.errors import Refused

if TYPE_CHECKING:
    from hypervisor.core.events import StreamTold
    from hypervisor.core.monitor import Monitor

HANDLES = 1 << 32


def use(monitor: Monitor, cell: Cell, record: Exit) -> int:
    """STREAM: see `StreamCall`."""
    call, stream, number = record.a1, record.a2, record.a3
    if call not in set(StreamCall) or not 0 <= stream < HANDLES:
        raise Refused(Status.BAD_ARGUMENT, "no such thing is done with a stream")
    if call == StreamCall.OPEN:
        _open(cell, stream, number)
    elif call != StreamCall.WAIT and stream not in cell.streams:
        raise Refused(Status.BAD_ARGUMENT, "no such stream")
    if call == StreamCall.GIVE and not 0 < number <= ROOM:
        raise Refused(Status.BAD_ARGUMENT, f"room for 1 to {ROOM} bytes is given at once")
    if call == StreamCall.CLOSE:
        cell.streams.discard(stream)
    if cell.params.ports:
        monitor.emit(do.UseStream(cell.index, call, stream, number, record.data))
    return Status.OK


def _open(cell: Cell, stream: int, number: int) -> None:
    if not 0 <= number < cell.params.ports:
        raise Refused(Status.BAD_ARGUMENT, "the topology names no such port for this cell")
    if stream in cell.streams:
        raise Refused(Status.BAD_ARGUMENT, "that stream is open")
    if len(cell.streams) >= STREAMS_LIMIT:
        raise Refused(Status.NO_ROOM, f"{STREAMS_LIMIT} streams are open")
    cell.streams.add(stream)


def told(monitor: Monitor, event: StreamTold) -> None:
    """The host said something of a stream."""
    cell = monitor.cells[event.cell]
    if event.stream not in cell.streams:
        return
    if event.what == News.BROKEN:
        cell.streams.discard(event.stream)
    monitor.post(cell, EventKind.STREAM, NEWS.pack(event.stream, event.what) + event.data)
