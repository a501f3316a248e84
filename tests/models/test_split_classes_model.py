"""Terminals, networks and events behind rings while the back end is killed between any two lines of code."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.split.console.back import ConsoleBack
from cells.split.console.front import Console
from cells.split.input.back import InputBack
from cells.split.input.front import Input
from cells.split.input.protocol import Event, Kind
from cells.split.net.back import NetBack
from cells.split.net.front import NetDevice
from cells.split.net.protocol import SLOTS
from tests.support.links import World

LONG = {"max_examples": 60, "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
KILLS = st.lists(st.integers(1, 600), max_size=5)
MOMENT = 100_000
"""Cycles that a client waits for more."""


class Screen:
    """A terminal that outlives its driver."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.answered = 0
        self.typed = b""

    def write(self, data: bytes) -> None:
        number = int(data)
        assert number >= self.answered, f"{number} is shown again after it was answered"
        self.shown.append(number)

    def read(self) -> bytes:
        typed, self.typed = self.typed, b""
        return typed


@settings(**LONG)
@given(kills=KILLS, count=st.integers(1, 60), flush_each=st.integers(1, 20))
def test_what_was_written_to_a_terminal_is_shown_in_order_and_only_what_was_not_answered_twice(
    kills, count, flush_each
):
    world, screen = World("console"), Screen()
    world.start_back(lambda connections: ConsoleBack(connections, screen))
    console = Console(world.start_front(), "back")
    world.kills = list(kills)
    for number in range(count):
        console.write(b"%d\n" % number)
        if number % flush_each == 0:
            console.flush()
            screen.answered = number + 1
            assert number in screen.shown
    console.flush()
    assert sorted(set(screen.shown)) == list(range(count))
    assert screen.shown == sorted(screen.shown)
    assert len(screen.shown) - count <= world.deaths, "at most the one that was being shown"


@settings(**LONG)
@given(keys=st.lists(st.binary(min_size=1, max_size=200).filter(lambda keys: b"\x01" not in keys), max_size=8))
def test_what_is_typed_is_read_in_order(keys):
    world, screen = World("console"), Screen()
    world.start_back(lambda connections: ConsoleBack(connections, screen))
    console = Console(world.start_front(), "back")
    for typed in keys:
        screen.typed = typed
        read = b""
        while len(read) < len(typed):
            read += console.read()
        assert read == typed


def a_frame(to: bytes, sender: bytes, number: int) -> bytes:
    return to + sender + b"\x88\xb5" + number.to_bytes(4, "little") * 12


@settings(**LONG)
@given(kills=KILLS, count=st.integers(1, 80), take_each=st.integers(1, 40))
def test_a_frame_that_was_answered_is_with_its_receiver(kills, count, take_each):
    world = World("net", ("alice", "bob"))
    world.start_back(lambda connections: NetBack(connections, None))
    alice, bob = (NetDevice(world.start_front(name), "back") for name in ("alice", "bob"))
    to, sender = bob.mac, alice.mac
    world.kills = list(kills)
    got: list[int] = []
    for number in range(count):
        alice.send(a_frame(to, sender, number))
        if number % take_each == 0:
            got += taken(bob)
    alice.flush()
    got += taken(bob)
    assert alice.sent + alice.dropped == count
    assert len(set(got)) >= alice.sent, "one that was answered is lost"
    assert got == sorted(got)
    assert len(got) - len(set(got)) <= world.deaths, "at most the one that was being handed over comes twice"
    if not world.deaths:
        assert len(got) == alice.sent, "what was answered, and nothing else"
    if count <= SLOTS:
        assert world.deaths or set(got) == set(range(count)), "there was room for all"


def taken(net: NetDevice) -> list[int]:
    """Numbers of all frames that are there."""
    numbers = []
    while (frame := net.receive(until=0)) is not None:
        numbers.append(int.from_bytes(frame[14:18], "little"))
    return numbers


class Hand:
    """A touch screen on which something happens whenever somebody looks."""

    def __init__(self, count: int) -> None:
        self.left = [Event(number, Kind.MOVE, number, 0) for number in range(1, count + 1)]
        self.moves = False

    def events(self) -> list[Event]:
        if not self.moves:
            return []
        now, self.left = self.left[:3], self.left[3:]
        return now


@settings(**LONG)
@given(kills=KILLS, count=st.integers(1, 200), pause=st.integers(0, 60), burst=st.integers(0, 60))
def test_events_come_in_order_and_once_and_what_is_missing_was_lost_with_a_back_end_or_is_told(
    kills, count, pause, burst
):
    world, hand = World("input"), Hand(count)
    world.start_back(lambda connections: InputBack(connections, hand))
    touches = Input(world.start_front(), "back", world.clock)
    assert touches.next(until=world.clock.now + MOMENT) is None
    world.kills, hand.moves = list(kills), True
    got: list[Event] = []
    while hand.left or len(got) < count:
        if world.back is not None and len(got) >= pause:
            for _ in range(burst):  # the client does not look, and the back end goes on
                world.back is None or world.round()
        event = touches.next(until=world.clock.now + MOMENT)
        if event is None and not hand.left:
            break
        got += [event] if event is not None else []
    numbers = [event.x for event in got if event.kind == Kind.MOVE]
    told = sum(event.code for event in got if event.kind == Kind.LOST)
    assert numbers == sorted(set(numbers))
    if not world.deaths:
        assert len(numbers) + told == count
