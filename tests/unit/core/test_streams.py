"""The hypercall STREAM: a cell reaches only the ports that the topology names for it, and hears only of its own streams."""

from __future__ import annotations

import pytest

from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.streams import ROOM, STREAMS_LIMIT, News, StreamCall
from hypervisor.core import effects as do
from hypervisor.core.calls.streams import told, use
from hypervisor.core.cell import Cell, CellParams, Vcpu
from hypervisor.core.errors import Refused
from hypervisor.core.events import StreamTold


class Heard:
    """A monitor with one cell that keeps what is told to whom."""

    def __init__(self, ports: int = 2) -> None:
        self.cell = Cell(0, CellParams(name="a", ram=4096, cores=(0,), ports=ports), Vcpu(0, (0,)))
        self.cells = [self.cell]
        self.effects: list[do.UseStream] = []
        self.posted: list[bytes] = []

    def emit(self, effect: do.UseStream) -> None:
        self.effects.append(effect)

    def post(self, _cell: Cell, _kind: int, payload: bytes) -> None:
        self.posted.append(payload)

    def use(self, call: int, stream: int, number: int = 0, data: bytes = b"") -> int:
        record = Exit(0, ExitKind.HYPERCALL, 0, 0, 0, a1=call, a2=stream, a3=number, data=data)
        return use(self, self.cell, record)  # type: ignore[arg-type]

    def tell(self, stream: int, what: News, data: bytes = b"") -> None:
        told(self, StreamTold(0, stream, what, data))  # type: ignore[arg-type]


def test_a_stream_is_opened_used_and_closed() -> None:
    monitor = Heard()
    monitor.use(StreamCall.OPEN, 5, 1)
    monitor.use(StreamCall.SEND, 5, data=b"hello")
    monitor.use(StreamCall.GIVE, 5, 100)
    monitor.use(StreamCall.CLOSE, 5)
    assert [(effect.call, effect.number, effect.data) for effect in monitor.effects] == [
        (StreamCall.OPEN, 1, b""),
        (StreamCall.SEND, 0, b"hello"),
        (StreamCall.GIVE, 100, b""),
        (StreamCall.CLOSE, 0, b""),
    ]
    assert not monitor.cell.streams


@pytest.mark.parametrize(
    ("call", "stream", "number"),
    [
        (StreamCall.OPEN, 7, 2),
        (StreamCall.OPEN, 7, (1 << 64) - 1),
        (StreamCall.OPEN, 5, 0),
        (StreamCall.OPEN, 1 << 32, 0),
        (StreamCall.SEND, 7, 0),
        (StreamCall.GIVE, 5, 0),
        (StreamCall.GIVE, 5, ROOM + 1),
        (len(StreamCall), 5, 0),
        ((1 << 64) - 1, 5, 0),
    ],
)
def test_nonsense_and_what_is_not_its_own_is_refused_and_nothing_is_done(call: int, stream: int, number: int) -> None:
    monitor = Heard()
    monitor.use(StreamCall.OPEN, 5)
    with pytest.raises(Refused):
        monitor.use(call, stream, number)
    assert len(monitor.effects) == 1
    assert monitor.cell.streams == {5}


def test_there_is_a_bound_to_open_streams() -> None:
    monitor = Heard()
    for stream in range(STREAMS_LIMIT):
        monitor.use(StreamCall.OPEN, stream)
    with pytest.raises(Refused, match="16 streams are open"):
        monitor.use(StreamCall.OPEN, 99)


def test_a_cell_without_ports_opens_nothing_and_waits_for_nobody() -> None:
    monitor = Heard(ports=0)
    with pytest.raises(Refused):
        monitor.use(StreamCall.OPEN, 1)
    monitor.use(StreamCall.WAIT, 0)
    assert not monitor.effects


def test_news_of_a_stream_that_is_not_open_reach_nobody() -> None:
    monitor = Heard()
    monitor.use(StreamCall.OPEN, 5)
    monitor.tell(4, News.CAME, b"foreign")
    monitor.tell(5, News.CAME, b"own")
    monitor.tell(5, News.BROKEN)
    monitor.tell(5, News.CAME, b"late")
    assert monitor.posted == [b"\5\0\0\0\1own", b"\5\0\0\0\3"]
