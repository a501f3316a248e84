"""A cable's end on this board: meetings over a scripted line, and what a board at the other end cannot do."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from hypervisor.abi.messages import pack, unpack
from hypervisor.abi.time import NEVER
from hypervisor.shell.files import RunDirError
from hypervisor.shell.netlink import (
    BYTES_LIMIT,
    FRAME,
    FRAME_LIMIT,
    HELLO,
    MEET,
    VERSION,
    LinkError,
    NetLink,
    RecordedLine,
    ZmqLine,
)
from tests.support import raw_talk
from tests.support.live import until
from tests.support.raw_talk import Strangers

GREETING_BYTES = raw_talk.GREETING[:30]
NS = 1_000_000_000
LATENCY = 1_000
GREETING = [HELLO, VERSION, LATENCY]


class Script:
    """A line on which the other end says what was written for it."""

    def __init__(self, *messages: Any) -> None:
        self.said: list[Any] = []
        self.closed = 0
        self._messages = [message if isinstance(message, bytes) else pack(message) for message in messages]

    def send(self, message: bytes, *, wait: bool = True) -> None:
        self.said.append(unpack(message))

    def receive(self) -> bytes | None:
        return self._messages.pop(0) if self._messages else None

    def close(self) -> None:
        self.closed += 1


class Board:
    """As much of a monitor as a link needs: a clock, a bus with its own device on it, and an idle cell."""

    def __init__(self, line: Script, record: io.BytesIO | None = None) -> None:
        self.now = 0
        self.idle = NEVER
        self.notes: list[str] = []
        self.arrived: list[tuple[int, bytes]] = []
        self.cells = ["netdom"]
        self.rounds = SimpleNamespace(idle_until=lambda _besides: self.idle)
        self.bus = SimpleNamespace(kick=lambda: None, devices=[SimpleNamespace(name="nic0", owner=0)])
        deliver: Callable[[int, bytes], None] = lambda cycle, frame: self.arrived.append((cycle, frame))  # noqa: E731
        self.link = NetLink(self, "nic0", NS, LATENCY, line, deliver, record)  # type: ignore[arg-type]

    def note(self, _kind: str, _cell: str, *, device: str, why: str) -> None:
        self.notes.append(why)

    def go(self, to: int) -> None:
        """Run to a time, from deadline to deadline."""
        while self.link.deadline() <= to:
            self.now = max(self.now, self.link.deadline())
            self.link.advance()
        self.now = to


def test_at_a_meeting_both_say_what_has_left_and_it_arrives_a_latency_later() -> None:
    line = Script(GREETING, [FRAME, 700, b"hello"], [MEET, 900, False], [MEET, NEVER, True])
    board = Board(line)
    board.link.send(400, b"from here")
    board.go(999)
    assert (line.said, board.arrived) == ([], [])
    board.go(1_000)
    assert line.said == [GREETING, [FRAME, 400, b"from here"], [MEET, NEVER, False]]
    board.go(1_699)
    assert board.arrived == []
    board.go(5_000)
    assert board.arrived == [(1_700, b"hello")]
    assert board.link.deadline() == NEVER


def test_what_this_board_says_last_is_heard_once() -> None:
    line = Script()
    board = Board(line)
    board.link.send(400, b"bye")
    board.link.close()
    board.link.close()
    assert line.said == [GREETING, [FRAME, 400, b"bye"], [MEET, NEVER, True]]
    board.link.send(500, b"to nobody")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xc1",
        b"",
        ["frame"],
        ["frame", -1, b"x"],
        ["frame", NEVER, b"x"],
        ["frame", 1.5, b"x"],
        ["frame", 1, "text"],
        ["meet", -1, False],
        ["meet", NEVER + 1, False],
        ["meet", 1, 0],
        ["meet", None, False],
        {"meet": 1},
        [[[[[[[[[1]]]]]]]]],
    ],
)
def test_nonsense_pulls_the_cable_and_the_board_goes_on(nonsense: Any) -> None:
    board = Board(Script(GREETING, nonsense))
    board.go(100_000)
    assert board.notes == ["the other board talks nonsense"]
    assert board.link.deadline() == NEVER


def test_a_flood_pulls_the_cable() -> None:
    count = BYTES_LIMIT // FRAME_LIMIT + 1
    board = Board(Script(GREETING, *[[FRAME, 1, bytes(FRAME_LIMIT)]] * count))
    board.go(10_000)
    assert board.notes == ["the other board talks nonsense"]
    assert board.arrived == []


def test_a_frame_from_the_past_or_the_far_future_does_no_harm() -> None:
    line = Script(GREETING, [FRAME, 0, b"old"], [FRAME, NEVER - 1, b"late"], [MEET, NEVER, True])
    board = Board(line)
    board.go(10 * NS)
    assert board.arrived == [(1_000, b"old"), (NS + 2_000, b"late")]


def test_a_neighbour_that_is_gone_is_noted_once() -> None:
    board = Board(Script(GREETING, [FRAME, 1, b"half a bulletin"]))
    board.go(10_000)
    assert board.notes == ["the other board is gone"]
    assert board.link.deadline() == NEVER


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        ([HELLO, VERSION, 2_000], "here it takes 1000 ns, there 2000 ns"),
        ([HELLO, VERSION + 1, LATENCY], "no board of this version"),
        (["GET / HTTP/1.1"], "no board of this version"),
    ],
)
def test_another_kind_of_partner_is_refused_with_the_reason(greeting: list[Any], why: str) -> None:
    with pytest.raises(LinkError, match=why):
        Board(Script(greeting)).go(1_000)


def test_what_the_other_board_told_can_be_told_again(tmp_path: Path) -> None:
    words = (GREETING, [FRAME, 700, b"hello"], [MEET, 900, False], [MEET, NEVER, True])
    record = io.BytesIO()
    first = Board(Script(*words), record)
    first.go(10_000)
    (tmp_path / "nic0.link").write_bytes(record.getvalue())
    again = Board(RecordedLine(tmp_path / "nic0.link"))  # type: ignore[arg-type]
    again.go(10_000)
    assert again.arrived == first.arrived == [(1_700, b"hello")]
    with pytest.raises(RunDirError):
        RecordedLine(tmp_path / "nothing")


def test_a_line_carries_messages_both_ways_and_ends_after_the_last_word() -> None:
    here = ZmqLine("tcp://127.0.0.1:*", lambda: False)
    there = ZmqLine(here.endpoint, lambda: False, here.key)
    try:
        here.send(b"1")
        assert there.receive() == b"1"
        there.send(b"2")
        there.send(b"3")
        there.close()
        assert [here.receive(), here.receive(), here.receive()] == [b"2", b"3", None]
        here.send(b"4", wait=False)
    finally:
        here.close()
        there.close()


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\n\r\n", GREETING_BYTES])
def test_a_stranger_who_comes_and_goes_does_not_pull_the_cable(says: bytes) -> None:
    here = ZmqLine("tcp://127.0.0.1:*", lambda: False)
    there = ZmqLine(here.endpoint, lambda: False, here.key)
    try:
        here.send(b"1")
        assert there.receive() == b"1"
        there.send(b"2")
        assert here.receive() == b"2"
        with Strangers(here.endpoint) as strangers:
            assert strangers.come(3, says) == 3
        assert until(lambda: bool(here._events.poll(0)))
        later = threading.Timer(0.2, lambda: there.send(b"3"))
        later.start()
        assert here.receive() == b"3"
        later.join()
        there.close()
        assert here.receive() is None
    finally:
        here.close()
        there.close()


@pytest.mark.parametrize("key", [None, "another's"])
def test_whoever_has_not_the_key_is_not_heard_and_whoever_has_is(key: str | None) -> None:
    here = ZmqLine("tcp://127.0.0.1:*", lambda: False)
    with zmq.Context() as context, context.socket(zmq.PAIR) as stranger:
        stranger.setsockopt(zmq.LINGER, 0)
        if key is not None:
            stranger.curve_publickey, stranger.curve_secretkey = zmq.curve_keypair()
            stranger.curve_serverkey = zmq.curve_keypair()[0]
        events = stranger.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        stranger.connect(here.endpoint)
        with suppress(zmq.Again):
            stranger.send(b"I am the other board", zmq.DONTWAIT)
        assert recv_monitor_message(events)["event"] == zmq.EVENT_DISCONNECTED
        there = ZmqLine(here.endpoint, lambda: False, here.key)
        try:
            there.send(b"so am I")
            assert here.receive() == b"so am I"
        finally:
            stranger.disable_monitor()
            events.close(0)
            there.close()
            here.close()


def test_a_line_stops_waiting_when_it_is_told_to() -> None:
    line = ZmqLine("tcp://127.0.0.1:*", lambda: True)
    assert line.receive() is None
    line.send(b"to nobody")
    line.close()
