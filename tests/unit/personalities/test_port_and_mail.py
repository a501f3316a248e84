"""The way out of a personality: its time is its CPU's, and nothing that it sends or hears makes it wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from cells.flavours import Connections
from cells.personalities import mail
from cells.personalities.arm.spec import ArmSpec
from cells.personalities.mail import ROOM
from cells.personalities.port import PersonalityPort, reserved
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import OUTPUT_LIMIT, Event, EventKind, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

HZ = 1_000_000
FACTS = {"ram_base": 0, "ram_size": 1 << 20, "unicorn_model": "926", "architecture": "v5te", "layout": 0, "cycles": {}}


class World:
    """A lockstep that grants slices of `slice_` cycles, and lets `delay` pass for others at each exit."""

    def __init__(self, slice_: int = 1000, delay: int = 0) -> None:
        self.start, self.slice, self.delay, self.horizon = 0, slice_, delay, 0
        self.end = slice_
        self.faults: list[bytes] = []
        self.exits: list[tuple[int, int, int]] = []
        self.output = b""
        self.calls: list[tuple[int, ...]] = []
        self.data: list[bytes] = []
        self.events: list[Event] = []
        self.answer = b""

    def exit(
        self, kind: int, time: int, cycles: int, deadline: int, arguments: tuple[int, ...], counts: tuple[int, int],
        output: bytes, data: bytes,
    ) -> int:  # fmt: skip
        self.exits.append((kind, time, cycles))
        self.output += output
        self.data.append(data)
        if kind == ExitKind.HYPERCALL:
            self.calls.append(arguments)
        self.start = time + self.delay
        if kind == ExitKind.WAIT:
            self.start = min(deadline, self.next_event())
        self.end = max(self.end, self.start + self.slice)
        return 0

    def due(self, now: int) -> list[Event]:
        due = [event for event in self.events if event.time <= now]
        del self.events[: len(due)]
        return due

    def next_event(self) -> int:
        return self.events[0].time if self.events else NEVER


def port_in(world: Any, name: str = "cell", **facts: Any) -> PersonalityPort:
    vcpu = SimpleNamespace(cycles=0, offset=0, limit=0, insns=0)
    spec = ArmSpec(name=name, hz=HZ, code_buffer=0, **{**FACTS, **facts})
    port = PersonalityPort(vcpu, spec, account=lambda: b"account")
    port.begin(world)
    return port


def test_what_arm_code_runs_what_is_charged_and_what_calls_take_is_one_time() -> None:
    world = World(slice_=10_000, delay=7)
    port = port_in(world)
    port._vcpu.cycles += 300  # ARM code ran
    port.work(200)
    assert port.time == 500
    port.report("figure", 3)
    assert world.calls == [(Hypercall.REPORT, 0, 3, 0)]
    assert port.time == port._vcpu.cycles + 7, "others ran for seven cycles, which are not this cell's own"


def test_work_stops_at_the_end_of_the_slice_and_arm_code_looks_again() -> None:
    world = World(slice_=1000)
    port = port_in(world)
    port._vcpu.limit = 5000
    port.work(2500)
    assert world.exits == [(ExitKind.BUDGET, 1000, 1000), (ExitKind.BUDGET, 2000, 2000)]
    assert (port.time, port._vcpu.limit) == (2500, 0)
    with pytest.raises(ValueError, match="cannot work"):
        port.work(-1)


def test_a_slice_that_is_over_and_much_output_are_settled() -> None:
    world = World(slice_=1000)
    port = port_in(world)
    assert not port.settle()
    port.emit(b"x" * OUTPUT_LIMIT)
    assert port.crowded
    assert port.settle()
    assert len(world.output) == OUTPUT_LIMIT
    port._vcpu.cycles += 1001
    assert port.settle()
    assert [kind for kind, _, _ in world.exits] == [ExitKind.OUTPUT, ExitKind.BUDGET]
    assert world.data == [b"account", b"account"]
    assert not port.settle()


def test_output_goes_before_the_cell_sleeps_and_sleep_within_the_horizon_is_its_own() -> None:
    world = World()
    port = port_in(world)
    world.horizon = 1 << 20
    port.idle(600)
    assert (port.time, world.exits) == (600, [])
    port.emit(b"hello")
    port.idle(800)
    assert (port.time, world.output) == (800, b"hello")


def test_typed_text_is_kept_until_somebody_asks() -> None:
    world = World()
    world.events = [Event(10, EventKind.CONSOLE, b"ab"), Event(20, EventKind.CONSOLE, b"c")]
    port = port_in(world)
    port.take()
    assert port.typed() == b""
    port.idle(500)
    port.idle(500)
    assert port.typed() == b"abc"
    assert port.typed() == b""


def test_the_last_words_go_before_the_end() -> None:
    world = World()
    port = port_in(world)
    port.emit(b"x" * (2 * OUTPUT_LIMIT + 1))
    port.shut_down(3)
    assert len(world.output) == 2 * OUTPUT_LIMIT + 1
    assert world.calls == [(Hypercall.SHUTDOWN, 3, 0, 0)]


def test_connections_take_pages_at_the_end_of_ram() -> None:
    boot = {"flavour": "xen", "channels": [{}, {}], "links": [{"size": 8192}]}
    assert reserved(boot) == 8192 + 14 * 4096
    spec = ArmSpec(name="a", hz=HZ, code_buffer=0, boot=boot, **FACTS)
    assert spec.own_size % 16384 == 0
    assert spec.ram_size - reserved(boot) - 16384 < spec.own_size <= spec.ram_size - reserved(boot)


def test_a_kernel_says_that_it_is_alive_whether_it_runs_or_sleeps() -> None:
    world = World(slice_=1 << 30)
    port = port_in(world, heartbeat=1000)
    for _ in range(3):
        port.take()
        assert port.until() == port.time + 1000
        port._vcpu.cycles += 1000
    for _ in range(3):
        port.take()
        port.idle()
    beats = [time for kind, time, _ in world.exits if kind == ExitKind.HYPERCALL]
    assert len(beats) == 6
    assert all(1000 <= later - earlier <= 1100 for earlier, later in pairwise(beats))


# ---- messages


class Channel:
    """A channel whose partner has `room`; `meets`: it is rendezvous."""

    def __init__(self, *letters: bytes, room: int = 2, meets: bool = False) -> None:
        self.name, self.peer, self.limit = "talk", "other", 64
        self.refusal = Status.OK
        """What each call to send is refused with."""
        self.letters, self.room, self.meets = deque(letters), room, meets
        self.heard: list[bytes] = []
        self.asked: list[int] = []
        """For how long each call to send would have waited."""
        self.clock: Callable[[], int] = lambda: 0
        self.there = self.ready = True
        self.looks = 0

    def send(self, data: bytes, until: int = NEVER) -> None:
        self.asked.append(max(until - self.clock(), 0))
        if self.refusal:
            raise RefusedError("send", self.refusal)
        if len(data) > self.limit:
            raise RefusedError("send", Status.TOO_LONG)
        if not self.room:
            raise RefusedError("send", Status.TIMEOUT)
        self.room -= 1
        self.heard.append(data)

    def try_receive(self) -> bytes | None:
        self.looks += 1
        return self.letters.popleft() if self.letters else None


class Alone(Connections):
    def __init__(self, channel: Channel, port: Any) -> None:
        super().__init__()
        self.channels["other"] = channel  # type: ignore[assignment]
        self._port = port
        self.asks = channel.meets

    def wait(self, until: int = NEVER) -> None:
        self._port.wait(until)


def box_of(channel: Channel, world: Any = None, name: str = "cell") -> tuple[Any, mail.Box]:
    port: Any = port_in(world or World(slice_=1 << 30), name)
    port._connections = Alone(channel, port)
    return port, port.mail["other"]


def test_what_does_not_go_at_once_waits_and_goes_in_order() -> None:
    channel = Channel(room=2)
    port, box = box_of(channel)
    sent = [box.send(bytes([number])) for number in range(ROOM + 4)]
    assert sent == [True] * (ROOM + 2) + [False] * 2
    assert not box.can_send
    channel.room = 5
    port.take()
    assert box.can_send
    channel.room = 100
    port.take()
    assert channel.heard == [bytes([number]) for number in range(ROOM + 2)]
    assert not box.pending


def test_what_comes_is_taken_in_up_to_a_bound_and_who_waits_is_told() -> None:
    channel = Channel(*[bytes([number]) for number in range(3 * ROOM)])
    port, box = box_of(channel)
    told: list[int] = []
    box.on_change = lambda: told.append(1)
    port.take()
    assert (len(channel.letters), told) == (2 * ROOM, [1])
    assert [box.receive() for _ in range(4)] == [b"\0", b"\1", b"\2", b"\3"]
    port.take()
    assert len(channel.letters) == 2 * ROOM - 4
    assert box.can_receive


def test_a_partner_that_was_never_there_is_waited_for_and_one_that_died_is_not() -> None:
    channel = Channel(b"last", room=0)
    channel.there = False
    port, box = box_of(channel)
    channel.letters, letters = deque(), channel.letters
    assert box.receive() is None
    assert box.send(b"for later")
    assert not box.gone
    channel.there, channel.letters = True, letters
    port.take()
    channel.there = False
    port.take()
    assert box.gone
    assert not box.pending, "what was for the dead is for nobody"
    assert box.receive() == b"last", "what it had sent is still there"
    with pytest.raises(RefusedError, match=f"status {int(Status.PEER_GONE)}"):
        box.receive()
    with pytest.raises(RefusedError, match=f"status {int(Status.PEER_GONE)}"):
        box.send(b"x")
    channel.there, channel.room = True, 1
    port.take()
    assert box.send(b"again")
    assert channel.heard == [b"again"]


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_message_that_no_channel_carries_is_refused_at_once_whatever_waits_before_it(waiting: int) -> None:
    channel = Channel(room=0)
    port, box = box_of(channel)
    assert all(box.send(b"x") for _ in range(waiting))
    with pytest.raises(RefusedError, match=f"status {int(Status.TOO_LONG)}"):
        box.send(b"y" * 65)
    channel.room = 9
    port.take()
    assert channel.heard == [b"x"] * waiting


@pytest.mark.parametrize("meets", [False, True])
def test_a_channel_that_refuses_what_waits_loses_it_and_harms_nobody(meets: bool) -> None:
    channel = Channel(room=0, meets=meets)
    port, box = box_of(channel)
    assert box.send(b"one")
    assert box.send(b"two")
    channel.refusal = Status.DENIED
    for _ in range(20):
        port.idle(port.time + HZ)
    assert (box.pending, box.lost, channel.heard) == (False, 2, [])
    channel.refusal, channel.room = Status.OK, 1
    assert box.send(b"three")
    assert channel.heard == [b"three"]


def test_nobody_asks_the_dead_again_and_again() -> None:
    channel = Channel(b"one", b"two", room=0)
    port, box = box_of(channel)
    port.take()
    channel.there = False
    for _ in range(100):
        port.take()
        box.on_change()
    assert channel.looks <= 4
    assert [box.receive(), box.receive()] == [b"one", b"two"]


def test_a_message_that_waits_for_a_rendezvous_is_offered_longer_and_longer() -> None:
    channel = Channel(room=0, meets=True)
    port, box = box_of(channel)
    channel.clock = lambda: port.time
    box.send(b"hello")
    for _ in range(20):
        port.idle(port.time + HZ)
        port._vcpu.offset += 50 * HZ // 1000  # offers and pauses take their time
    lengths = [length * 1000 // HZ for length in channel.asked]
    assert lengths[:7] == [0, 1, 2, 4, 8, 16, 16], "milliseconds: at once, then in offers"
    channel.room = 1
    port.idle(port.time + HZ)
    assert channel.heard == [b"hello"]
    assert not box.pending


def test_who_is_heard_offers_shorter_next_time() -> None:
    channel = Channel(room=0, meets=True)
    port, box = box_of(channel)
    channel.clock = lambda: port.time
    for room, wanted in ((0, 2), (0, 4), (0, 8), (1, 4), (1, 2), (1, 1), (1, 1)):
        box._out.append(b"x") if not box.pending else None
        channel.room = room
        box.offer(port.time, NEVER, HZ // 1000)
        assert box.rest(port.time, 1) - port.time == wanted * box._pause


def test_two_that_offer_to_each_other_do_not_pause_alike() -> None:
    first, second = (box_of(Channel(room=0, meets=True), name=name)[1] for name in ("early", "zulu"))
    assert first.rest(0, 1) < second.rest(0, 1)
