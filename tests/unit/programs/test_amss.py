"""The baseband: calls from the first page to the last frame, what is said to the user interface, and hostile partners."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest

from cells.personalities.rtos.lines import ROOM, Line
from cells.personalities.rtos.task import Work
from cells.port import RefusedError
from cells.programs.amss.call import TABLE, Call, Do, State, What
from cells.programs.amss.network import content, frame
from cells.programs.keystore import Keystore
from cells.programs.phone.messages import End, Kind, Message
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.status import Status
from tests.support.rtos import HZ, RtosCell, Steps

KEY = bytes.fromhex("7c7aad3c7b05ffcca79fe53cb50b17f8d7b8ca601216f13018c462e05999a46e")
MS = HZ // 1000


class Channel:
    """A message channel whose other end is a function: what it answers comes back at once."""

    meets, there, name = False, True, "a channel"

    def __init__(self, peer: str, answers: Callable[[bytes], list[bytes]]) -> None:
        self.peer, self._answers = peer, answers
        self.sent: list[bytes] = []
        self.waiting: deque[bytes] = deque()

    @property
    def ready(self) -> bool:
        return bool(self.waiting)

    def send(self, data: bytes, until: int = 0) -> None:
        self.sent.append(data)
        self.waiting += self._answers(data)

    def receive(self, until: int = 0) -> bytes:
        raise AssertionError("nobody waits in a channel")

    def try_send(self, data: bytes) -> bool:
        raise AssertionError("not used")

    def try_receive(self) -> bytes | None:
        return self.waiting.popleft() if self.waiting else None


class Phone:
    """A baseband with a keystore and a user interface that answers after some messages."""

    def __init__(
        self,
        *args: str,
        key: bytes = KEY,
        answers: Callable[[Message], list[Message]] = lambda message: [],
        typed: tuple[tuple[int, bytes], ...] = (),
        end: int = 3 * HZ,
    ) -> None:
        self.cell = RtosCell({}, run=["cells.programs.amss:main"], args=args, typed=typed, end=end)
        kernel, store = self.cell.kernel, Keystore(key, HZ)
        self.linux = Channel("linux", lambda data: [each.pack() for each in answers(Message.unpack(data))])
        self.keystore = Channel("keystore", lambda data: [store.serve(data, kernel.now())[0]])
        for channel in (self.linux, self.keystore):
            kernel.lines[channel.peer] = Line(kernel, channel)

    def run(self) -> list[tuple[Kind, int, int, int, str]]:
        """What the user interface was told, without the level of the signal and that there was no call at the start."""
        self.cell.run()
        told = [Message.unpack(data) for data in self.linux.sent]
        return [(Kind(m.kind), m.a, m.b, m.c, m.text) for m in told[2:] if m.kind != Kind.SIGNAL]

    def timing(self, name: str) -> tuple[int, int]:
        task = next(task for task in self.cell.kernel.tasks.values() if task.name == name)
        return task.timing.jobs, task.timing.misses


def picks_up(message: Message) -> list[Message]:
    return [Message(Kind.ANSWER)] if message.kind == Kind.RINGING else []


def test_a_call_comes_in_rings_is_answered_and_loses_no_frame() -> None:
    phone = Phone("call=100ms:+49891:1500ms", answers=picks_up)
    ringing, connected, ended = phone.run()
    assert ringing == (Kind.RINGING, 0, 0, 0, "+49891")
    assert connected == (Kind.CONNECTED, 0, 0, 0, "+49891")
    kind, cause, sent, lost, number = ended
    assert (kind, cause, lost, number) == (Kind.ENDED, End.THERE, 0, "+49891")
    assert sent == pytest.approx((1600 - 472) / 20, abs=3)
    assert phone.timing("voice") == (sent, 0)


def test_pages_are_read_in_the_slot_and_always_in_time() -> None:
    phone = Phone()
    phone.run()
    assert phone.timing("pager") == (7, 0)


def test_a_number_that_is_dialled_is_answered_after_a_while() -> None:
    phone = Phone()
    phone.linux.waiting.append(Message(Kind.DIAL, text="+123").pack())
    assert phone.run() == [(Kind.CONNECTED, 0, 0, 0, "+123")]
    assert phone.timing("voice")[0] > 100


def test_a_busy_number_and_a_second_call_are_told() -> None:
    phone = Phone()
    phone.linux.waiting += [Message(Kind.DIAL, text=text).pack() for text in ("0123", "+5", "+6")]
    told = phone.run()
    assert [entry[:2] for entry in told] == [(Kind.ENDED, End.BUSY), (Kind.ENDED, End.BUSY), (Kind.CONNECTED, 0)]


def test_with_another_key_no_call_goes_anywhere() -> None:
    phone = Phone("call=100ms:+49891", key=bytes(32), answers=picks_up)
    assert phone.run() == [(Kind.ENDED, End.REFUSED, 0, 0, "+49891")]


@pytest.mark.parametrize("reply", [[], [b""], [b"x" * 40], [bytes(40)]])
def test_a_keystore_that_is_silent_or_mad_refuses_the_call_and_costs_no_deadline(reply: list[bytes]) -> None:
    phone = Phone("call=100ms:+49891", answers=picks_up)
    phone.keystore._answers = lambda data: list(reply)
    assert phone.run() == [(Kind.ENDED, End.REFUSED, 0, 0, "+49891")]
    assert phone.timing("pager") == (7, 0)


def test_whoever_types_at_the_network_calls_and_hangs_up() -> None:
    phone = Phone(typed=((50 * MS, b"ring +77\n"), (900 * MS, b"drop\nnonsense\n")))
    assert [entry[:2] for entry in phone.run()] == [(Kind.RINGING, 0), (Kind.ENDED, End.MISSED)]
    assert "? nonsense" in phone.cell.output


def test_a_user_interface_that_starts_again_is_told_how_things_are() -> None:
    phone = Phone("call=100ms:+49891", answers=picks_up)
    asked = []

    def hello() -> None:
        asked.append(phone.cell.guest.port.time)
        phone.linux.waiting.append(Message(Kind.HELLO).pack())

    phone.cell.kernel.timer("hello", hello).start(2 * HZ)
    kind, since, *_, number = phone.run()[-1]
    assert (kind, number) == (Kind.CONNECTED, "+49891")
    assert since == pytest.approx(2000 - 472, abs=10)


def test_the_least_urgent_task_says_that_the_cell_is_alive() -> None:
    phone = Phone()
    phone.run()
    beats = [number for number, *_ in phone.cell.world.calls].count(Hypercall.HEARTBEAT)
    assert beats == 6


def test_a_flood_of_messages_loses_no_frame_and_no_deadline() -> None:
    noise = random.Random(1)
    phone = Phone("call=100ms:+49891:1500ms", answers=picks_up)

    def flood() -> None:
        while len(phone.linux.waiting) < 1000:
            phone.linux.waiting.append(noise.randbytes(noise.choice((0, 1, 63, 64, 64, 64, 65))))

    timer = phone.cell.kernel.timer("flood", flood)
    timer.start("700ms", period="1ms")
    phone.cell.kernel.task("hog", hog(), priority=60)
    phone.cell.run()
    told = [Message.unpack(data) for data in phone.linux.sent]
    [ended] = [message for message in told if message.kind == Kind.ENDED and message.b]
    assert (ended.c, phone.timing("voice")[1], phone.timing("pager")[1]) == (0, 0, 0)
    assert len(phone.cell.kernel.lines["linux"].queue.items) <= ROOM


def hog() -> Steps:
    yield Work(10 * HZ)


def test_a_voice_task_that_is_kept_from_running_loses_frames_and_it_is_counted() -> None:
    phone = Phone("call=100ms:+49891:1500ms", answers=picks_up)
    phone.cell.kernel.task("greedy", greedy(phone), priority=255)
    _, _, (_, _, sent, lost, _) = phone.run()
    assert 0 < lost < sent
    assert phone.timing("voice")[1] > 0


def greedy(phone: Phone) -> Steps:
    yield phone.cell.kernel.sleep_until(HZ)
    yield Work(100 * MS)


def test_a_dead_user_interface_costs_nothing() -> None:
    phone = Phone("call=100ms:+49891:1500ms", answers=picks_up)

    def dies() -> None:
        def gone(data: bytes, until: int = 0) -> None:
            raise RefusedError("send", Status.PEER_GONE)

        phone.linux.send = gone  # type: ignore[method-assign]

    phone.cell.kernel.timer("dies", dies).start(HZ)
    phone.run()
    assert phone.cell.kernel.lines["linux"].lost > 0
    assert phone.timing("voice")[1] == 0
    assert "0 lost" in phone.cell.output


@pytest.mark.parametrize("text", ["", "call", "call=1s", "call=1s:", "ring=1s:5", "call=1s:5:1s:1s"])
def test_an_argument_that_means_nothing_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="no argument"):
        Phone(text).run()


# The table of a call, and frames.


def test_every_state_but_idle_can_be_left_by_hanging_up_or_dropping() -> None:
    for state in set(State) - {State.IDLE}:
        assert any((state, what) in TABLE for what in (What.HANGUP, What.DROPPED))


def test_nothing_connects_a_call_that_was_not_believed() -> None:
    for (state, _), (_, do, _) in TABLE.items():
        if do is Do.CONNECT:
            assert state in (State.DIALLING, State.RINGING)
        if do in (Do.SET_UP, Do.RING):
            assert state in (State.CHECKING_OUT, State.CHECKING_IN)


def test_an_event_that_means_nothing_changes_nothing() -> None:
    call = Call()
    for what in set(What) - {What.DIAL, What.PAGED}:
        assert call.happens(what) is None
    assert call.state is State.IDLE


def test_a_frame_with_one_wrong_bit_is_spoilt() -> None:
    good = frame(5, bytes(range(31)))
    assert content(good) == (5, bytes(range(31)))
    for bit in range(0, len(good) * 8, 7):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert content(bytes(bad)) is None
    assert content(good[:-1]) is None
