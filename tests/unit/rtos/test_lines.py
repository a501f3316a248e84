"""Message channels and the console of a real-time cell: nothing is waited for, nothing is kept without a bound."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from cells.personalities.rtos.lines import LINE_LIMIT, ROOM, TRIES_PER_SECOND, Console, Line
from cells.port import RefusedError
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from tests.support.rtos import HZ, RtosBench


class Channel:
    """Takes messages while `refusal` is OK."""

    peer, there, meets = "other", True, False

    def __init__(self, *letters: bytes) -> None:
        self.letters, self.sent, self.refusal = deque(letters), [b""][:0], Status.OK

    @property
    def ready(self) -> bool:
        return bool(self.letters)

    def send(self, data: bytes, until: int) -> None:
        assert until == 0, "nobody waits"
        if self.refusal:
            raise RefusedError("send", self.refusal)
        self.sent.append(data)

    def try_receive(self) -> bytes | None:
        if self.refusal == Status.RIGHTS:
            raise RefusedError("receive", Status.RIGHTS)
        return self.letters.popleft()


def line_of(channel: Any) -> Line:
    return Line(RtosBench().kernel, channel)


def test_a_message_for_which_there_is_no_room_now_is_tried_again_in_its_order() -> None:
    channel = Channel()
    line = line_of(channel)
    channel.refusal = Status.TIMEOUT
    assert [line.post(bytes([number])) for number in range(ROOM + 2)] == [True] * ROOM + [False] * 2
    assert (line.lost, channel.sent) == (2, [])
    line.look(0)
    assert line.next_try() == HZ // TRIES_PER_SECOND
    channel.refusal = Status.OK
    line.look(HZ // TRIES_PER_SECOND - 1)
    assert channel.sent == [], "not before its time"
    line.look(HZ // TRIES_PER_SECOND)
    assert channel.sent == [bytes([number]) for number in range(ROOM)]
    assert line.next_try() == NEVER


@pytest.mark.parametrize("status", [Status.PEER_GONE, Status.TOO_LONG, Status.RIGHTS])
def test_a_message_that_nobody_will_ever_take_is_lost_at_once(status: Status) -> None:
    channel = Channel()
    line = line_of(channel)
    channel.refusal = status
    assert line.post(b"x")
    assert (line.lost, line.next_try()) == (1, NEVER)


def test_a_flood_stays_with_its_sender() -> None:
    channel = Channel(*[b"x"] * 1000)
    line = line_of(channel)
    for now in range(5):
        line.look(now)
    assert (len(line.queue.items), len(channel.letters)) == (ROOM, 1000 - ROOM)


def test_a_channel_on_which_the_cell_may_not_receive_is_silent() -> None:
    channel = Channel(b"x")
    line = line_of(channel)
    channel.refusal = Status.RIGHTS
    line.look(0)
    assert not line.queue.items


def test_typed_lines_are_cut_and_those_that_nobody_reads_are_lost() -> None:
    console = Console(RtosBench().kernel)
    console.typed(b"ring 1\r\n\nri")
    console.typed(b"ng 2\n" + b"x" * 1000 + b"\n")
    assert list(console.queue.items) == [b"ring 1", b"ring 2", b"x" * LINE_LIMIT]
    console.typed(b"more\n" * 1000)
    assert len(console.queue.items) == ROOM
