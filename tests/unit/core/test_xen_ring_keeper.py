"""What a dead back end owed stands in the ring again, whatever the order of its answers; and when nobody knows, that is said."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from hypervisor.abi.xen import Gtf, XenbusState
from hypervisor.core.wiring import ChannelParams
from hypervisor.core.xen.errors import XenError
from hypervisor.core.xen.ring_keeper import SHAPES, SLOTS, BrokenRingError, Frames, Journal, Room, Shape
from hypervisor.core.xen.toolstack import DISK, INTERFACE
from tests.support.xen import FREE, XenLab

BLOCK, (SEND, RECEIVE) = SHAPES[DISK][0], SHAPES[INTERFACE]
EXTRA, MORE_EXTRA, DROPPED, NULL = 8, 1, -2, 1


class Ring:
    """A page, its front end, and a back end that answers what it likes first."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.page = shape, bytearray(4096)
        self.taken: list[bytes] = []
        self.consumed = 0

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.page[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        self.page[offset : offset + len(data)] = data

    def index(self, at: int) -> int:
        return int.from_bytes(self.page[at : at + 4], "little")

    def _step(self, at: int, slot: bytes) -> None:
        index = self.index(at)
        self.write(SLOTS + index % self.shape.size * self.shape.entry, slot)
        self.write(at, (index + 1 & 0xFFFFFFFF).to_bytes(4, "little"))

    def ask(self, slot: bytes) -> None:
        self._step(0, slot)

    def take(self) -> None:
        """The back end takes all that is there."""
        for index in range(self.consumed, self.index(0)):
            self.taken.append(self.slot(index))
        self.consumed = self.index(0)

    def answer(self, slot: bytes) -> None:
        self._step(8, slot)

    def slot(self, index: int) -> bytes:
        return self.read(SLOTS + index % self.shape.size * self.shape.entry, self.shape.entry)

    def standing(self) -> list[bytes]:
        return [self.slot(index) for index in range(self.index(8), self.index(0))]


def request(identity: int, mark: int) -> bytes:
    return struct.pack("<BBHIQQ", 1, 1, 0, 0, identity, mark).ljust(BLOCK.entry, b"s")


def identity_of(slot: bytes) -> int:
    return int.from_bytes(slot[8:16], "little")


def frame(identity: int, flags: int = 0) -> bytes:
    return struct.pack("<IHHHH", 7, 0, flags, identity, 60)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_owed_stands_there_again_in_the_order_in_which_it_was_asked(seed: int) -> None:
    chance, ring = random.Random(seed), Ring(BLOCK)
    journal = Journal(BLOCK, ring)
    free, owed, mark = list(range(BLOCK.size)), [], 0
    for _ in range(60):
        for _ in range(chance.randrange(len(free) + 1)):
            mark += 1
            owed.append(request(free.pop(chance.randrange(len(free))), mark))
            ring.ask(owed[-1])
        journal.look()
        ring.take()
        for _ in range(chance.randrange(len(ring.taken) + 1)):
            done = ring.taken.pop(chance.randrange(len(ring.taken)))
            ring.answer(struct.pack("<QBBh", identity_of(done), 1, 0, 0).ljust(BLOCK.entry, b"x"))
            owed.remove(done)
            free.append(identity_of(done))
        journal.look()
        if chance.random() < 0.2:
            assert journal.settle() == len(owed)
            assert ring.standing() == owed
            ring.consumed, ring.taken = ring.index(8), []


def test_an_answer_that_was_written_and_not_published_is_none() -> None:
    ring = Ring(BLOCK)
    journal = Journal(BLOCK, ring)
    ring.ask(request(3, 1))
    journal.look()
    ring.write(SLOTS, struct.pack("<QBBh", 3, 1, 0, 0))
    assert journal.settle() == 1
    assert ring.standing() == [request(3, 1)]


def test_a_frame_that_nobody_answered_is_dropped_and_so_is_what_was_said_about_it() -> None:
    ring = Ring(SEND)
    journal = Frames(SEND, ring)
    for slot in (frame(1), frame(2, EXTRA), b"\1" + bytes([MORE_EXTRA]) + bytes(10), bytes(12), frame(3)):
        ring.ask(slot)
    journal.look()
    ring.answer(struct.pack("<Hh", 1, 0).ljust(12, b"\0"))
    assert journal.settle() == 4
    assert ring.index(8) == ring.index(0) == 5
    said = [struct.unpack_from("<Hh", ring.slot(index)) for index in range(1, 5)]
    assert said == [(2, DROPPED), (3, DROPPED), (0, NULL), (0, NULL)]
    assert journal.settle() == 0


def test_room_for_frames_is_used_up_in_order_also_by_what_is_no_answer() -> None:
    ring = Ring(RECEIVE)
    journal = Room(RECEIVE, ring)
    room = [struct.pack("<HHI", identity, 0, 100 + identity) for identity in range(8)]
    for slot in room:
        ring.ask(slot)
    journal.look()
    ring.answer(struct.pack("<HHHh", 0, 0, EXTRA, 1514))
    ring.answer(struct.pack("<BBHBBH", 1, 0, 1448, 1, 0, 0))  # more about that frame: its size when cut, for GSO
    journal.look()
    ring.write(SLOTS + 2 * RECEIVE.entry, struct.pack("<HHHh", 2, 0, 0, 60))  # written, and not published
    assert journal.settle() == 6
    assert ring.standing() == room[2:]


def asks_too_much(ring: Ring) -> None:
    ring.write(0, (33).to_bytes(4, "little"))


def answers_more_than_was_asked(ring: Ring) -> None:
    ring.write(8, (2).to_bytes(4, "little"))


def answers_what_nobody_saw(ring: Ring) -> None:
    for mark in range(2):
        ring.ask(request(mark, mark))
    ring.answer(struct.pack("<Q", 1).ljust(BLOCK.entry, b"\0"))


def asks_twice_by_one_name(ring: Ring) -> None:
    for mark in range(2):
        ring.ask(request(7, mark))


@pytest.mark.parametrize(
    "crime", [asks_too_much, answers_more_than_was_asked, answers_what_nobody_saw, asks_twice_by_one_name]
)
def test_a_ring_of_liars_is_given_up(crime: Callable[[Ring], None]) -> None:
    ring = Ring(BLOCK)
    journal = Journal(BLOCK, ring)
    crime(ring)
    with pytest.raises(BrokenRingError):
        journal.settle()


def test_when_nothing_is_owed_any_more_what_was_missed_does_not_matter() -> None:
    ring = Ring(BLOCK)
    journal = Journal(BLOCK, ring)
    answers_what_nobody_saw(ring)
    journal.look()
    ring.answer(struct.pack("<Q", 0).ljust(BLOCK.entry, b"\0"))
    journal.look()
    ring.ask(request(5, 5))
    assert journal.settle() == 1
    assert ring.standing() == [request(5, 5)]


REF = 9


class Pair:
    """Two kernels with a disk between them, connected."""

    def __init__(self, kernels: dict[int, bool]) -> None:
        channel = ChannelParams("linux-driver-block", "block", 0, 1)
        self.lab = XenLab("linux", "driver", channels=[channel], wiring={"hvc_kernels": kernels})
        self.front, self.back = self.lab["linux"], self.lab["driver"]
        for guest in (self.front, self.back):
            guest.set_up_events()
            guest.set_up_grants()
        self.front.grant(REF, Gtf.PERMIT_ACCESS, self.back.domid, self.front.frame(FREE))
        (self.device,) = self.lab.xen.toolstack.devices
        self.connect()

    def say(self, **nodes: object) -> None:
        for name, value in nodes.items():
            self.lab.xen.store.write(0, f"{self.device.front_path}/{name.replace('_', '-')}", str(value).encode())
        self.lab.xen.daemon.catch_up()

    def connect(self) -> None:
        self.say(ring_ref=REF, event_channel=5, state=int(XenbusState.CONNECTED))

    def ask(self, count: int) -> None:
        at = self.front.page(FREE)
        for number in range(count):
            self.front.poke(at + SLOTS + number * BLOCK.entry, request(number, number))
        self.front.poke(at, count.to_bytes(4, "little"))
        self.stopped()

    def stopped(self) -> None:
        if self.front.cell.on_stop is not None:
            self.front.cell.on_stop()

    def back_state(self) -> XenbusState:
        return XenbusState(int(self.lab.xen.store.read(0, f"{self.device.back_path}/state")))


@pytest.fixture
def pair() -> Pair:
    return Pair({0: True, 1: True})


def test_the_account_says_how_many_requests_were_asked_again(pair: Pair) -> None:
    pair.ask(3)
    pair.front.poke(pair.front.page(FREE) + SLOTS, struct.pack("<QBBh", 2, 1, 0, 0))
    pair.front.poke(pair.front.page(FREE) + 8, (1).to_bytes(4, "little"))  # the last one is answered first
    pair.lab.restart("driver")
    again = [identity_of(pair.front.peek(pair.front.page(FREE) + SLOTS + n * BLOCK.entry, 16)) for n in (1, 2)]
    assert again == [0, 1]
    assert pair.front.cell.account.metrics["retried"] == [2, 2, 2, 1]
    assert pair.lab.monitor.ledger.counted("linux", "retried") == 2
    assert [(record.fields["requests"], record.cell) for record in pair.lab.kinds("retried")] == [(2, "linux")]
    assert pair.back_state() is XenbusState.INITIALISING


def test_of_our_own_back_end_it_is_counted_what_the_next_one_finds() -> None:
    pair = Pair({0: True})
    assert pair.front.cell.on_stop is None, "nobody has to look on"
    pair.ask(4)
    before = pair.front.peek(pair.front.page(FREE), 4096)
    pair.lab.restart("driver")
    assert pair.front.peek(pair.front.page(FREE), 4096) == before
    assert pair.front.cell.account.metrics["retried"] == [4, 4, 4, 1]


def test_a_page_that_is_granted_no_more_is_left_alone_and_the_front_end_is_told_that_there_is_no_disk(
    pair: Pair,
) -> None:
    pair.ask(2)
    pair.front.grant(REF, Gtf.PERMIT_ACCESS, pair.back.domid, pair.front.frame(FREE + 1))
    before = pair.front.peek(pair.front.page(FREE), 4096)
    pair.lab.restart("driver")
    assert pair.front.peek(pair.front.page(FREE), 4096) == before
    assert pair.back_state() is XenbusState.CLOSED
    assert any("ring of" in what for what, _ in pair.front.cell.account.refusals)
    pair.lab.restart("linux")
    pair.lab.restart("driver")
    assert pair.back_state() is XenbusState.INITIALISING, "the next front end has a ring of its own"


def test_a_front_end_that_has_closed_or_died_is_owed_nothing(pair: Pair) -> None:
    pair.ask(2)
    pair.say(state=int(XenbusState.CLOSED))
    pair.lab.restart("driver")
    pair.connect()
    pair.lab.restart("linux")
    pair.lab.restart("driver")
    assert pair.front.cell.account.metrics == {}


def test_a_liar_in_the_store_harms_nobody_else(pair: Pair) -> None:
    for reference in ("", "x", 1 << 40, 400):
        pair.say(ring_ref=reference, state=int(XenbusState.CONNECTED))
    pair.ask(1)
    with pytest.raises(XenError):
        pair.lab.xen.page(pair.lab.xen.domains.of(pair.front.cell), 0).read(0, 4)
    pair.lab.restart("driver")
    pair.lab.monitor.check_invariants()


def test_a_front_end_that_rewrites_the_answers_is_not_remembered_without_an_end() -> None:
    ring = Ring(BLOCK)
    journal = Journal(BLOCK, ring)
    for number in range(10 * BLOCK.size):
        ring.ask(struct.pack("<QQ96x", 0, 2 * number))
        if number:
            ring.answer(struct.pack("<Q104x", 2 * number + 1))  # nobody has asked that
        journal.look()
    assert len(journal._owed) <= BLOCK.size
    with pytest.raises(BrokenRingError, match="are known"):
        journal.settle()


def test_a_front_end_whose_frames_have_more_said_about_them_without_an_end_is_not_either() -> None:
    ring = Ring(SEND)
    ring.ask(frame(1, EXTRA))
    journal = Frames(SEND, ring)
    journal.look()
    for _ in range(10 * SEND.size):
        ring.ask(struct.pack("<BB10x", 1, MORE_EXTRA))
        ring.answer(struct.pack("<Hh8x", 7, 0))  # as if nothing of the kind had been asked
        journal.look()
    assert journal._extras <= SEND.size
    with pytest.raises(BrokenRingError, match="are known"):
        journal.settle()
