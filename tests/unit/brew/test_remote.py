"""What the user interface's cell asks for, and what it hears; messages that make no sense change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.personalities.brew.codes import Code
from cells.personalities.brew.remote import Remote
from cells.programs.phone.messages import WINDOW, Applet, Kind, Message
from tests.support.brew import BrewBench
from tests.unit.brew.test_interfaces import Partner

BOUNCE = int(Applet.BOUNCE)


class Phone:
    """A bench whose partner is the test."""

    def __init__(self) -> None:
        self.partner = Partner()
        self.bench = BrewBench()
        kernel = self.bench.kernel
        box: Any = self.partner
        kernel.port._mail = SimpleNamespace(boxes={}, look=lambda: None, wait=kernel.port._wait)  # type: ignore[assignment]
        kernel._connect = lambda: setattr(kernel, "remote", Remote(kernel.system, box))  # type: ignore[method-assign]
        self.time = 0.0

    def say(self, *messages: Message, seconds: float = 0.1) -> list[Message]:
        """Send them; what comes back within a time."""
        self.partner.coming += [message.pack() for message in messages]
        self.partner.sent.clear()
        self.time += seconds
        self.bench.run(self.time)
        return [Message.unpack(data) for data in self.partner.sent]


def test_an_earlier_lifes_end_is_told_at_the_start() -> None:
    assert Phone().say() == [Message(Kind.STOPPED)]


def test_a_start_is_answered_and_followed_by_frames() -> None:
    phone = Phone()
    heard = phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    assert heard[1] == Message(Kind.STARTED, BOUNCE, 1)
    frames = [message.a for message in heard if message.kind == Kind.FRAME]
    assert frames == sorted(set(frames))
    assert len(frames) >= 2


def test_an_applet_draws_into_its_rectangle_alone() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    buffer = phone.bench.system.screen.buffer
    assert not any(buffer.data[: WINDOW.y * buffer.pitch])
    assert not any(buffer.data[(WINDOW.y + WINDOW.height) * buffer.pitch :])
    inside = buffer.data[WINDOW.y * buffer.pitch : (WINDOW.y + WINDOW.height) * buffer.pitch]
    assert all(any(inside[at : at + 640]) for at in range(0, len(inside), 640))


def test_a_stop_is_told() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    assert Message(Kind.STOPPED, BOUNCE) in phone.say(Message(Kind.STOP, BOUNCE))
    assert phone.bench.system.applets == []


def test_a_stop_of_whichever_runs_stops_it() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    phone.say(Message(Kind.STOP, 0))
    assert phone.bench.system.applets == []


def test_a_class_that_is_not_there_does_not_start() -> None:
    assert Message(Kind.STARTED, 7, 0) in Phone().say(Message(Kind.START, 7, *WINDOW.words))


def test_a_hello_is_answered_with_what_runs() -> None:
    phone = Phone()
    assert phone.say(Message(Kind.HELLO))[1:] == [Message(Kind.STOPPED)]
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    assert Message(Kind.STARTED, BOUNCE, 1) in phone.say(Message(Kind.HELLO))


def test_touches_become_events_of_the_pointer() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    told: list[tuple[int, int, int]] = []
    phone.bench.system.send_front = lambda *event: told.append(event)  # type: ignore[method-assign,assignment]
    phone.say(*(Message(Kind.TOUCH, *touch) for touch in ((3, 5, 1), (4, 6, 1), (4, 6, 0))))
    assert told == [
        (Code.POINTER_DOWN, 0, 3 | 5 << 16),
        (Code.POINTER_MOVE, 0, 4 | 6 << 16),
        (Code.POINTER_UP, 0, 4 | 6 << 16),
    ]


def test_a_touch_without_an_applet_is_nobodys() -> None:
    assert Phone().say(Message(Kind.TOUCH, 3, 5, 1)) == [Message(Kind.STOPPED)]


def test_why_an_applet_was_closed_is_told() -> None:
    phone = Phone()
    rogue = 0x01CE0004
    phone.say(Message(Kind.START, rogue, *WINDOW.words))
    phone.bench.later(phone.bench.system.send, rogue, Code.KEY, ord("j"), 0)
    (stopped,) = [message for message in phone.say() if message.kind == Kind.STOPPED]
    assert (stopped.a, stopped.text[:14]) == (rogue, "svc of its own")


@pytest.mark.parametrize("rectangle", [(0, 0), (0, 320 | 241 << 16), (1, 320 | 240 << 16), (0xFFFF_FFFF, 0xFFFF_FFFF)])
def test_a_rectangle_outside_of_the_screen_starts_nothing(rectangle: tuple[int, int]) -> None:
    phone = Phone()
    assert phone.say(Message(Kind.START, BOUNCE, *rectangle)) == [Message(Kind.STOPPED)]
    assert phone.bench.system.applets == []


def test_frames_that_find_no_room_are_told_as_one_later() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    phone.partner.full, phone.partner.can_send = True, False
    phone.say(seconds=0.5)
    phone.partner.full, phone.partner.can_send = False, True
    frames = [message.a for message in phone.say(seconds=0.05) if message.kind == Kind.FRAME]
    assert frames[0] > 10


def test_a_partner_that_is_gone_hurts_nobody() -> None:
    phone = Phone()
    phone.say(Message(Kind.START, BOUNCE, *WINDOW.words))
    phone.partner.gone = True
    phone.say(seconds=0.5)
    assert phone.bench.system.active == BOUNCE


words = st.integers(0, 2**32 - 1) | st.sampled_from(
    [*map(int, Kind), *map(int, Applet), 0x01CE0004, 0, 1, *WINDOW.words]
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(words, words, words, words) | st.binary(max_size=80), max_size=40))
def test_whatever_comes_the_personality_goes_on(messages: list[Any]) -> None:
    phone = Phone()
    phone.partner.coming += [each if isinstance(each, bytes) else Message(*each).pack() for each in messages]
    phone.say()
    assert Message(Kind.STARTED, BOUNCE, 1) in phone.say(Message(Kind.START, BOUNCE, *WINDOW.words), seconds=0.3)
