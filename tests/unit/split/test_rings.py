"""Two ends of a ring, and what the classes of split drivers do when nothing goes wrong, or one thing does."""

from __future__ import annotations

import pytest

from cells.split.block import protocol as block
from cells.split.block.back import BlockBack, RamStore
from cells.split.block.front import BlockDevice
from cells.split.console import protocol as console_protocol
from cells.split.console.back import ConsoleBack
from cells.split.console.front import Console
from cells.split.display import protocol as display
from cells.split.display.back import DisplayBack
from cells.split.display.front import Display, rgb
from cells.split.ends import SplitError
from cells.split.input import protocol as input_protocol
from cells.split.net import protocol as net
from cells.split.net.back import NetBack
from cells.split.net.front import BROADCAST, NetDevice
from cells.split.ring import BackRing, FrontRing, Layout
from hypervisor.core.wiring import LINK_PAGES
from tests.support.links import KilledError, World

LAYOUTS = {
    "block": (block.LAYOUT,),
    "console": (console_protocol.OUT, console_protocol.IN),
    "display": (display.LAYOUT,),
    "input": (input_protocol.LAYOUT,),
    "net": (net.SEND, net.RECEIVE),
}
PAGES = {
    "block": block.PAGES,
    "console": console_protocol.PAGES,
    "display": display.PAGES,
    "input": input_protocol.PAGES,
    "net": net.PAGES,
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_rings_and_buffers_of_a_class_fit_its_memory_side_by_side(kind):
    assert PAGES[kind] == LINK_PAGES[kind]
    used: set[int] = set()
    for layout in LAYOUTS[kind]:
        parts = [range(layout.offset, layout.slot(layout.slots - 1) + 32)]
        parts += [
            range(layout.buffer(number), layout.buffer(number) + layout.buffer_size) for number in range(layout.slots)
        ]
        for part in parts:
            assert not used & set(part)
            used |= set(part)
    assert max(used) < LINK_PAGES[kind] * 4096


class TwoEnds(World):
    """A ring without any class on it."""

    LAYOUT = Layout(offset=0, slots=4, buffers=1024, buffer_size=16)

    def __init__(self) -> None:
        super().__init__("block")
        self.start_back(lambda connections: BackRing(connections.links["front"], self.LAYOUT))
        self.ring = FrontRing(self.start_front().links["back"], self.LAYOUT)
        self.settle()

    def settle(self) -> None:
        """Both look until there is nothing to say."""
        for _ in range(4):
            self.ring.progress()
            self.back.progress()


def test_nothing_is_exchanged_before_both_ends_agree_on_a_session():
    ends = World("block")
    ends.start_back(lambda connections: BackRing(connections.links["front"], TwoEnds.LAYOUT))
    ring = FrontRing(ends.start_front().links["back"], TwoEnds.LAYOUT)
    ring.submit(7)
    assert ends.back.take() is None
    ring.progress()
    assert not ring.live
    assert ends.back.take() is None
    ring.progress()
    assert ring.live
    assert ends.back.take().operation == 7


def test_requests_beyond_the_slots_wait_and_follow_in_order_and_counts_may_wrap():
    ends = TwoEnds()
    for number in range(23):
        ends.ring.submit(number, data=bytes([number]))
    answered = []
    while len(answered) < 23:
        while (request := ends.back.take()) is not None:
            ends.back.answer(number := request.operation, data=request.data * 2)
        while (response := ends.ring.take()) is not None:
            answered.append((response.status, response.data))
    assert answered == [(number, bytes([number]) * 2) for number in range(23)]
    assert ends.ring.outstanding == 0


def test_a_new_back_end_gets_what_was_not_answered_and_nothing_else():
    ends = TwoEnds()
    for number in range(6):
        ends.ring.submit(number)
    for _ in range(3):
        ends.back.take()
    ends.back.answer(0)
    ends.start_back()
    ends.settle()
    assert [ends.back.take().operation for _ in range(4)] == [1, 2, 3, 4]
    assert ends.back.take() is None, "there are four slots"
    assert ends.ring.take().request.operation == 0, "its answer lay in the ring when the back end died"


def test_an_answer_to_a_client_that_died_meanwhile_goes_nowhere():
    ends = TwoEnds()
    ends.ring.submit(1)
    assert ends.back.take() is not None
    ring = FrontRing(ends.start_front().links["back"], TwoEnds.LAYOUT)
    assert not ends.back.answer(0)
    for _ in range(4):
        ring.progress()
        ends.back.progress()
    assert ring.live
    assert not ends.back.waiting
    assert ring.take() is None


def test_what_was_committed_is_known_to_a_new_back_end_and_not_to_a_new_client():
    ends = TwoEnds()
    for number in range(3):
        ends.ring.submit(number)
    ends.back.commit(ends.back.take())
    ends.start_back()
    ends.settle()
    assert [ends.back.take().repeated for _ in range(3)] == [True, False, False]
    ring = FrontRing(ends.start_front().links["back"], TwoEnds.LAYOUT)
    ring.submit(9)
    for _ in range(4):
        ring.progress()
        ends.back.progress()
    request = ends.back.take()
    assert (request.operation, request.repeated) == (9, False)


class Screen:
    def __init__(self) -> None:
        self.shown = b""
        self.typed = b""

    def write(self, data: bytes) -> None:
        self.shown += data

    def read(self) -> bytes:
        typed, self.typed = self.typed, b""
        return typed


def test_a_line_that_was_shown_and_noted_is_not_shown_again():
    world, screen = World("console"), Screen()

    class Dying(ConsoleBack):
        def _answer(self, client, ring, answer):
            world.kill_back()
            raise KilledError

    world.start_back(lambda connections: Dying(connections, screen))
    console = Console(world.start_front(), "back")
    with pytest.raises(KilledError):
        console.write(b"once\n")
        console.flush()
    world.start_back(lambda connections: ConsoleBack(connections, screen))
    console.flush()
    assert screen.shown == b"once\n"


def test_lines_of_several_clients_are_kept_apart_and_the_focus_moves():
    world, screen = World("console", ("alice", "bob")), Screen()
    world.start_back(lambda connections: ConsoleBack(connections, screen))
    alice, bob = (Console(world.start_front(name), "back") for name in ("alice", "bob"))
    alice.write(b"name? ")
    alice.flush()
    bob.write(b"one\ntwo\n")
    bob.flush()
    assert screen.shown == b"[alice] name? \r\n[bob] one\n[bob] two\n"
    screen.typed = b"to alice\n\x01to bob\n"
    assert alice.read_line() == b"to alice\n"
    assert bob.read_line() == b"to bob\n"
    assert b"-- bob --" in screen.shown


def test_each_client_has_a_disk_of_its_own():
    world, store = World("block", ("alice", "bob")), RamStore(512, 100)
    world.start_back(lambda connections: BlockBack(connections, store))
    alice, bob = (BlockDevice(world.start_front(name), "back") for name in ("alice", "bob"))
    alice.write(0, b"a" * 512 * 50)
    bob.write(0, b"b" * 512 * 50)
    assert (alice.sectors, bob.sectors, alice.volatile, alice.read_only) == (50, 50, True, False)
    assert alice.read(0, 50) == b"a" * 512 * 50
    with pytest.raises(SplitError, match="read: OUT_OF_RANGE"):
        alice.read(49, 2)
    with pytest.raises(ValueError, match="whole sectors"):
        alice.write(0, b"x")


def test_requests_are_pipelined_and_one_bell_serves_many():
    world = World("block")
    world.start_back(lambda connections: BlockBack(connections, RamStore(512, 100)))
    disk = BlockDevice(world.start_front(), "back")
    assert disk.sector_size == 512
    rings = world.backs["front"].rings
    tickets = [disk.submit_read(sector, 1) for sector in range(16)]
    done = [disk.poll(until=1 << 62) for _ in tickets]
    assert [each.ticket for each in done] == tickets
    assert world.backs["front"].rings - rings <= 3


class Wire:
    """A network device whose frames are lists."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.in_: list[bytes] = []

    def send(self, frame: bytes) -> bool:
        self.out.append(frame)
        return True

    def receive(self) -> bytes | None:
        return self.in_.pop(0) if self.in_ else None


def test_the_switch_learns_who_is_where():
    world, wire = World("net", ("alice", "bob", "carol")), Wire()
    world.start_back(lambda connections: NetBack(connections, wire))
    alice, bob, carol = (NetDevice(world.start_front(name), "back") for name in ("alice", "bob", "carol"))
    addresses = [each.mac for each in (alice, bob, carol)]
    assert len(set(addresses)) == 3
    alice.send(BROADCAST + alice.mac + b"\x88\xb5all")
    alice.flush()
    assert [net.receive(until=0) is not None for net in (alice, bob, carol)] == [False, True, True]
    assert len(wire.out) == 1
    alice.send(bob.mac + alice.mac + b"\x88\xb5bob")
    alice.flush()
    assert [net.receive(until=0) is not None for net in (alice, bob, carol)] == [False, True, False]
    assert len(wire.out) == 1
    far = b"\x02\x99\x99\x99\x99\x99"
    wire.in_.append(carol.mac + far + b"\x88\xb5from afar")
    assert carol.receive() == carol.mac + far + b"\x88\xb5from afar"
    bob.send(far + bob.mac + b"\x88\xb5back")
    bob.flush()
    assert len(wire.out) == 2
    assert carol.receive(until=0) is None


def test_no_client_takes_frames_by_claiming_the_address_of_another():
    world = World("net", ("alice", "bob", "evil"))
    world.start_back(lambda connections: NetBack(connections, None))
    alice, bob, evil = (NetDevice(world.start_front(name), "back") for name in ("alice", "bob", "evil"))
    assert evil.mac
    evil.send(BROADCAST + bob.mac + b"\x88\xb5I am bob")
    evil.flush()
    alice.send(bob.mac + alice.mac + b"\x88\xb5secret")
    alice.flush()
    frames = []
    while (frame := evil.receive(until=0)) is not None:
        frames.append(frame)
    assert frames == []


def test_a_frame_for_which_nobody_has_room_is_told_to_its_sender():
    world = World("net", ("alice", "bob"))
    world.start_back(lambda connections: NetBack(connections, None))
    alice, bob = (NetDevice(world.start_front(name), "back") for name in ("alice", "bob"))
    to = bob.mac
    for _ in range(40):
        alice.send(to + alice.mac + b"\x88\xb5")
    alice.flush()
    assert (alice.sent, alice.dropped) == (32, 8)


class Panel:
    def __init__(self) -> None:
        self.pixels = memoryview(bytearray(320 * 240 * 2))


def test_each_client_draws_into_its_band_and_a_new_back_end_shows_it_again():
    world, panel = World("display", ("alice", "bob")), Panel()
    world.start_back(lambda connections: DisplayBack(connections, panel))
    alice, bob = (Display(world.start_front(name), "back") for name in ("alice", "bob"))
    assert (alice.width, alice.height) == (320, 120)
    alice.fill(-5, -5, 10, 10, rgb(255, 255, 255))
    bob.fill(0, 0, 1000, 1000, rgb(255, 0, 0))
    alice.flush()
    bob.flush(0, 0, 320, 1)
    red = b"\x00\xf8" * 320
    assert panel.pixels[:10] == b"\xff" * 10
    assert panel.pixels[120 * 640 : 121 * 640] == red
    assert not any(panel.pixels[121 * 640 :])
    with pytest.raises(SplitError, match="flush: OUT_OF_RANGE"):
        bob.flush(0, 60, 320, 61)
    panel.pixels[:] = bytes(len(panel.pixels))
    world.start_back()
    bob.flush(0, 0, 1, 1)
    assert panel.pixels[120 * 640 :] == red * 120
    world.kill_front("bob")
    world.start_front("bob")
    world.serve()


def test_the_band_of_a_client_that_died_is_dark():
    world, panel = World("display"), Panel()
    world.start_back(lambda connections: DisplayBack(connections, panel))
    screen = Display(world.start_front(), "back")
    screen.fill(0, 0, 320, 240, rgb(0, 255, 0))
    screen.flush()
    assert any(panel.pixels)
    world.kill_front()
    world.serve()
    assert not any(panel.pixels)
