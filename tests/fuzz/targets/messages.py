"""What comes over a socket or a shared page: msgpack, letters, records, the operator's requests, a cable, tickets, a browser."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from hypervisor.abi import page
from hypervisor.abi.messages import DEPTH_LIMIT, BadMessage, pack, unpack
from hypervisor.abi.post import announce, announced, fits, letter, opened
from hypervisor.abi.records import (
    DATA_LIMIT,
    EXIT,
    OUTPUT_LIMIT,
    BadRecord,
    Exit,
    Resume,
    checked_exit,
    exit_from_message,
)
from hypervisor.abi.ticket import Ticket
from hypervisor.abi.time import NEVER
from hypervisor.shell.cellhost import greeting
from hypervisor.shell.links import PeerDied
from hypervisor.shell.links.shm import ShmLink
from hypervisor.shell.loop_ports import HostTrouble
from hypervisor.shell.netlink import (
    BYTES_LIMIT,
    FRAME,
    FRAME_COST,
    FRAME_LIMIT,
    HELLO,
    MEET,
    VERSION,
    LinkError,
    NetLink,
)
from hypervisor.shell.operator import Operator
from hypervisor.shell.views import Views
from hypervisor.shell.web.http import HEAD, HttpError, read_request
from tests.fuzz.target import Draw, target
from tests.support.xen import XenLab

RESUME = Resume(seq=5, start=1000, end=2000, horizon=3000, value=0)
HONEST = Exit(5, 5, 1500, 40, NEVER, 3, 1, 2, 3, 30, 1, b"out", b"data")


def _depth(message: Any) -> int:
    inside = message.values() if isinstance(message, dict) else message if isinstance(message, list) else ()
    return 1 + max((_depth(item) for item in inside), default=-1) if isinstance(message, dict | list) else 0


@target(
    "messages", seeds=lambda: [pack(["a", 1, {"k": [b"x", None, -1, 0.5]}]), letter(7, b"hello"), pack(list(HONEST))]
)
def messages(data: bytes) -> None:
    """Anything as msgpack; as a letter; as an exit over ZeroMQ; as a cell's first word."""
    with suppress(BadMessage):
        assert _depth(unpack(data)) <= DEPTH_LIMIT
    with suppress(BadMessage):
        seq, content = opened(data)
        assert type(seq) is int or isinstance(seq, int)
        fits(announced(announce(content)), content)
    with suppress(BadMessage, BadRecord):
        _honest(checked_exit(exit_from_message(unpack(data)), RESUME))
    with suppress(HostTrouble):
        said = greeting(Exit(0, 0, 0, 0, 0, data=data))
        assert all(isinstance(layer, str) for layer in said.lacking)


def _honest(record: Exit) -> None:
    assert record.seq == RESUME.seq
    assert RESUME.start <= record.time
    assert len(record.output) <= OUTPUT_LIMIT
    assert len(record.data) <= DATA_LIMIT


@target("announcements", seeds=lambda: [announce(b"hello") + b"hello"], longest=64)
def announcements(data: bytes) -> None:
    """What the world switch says of a letter."""
    with suppress(BadMessage):
        said = announced(data[:8])
        assert said.length <= DATA_LIMIT
        fits(said, data[8:])


_link: list[ShmLink] = []


@target("page", seeds=lambda: [bytes(0x40) + EXIT.pack(*HONEST[:11], 3, 4) + b"outdata"], longest=page.PAGE_SIZE)
def shared_page(data: bytes) -> None:
    """A page that its other end has filled with anything: doorbell, exit record, payloads."""
    if not _link:
        _link.append(ShmLink(spin_us=0))
    link = _link[0]
    link.resume(RESUME)
    before = bytes(link._page[: page.RESUME_AT])
    seen = struct.unpack_from("<I", before, 0)[0]
    link._page[: page.RESUME_AT] = data[: page.RESUME_AT].ljust(page.RESUME_AT, b"\0")
    link._page[page.EXIT_AT :] = data[page.RESUME_AT :][: page.PAGE_SIZE - page.EXIT_AT].ljust(
        page.PAGE_SIZE - page.EXIT_AT, b"\0"
    )
    try:
        record = link.wait(1)
        if record is not None:
            _honest(record)
    except (BadRecord, PeerDied):
        pass
    finally:
        link._page[: page.RESUME_AT] = before
    assert seen >= 0


class _Socket:
    """Counts the answers."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []

    def send_multipart(self, frames: list[bytes], _flags: int = 0) -> None:
        self.sent.append(frames)


_VERBS = ("status", "console", "type", "touch", "displays", "pause", "unpause", "kill", "restart", "watch", "quit")


def _operator() -> tuple[Operator, _Socket]:
    lab, operator, socket = XenLab("a", "b"), object.__new__(Operator), _Socket()
    topology = SimpleNamespace(name="n", board=SimpleNamespace(name="b", clock_hz=1), flavour="xen")
    run: Any = SimpleNamespace(
        monitor=lab.monitor,
        topology=topology,
        hosts=[SimpleNamespace(process=None)] * 2,
        console=lambda _cell: b"said",
    )
    operator._run, operator._requests = run, socket
    operator._taken, operator._ordered, operator._offsets = [], [], {"console/a": 4, "console/b": 0}
    pictures: Any = SimpleNamespace(displays=lambda: [])
    operator._views = Views(lab.monitor, pictures, operator._answer)
    operator._verbs = {
        "status": operator._status,
        "console": operator._console,
        "type": operator._type,
        "touch": operator._touch,
        "displays": lambda _request: {"ok": True},
    }
    return operator, socket


_the_operator: list[tuple[Operator, _Socket]] = []


def _requests() -> list[bytes]:
    more = {"cell": "a", "data": b"ls\n", "display": "lcd0", "seen": 0, "device": "t", "x": 1, "y": 2, "down": 1}
    return [pack({"verb": verb, "id": 3, **more}) for verb in _VERBS]


@target("operator", seeds=_requests)
def operator_requests(data: bytes) -> None:
    """A request of the side door: one answer, or one order, whatever it is."""
    if not _the_operator:
        _the_operator.append(_operator())
    operator, socket = _the_operator[0]
    operator._taken, operator._ordered = [], []
    socket.sent = []
    operator._serve([b"route", data])
    assert len(socket.sent) + len(operator._ordered) + len(operator._views._watchers) >= 1
    assert len(operator._taken) <= 1
    operator._views._watchers.clear()


class _Line:
    """The other end of a cable, which says what an input says."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def send(self, message: bytes, *, wait: bool = True) -> None:
        assert unpack(message)

    def receive(self) -> bytes | None:
        if not self._draw.left:
            return None
        kind = self._draw.byte()
        near = (0, 999, 1000, 2000, 10_000)
        made = {
            0: lambda: pack([HELLO, VERSION, self._draw.number([1000])]),
            1: lambda: pack([FRAME, self._draw.number(near), self._draw.blob()]),
            2: lambda: pack([MEET, self._draw.number(near), bool(self._draw.byte() & 1)]),
        }.get(kind % 8)
        return made() if made else self._draw.blob(200)

    def close(self) -> None:
        """Nothing is held."""


def _talks() -> list[bytes]:
    hello, frame, meet = b"\0\0", b"\x01\x01\x05abcde", b"\x02\x04\0"
    return [hello + frame + meet, hello + meet + frame + frame + meet, b"\x03\x10" + b"\x91" * 16]


@target("cable", seeds=_talks)
def cable(data: bytes) -> None:
    """A board at the other end of a cable that says anything: the cable is pulled out, or its frames come in time's order."""
    arrived: list[int] = []
    monitor: Any = SimpleNamespace(
        now=0,
        rounds=SimpleNamespace(idle_until=lambda _besides: NEVER),
        note=lambda *_a, **_k: None,
        cells=["net"],
        bus=SimpleNamespace(kick=lambda: None, devices=[SimpleNamespace(name="nic0", owner=0)]),
    )

    def deliver(cycle: int, frame: bytes) -> None:
        assert len(frame) <= FRAME_LIMIT
        arrived.append(cycle)

    link = NetLink(monitor, "nic0", 1_000_000_000, 1000, _Line(Draw(data)), deliver)
    with suppress(LinkError):
        for _ in range(50):
            if link.deadline() >= NEVER:
                break
            assert link.deadline() >= monitor.now, "a frame from the past"
            monitor.now = link.deadline()
            link.advance()
    assert arrived == sorted(arrived)
    assert BYTES_LIMIT // FRAME_COST < 1 << 20


@target("tickets", seeds=lambda: [Ticket("a", "s", "p", "k").to_json().encode()], longest=512)
def tickets(data: bytes) -> None:
    """A ticket's file."""
    with suppress(ValueError):
        ticket = Ticket.from_json(data.decode("latin-1"))
        assert Ticket.from_json(ticket.to_json()) == ticket


@target(
    "http", seeds=lambda: [b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", b"GET / HTTP/1.0\r\n\r\n"]
)
def http(data: bytes) -> None:
    """What a browser, or something else, says to the page's server."""

    async def read() -> None:
        reader = asyncio.StreamReader(limit=HEAD)
        reader.feed_data(data)
        reader.feed_eof()
        with suppress(HttpError, OSError, asyncio.IncompleteReadError):
            while await read_request(reader) is not None:
                pass

    asyncio.run(read())
