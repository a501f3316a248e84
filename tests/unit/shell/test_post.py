"""Both ends of a posted link: what the record carries, what is collected, and what ends a cell."""

from __future__ import annotations

from typing import Any

import pytest

from cells.post import PostedLink as CellLink
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.messages import BadMessage, pack
from hypervisor.abi.post import DELIVERED, announce, letter
from hypervisor.abi.records import DATA_LIMIT, BadRecord, Event, EventKind, Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell.links import PeerDied
from hypervisor.shell.post import LOOKS_ASLEEP, ROUND_MS, UNANNOUNCED
from tests.support.post import FakeHub, call, posted_link


class Cell:
    """The cell's socket and world switch in one: keeps what it is given, answers with `resume`."""

    def __init__(self, resume: Resume, *letters: bytes) -> None:
        self.given: list[Any] = []
        self.posted: list[bytes] = []
        self._resume, self._letters = resume, list(letters)

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        self.given.append(record)
        return self._resume

    def post(self, message: bytes) -> None:
        self.posted.append(message)

    def letter(self) -> bytes:
        return self._letters.pop(0)


def exchange(cell: Any, record: Exit) -> Resume:
    return CellLink(cell, cell, [1]).exchange(tuple(record))


NOTHING = Resume(2, 0, 0, 0, 0)
HELLO = b"hello" * 20


# The cell's end.


def test_a_cell_sends_the_bytes_ahead_and_announces_them():
    cell = Cell(NOTHING)
    exchange(cell, call(1, data=HELLO))
    assert cell.posted == [letter(1, HELLO)]
    assert tuple(cell.given[0]) == tuple(call(1, data=announce(HELLO)))


@pytest.mark.parametrize(
    "record",
    [
        call(1),
        call(1, slot=2, data=HELLO),
        call(1, Hypercall.REPORT, data=HELLO),
        call(1, data=bytes(DATA_LIMIT + 1)),
        call(1, data=HELLO)._replace(kind=ExitKind.FAULT),
    ],
    ids=["no bytes", "another slot", "another call", "too long", "no call"],
)
def test_everything_else_stays_in_the_record(record: Exit):
    cell = Cell(NOTHING)
    exchange(cell, record)
    assert (cell.posted, [tuple(given) for given in cell.given]) == ([], [tuple(record)])


def test_a_cell_finds_the_answer_in_its_place():
    bell = Event(4, EventKind.NOTIFY, bytes(12))
    resume = NOTHING._replace(events=(Event(3, DELIVERED, announce(HELLO)), bell))
    assert exchange(Cell(resume, letter(2, HELLO)), call(1)).events == (Event(3, EventKind.ANSWER, HELLO), bell)


@pytest.mark.parametrize("came", [letter(1, HELLO), letter(2, HELLO[::-1]), pack(7)])
def test_a_cell_does_not_go_on_with_another_answer(came: bytes):
    resume = NOTHING._replace(events=(Event(3, DELIVERED, announce(HELLO)),))
    with pytest.raises((ConnectionError, BadMessage)):
        exchange(Cell(resume, came), call(1))


# The monitor's end.


@pytest.mark.parametrize("early", [0, 1])
def test_the_monitor_sees_the_bytes_in_their_place(monkeypatch: pytest.MonkeyPatch, early: int):
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(1, data=announce(HELLO))])
    hub.sent.append(letter(1, HELLO))
    hub.arrive(early)
    assert link.wait(0) == call(1, data=HELLO)


def test_letters_that_nobody_announced_are_thrown_away(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(5, data=announce(HELLO))])
    hub.sent.extend([letter(n, b"junk") for n in (9, 4, 6)] + [letter(5, HELLO)])
    assert link.wait(0) == call(5, data=HELLO)
    assert not hub.mail("cell")


CRIMES: dict[str, tuple[bytes, list[bytes], str]] = {
    "nothing is sent": (announce(HELLO), [], "announced a message and did not send it"),
    "an old one is sent": (announce(HELLO), [letter(4, HELLO)], "announced a message and did not send it"),
    "nothing is announced": (HELLO, [letter(5, HELLO)], "not announced"),
    "it is damaged": (announce(HELLO), [letter(5, HELLO[::-1])], "wrong checksum"),
    "it is shorter": (announce(HELLO), [letter(5, HELLO[1:])], "announced a message of 100 bytes and sent 99"),
    "it is too long": (announce(bytes(1025)), [letter(5, bytes(1025))], "announced a message of 1025 bytes"),
    "it is too deep": (announce(HELLO), [pack([[[[[[[[[5]]]]]]]]])], "nested deeper than 8"),
    "it is no letter": (announce(HELLO), [pack({"seq": 5})], "no letter"),
    "it is a flood": (announce(HELLO), [letter(9, b"")] * UNANNOUNCED + [letter(5, HELLO)], "without announcing"),
}


@pytest.mark.parametrize("early", [0, 100], ids=["late", "early"])
@pytest.mark.parametrize("crime", CRIMES)
def test_what_ends_a_cell(monkeypatch: pytest.MonkeyPatch, crime: str, early: int):
    said, sent, why = CRIMES[crime]
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(5, data=said)])
    hub.sent.extend(sent)
    hub.arrive(early)
    with pytest.raises(BadRecord, match=why):
        link.wait(0)


@pytest.mark.parametrize(("asleep", "looks"), [(True, LOOKS_ASLEEP), (False, 50)])
def test_a_letter_is_waited_for_only_as_long_as_somebody_may_be_sending_it(
    monkeypatch: pytest.MonkeyPatch, asleep: bool, looks: int
):
    """A second of patience is 50 looks; a cell all of whose threads sleep gets half as many."""
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(5, data=announce(HELLO))], asleep=lambda: asleep)
    with pytest.raises(BadRecord, match="did not send it"):
        link.wait(0)
    assert looks <= hub.now // (ROUND_MS * 1_000_000) <= looks + 2


def test_one_that_wakes_up_again_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    looks = iter(range(1000))

    def asleep() -> bool:
        if next(looks) == 30:
            hub.sent.append(letter(5, HELLO))
        return next(looks) % 20 != 0

    link, _ = posted_link(monkeypatch, hub, [call(5, data=announce(HELLO))], asleep=asleep)
    assert link.wait(0) == call(5, data=HELLO)


def test_one_that_dies_between_announcement_and_letter_is_dead(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(5, data=announce(HELLO))])
    hub.gone = True
    with pytest.raises(PeerDied):
        link.wait(0)


def test_one_that_died_after_both_has_said_it(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(5, data=announce(HELLO))])
    hub.sent.append(letter(5, HELLO))
    hub.arrive(1)
    hub.gone = True
    assert link.wait(0) == call(5, data=HELLO)


ANSWER = Event(3, EventKind.ANSWER, HELLO)


@pytest.mark.parametrize(
    ("asked", "by_post"),
    [
        (call(1, Hypercall.CHANNEL_RECEIVE), True),
        (call(1, Hypercall.CHANNEL_RECEIVE, slot=2), False),
        (call(1, Hypercall.CAP_IDENTIFY), False),
        (Exit(1, ExitKind.WAIT, 0, 0, NEVER, Hypercall.CHANNEL_RECEIVE, 1), False),
    ],
    ids=["its channel", "another channel", "another call", "no call"],
)
def test_an_answer_goes_ahead_of_the_resume(monkeypatch: pytest.MonkeyPatch, asked: Exit, by_post: bool):
    hub = FakeHub()
    link, switch = posted_link(monkeypatch, hub, [asked])
    assert link.wait(0) == asked
    resume = Resume(2, 0, 0, 0, 5, (ANSWER, Event(4, EventKind.NOTIFY, bytes(12))))
    link.resume(resume)
    assert hub.posted == ([letter(2, HELLO)] if by_post else [])
    event = Event(3, DELIVERED, announce(HELLO)) if by_post else ANSWER
    assert switch.resumes == [resume._replace(events=(event, resume.events[1]))]


def test_one_that_reads_no_letters_is_ended_and_the_monitor_does_not_wait(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    link, _ = posted_link(monkeypatch, hub, [call(1, Hypercall.CHANNEL_RECEIVE), call(2)])
    link.wait(0)
    hub.deaf = True
    link.resume(Resume(2, 0, 0, 0, 5, (ANSWER,)))
    with pytest.raises(BadRecord, match="does not read"):
        link.wait(0)


def test_closing_gives_back_both(monkeypatch: pytest.MonkeyPatch):
    hub = FakeHub()
    link, switch = posted_link(monkeypatch, hub, [])
    link.close()
    assert (switch.closed, hub.gone) == (True, True)
