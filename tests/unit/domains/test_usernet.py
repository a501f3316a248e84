"""The gateway of a network: what it answers, how it carries bytes both ways, and what hostile guests cannot do to it."""

from __future__ import annotations

import contextlib
import random

import pytest

from cells.domains.usernet import packets
from cells.domains.usernet.gateway import QUEUE, VAIN_LIMIT, Gateway, Plan
from cells.domains.usernet.tcp import IDLE_S, LINGER_S, TRIES, Flag
from cells.xen.checksum import NoSuchPacketError, filled
from hypervisor.abi.streams import ROOM, STREAMS_LIMIT, News
from hypervisor.abi.time import NEVER
from tests.support.links import FakeClock
from tests.support.tcp_client import Client, SilenceError

HZ = 1_000_000
GATEWAY, FIRST = 0x0A000202, 0x0A00020F
MAC, OTHER = b"\x02\x43\x56\0\0\x01", b"\x02\x43\x56\0\0\x02"
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7


PLAN = Plan(GATEWAY, 24, FIRST, FIRST + 1, (8080, 22))


class Paper:
    """A host that notes what it is told."""

    def __init__(self) -> None:
        self.opened: dict[int, int] = {}
        self.got: dict[int, bytes] = {}
        self.ended, self.closed = list[int](), list[int]()
        self.room: dict[int, int] = {}
        self.waits = 0
        self.full = False

    def open(self, handle: int, number: int) -> bool:
        if not self.full:
            self.opened[handle], self.got[handle], self.room[handle] = number, b"", ROOM
        return not self.full

    def send(self, handle: int, data: bytes) -> None:
        self.got[handle] += data

    def end(self, handle: int) -> None:
        self.ended.append(handle)

    def close(self, handle: int) -> None:
        self.closed.append(handle)

    def give(self, handle: int, room: int) -> None:
        self.room[handle] += room

    def wait(self) -> None:
        self.waits += 1


class Lab:
    """A gateway and a guest; frames of `lost` places never reach the guest."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.clock, self.host = FakeClock(), Paper()
        self.gateway = Gateway(plan, self.clock, HZ, self.host)
        self.lost: set[int] = set()
        self.frames = 0
        self.guest = Client(MAC, FIRST, GATEWAY, self.gateway.send, self.receive)

    def receive(self) -> bytes | None:
        """The next frame that is not lost; time goes on to where there may be one."""
        for _ in range(100):
            frame = self.gateway.receive()
            if frame is not None:
                self.frames += 1
                if self.frames not in self.lost:
                    return frame
            elif self.gateway.deadline == NEVER:
                return None
            else:
                self.clock.now = max(self.clock.now, self.gateway.deadline)
        return None

    def silent(self) -> bool:
        return self.gateway.receive() is None

    def connect(self, local: int = 40000) -> int:
        """A connection that the host has accepted: its handle."""
        handle = max(self.host.opened, default=0) + 1
        self.gateway.on_news(handle, News.OPENED, b"")
        self.guest.local = local
        take, self.gateway._news = list(self.gateway._news), type(self.gateway._news)()
        send = self.guest._send
        self.guest._send = lambda frame: (send(frame), self.gateway._news.extend(take), take.clear())
        assert self.guest.connect(8080, local)
        self.guest._send = send
        return handle


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_it_says_where_it_is_to_those_who_ask_for_it_and_answers_a_ping(lab: Lab) -> None:
    assert lab.guest.find() == lab.gateway.address
    assert lab.guest.ping(b"twenty bytes of data") == b"twenty bytes of data"
    lab.guest.gateway = GATEWAY + 1
    with pytest.raises(SilenceError):
        lab.guest.find()


def test_a_frame_for_somebody_else_is_not_taken(lab: Lab) -> None:
    assert not lab.gateway.send(packets.packet(OTHER, MAC, FIRST, GATEWAY, packets.ICMP, b"\x08\0\xf7\xff\0\0\0\0"))
    assert lab.silent()


def test_addresses_are_given_in_order_and_each_guest_has_the_same_again(lab: Lab) -> None:
    other = Client(OTHER, 0, GATEWAY, lab.gateway.send, lab.receive)
    assert lab.guest.ask_dhcp(DISCOVER) == (OFFER, FIRST)
    assert lab.guest.ask_dhcp(REQUEST, FIRST) == (ACK, FIRST)
    assert other.ask_dhcp(DISCOVER, FIRST) == (OFFER, FIRST + 1)
    assert other.ask_dhcp(REQUEST, FIRST) == (NAK, 0)
    assert other.ask_dhcp(REQUEST, FIRST + 1) == (ACK, FIRST + 1)
    assert lab.guest.ask_dhcp(DISCOVER) == (OFFER, FIRST)
    assert lab.guest.ask_dhcp(REQUEST, own=FIRST) == (ACK, FIRST), "it renews what it has"


def test_who_finds_no_address_gets_one_when_it_is_given_back_or_runs_out(lab: Lab) -> None:
    third = Client(b"\x02\0\0\0\0\x03", 0, GATEWAY, lab.gateway.send, lab.receive)
    for number, mac in enumerate((MAC, OTHER)):
        owner = Client(mac, 0, GATEWAY, lab.gateway.send, lab.receive)
        assert owner.ask_dhcp(REQUEST, FIRST + number) == (ACK, FIRST + number)
    assert third.ask_dhcp(DISCOVER) is None
    lab.guest.ask_dhcp(RELEASE, own=FIRST)
    assert third.ask_dhcp(DISCOVER) == (OFFER, FIRST)
    lab.clock.now += 11 * HZ
    assert lab.guest.ask_dhcp(DISCOVER) == (OFFER, FIRST), "an offer that nobody took up is kept for ten seconds"
    lab.clock.now += 3600 * HZ
    assert third.ask_dhcp(REQUEST, FIRST + 1) == (ACK, FIRST + 1), "a lease lasts an hour"


def test_without_a_range_nobody_is_given_an_address() -> None:
    assert Lab(Plan(GATEWAY, 24)).guest.ask_dhcp(DISCOVER) is None


def test_bytes_go_both_ways_in_order_and_both_ends_hear_of_the_end(lab: Lab) -> None:
    handle = lab.connect()
    lab.guest.say(b"question" * 1000)
    assert lab.host.got[handle] == b"question" * 1000
    lab.gateway.on_news(handle, News.CAME, b"answer")
    assert lab.guest.hear(6) == b"answer"
    lab.gateway.on_news(handle, News.ENDED, b"")
    lab.guest.finish()
    assert (lab.host.ended, lab.host.closed) == ([handle], [handle])
    assert lab.host.room[handle] == ROOM + 6, "the host may send as much as the guest has taken"
    lab.clock.now += LINGER_S * HZ
    assert lab.silent() and not lab.gateway.tcp.connections


@pytest.mark.parametrize("seed", range(5))
def test_what_is_lost_on_its_way_to_the_guest_comes_again(lab: Lab, seed: int) -> None:
    handle = lab.connect()
    lost = random.Random(seed)
    lab.lost = {number for number in range(2, 400) if lost.random() < 0.3}
    sent = bytes(lost.randrange(256) for _ in range(10_000))
    for at in range(0, len(sent), 1000):
        lab.gateway.on_news(handle, News.CAME, sent[at : at + 1000])
    lab.gateway.on_news(handle, News.ENDED, b"")
    assert lab.guest.hear(20_000) == sent
    assert lab.guest.ended


def test_a_guest_without_room_is_asked_until_it_has_some(lab: Lab) -> None:
    handle = lab.connect()
    lab.guest.window = 0
    lab.guest.segment(Flag.ACK)
    lab.gateway.on_news(handle, News.CAME, b"abc")
    assert lab.silent()
    begun = lab.clock.now
    assert lab.guest.hear(1) == b"a", "one byte asks whether there is room"
    assert lab.clock.now - begun >= HZ // 5
    lab.guest.window = 100
    lab.guest.segment(Flag.ACK)
    assert lab.guest.hear(2) == b"bc"


def test_a_guest_that_is_gone_is_given_up_and_the_host_is_told(lab: Lab) -> None:
    handle = lab.connect()
    lab.gateway.on_news(handle, News.CAME, b"hello?")
    said = 0
    while lab.receive() is not None:
        said += 1
    assert said == TRIES + 2, "the first time, again so often, and a reset"
    assert lab.host.closed == [handle] and not lab.gateway.tcp.connections


def test_a_port_that_leads_nowhere_and_a_host_that_refuses_are_refused(lab: Lab) -> None:
    assert not lab.guest.connect(9999)
    lab.host.full = True
    assert not lab.guest.connect(8080)
    lab.host.full = False
    lab.guest.segment(Flag.SYN, number=1000)
    lab.gateway.on_news(1, News.BROKEN, b"")
    lab.gateway.on_news(2, News.BROKEN, b"")
    lab.gateway.on_news(3, News.BROKEN, b"")
    assert lab.guest.take()[2] & Flag.RST
    assert not lab.gateway.tcp.connections
    assert not lab.host.closed, "the host knows already"


def test_only_a_reset_at_the_very_place_ends_a_connection(lab: Lab) -> None:
    handle = lab.connect()
    lab.guest.segment(Flag.RST, number=lab.guest.number + 1)
    assert lab.gateway.tcp.connections
    lab.guest.segment(Flag.RST)
    assert not lab.gateway.tcp.connections and lab.host.closed == [handle]


def test_data_out_of_order_twice_or_beyond_the_end_reaches_the_host_once_or_not_at_all(lab: Lab) -> None:
    handle = lab.connect()
    begin = lab.guest.number
    lab.guest.segment(Flag.ACK, b"later", number=begin + 5)
    assert lab.host.got[handle] == b""
    lab.guest.segment(Flag.ACK, b"first")
    lab.guest.segment(Flag.ACK, b"first")
    lab.guest.segment(Flag.ACK, b"stlater", number=begin + 3)
    assert lab.host.got[handle] == b"firstlater"
    lab.guest.segment(Flag.ACK, b"never", answer=lab.guest.answer + 5000)
    lab.guest.segment(Flag.ACK | Flag.FIN, number=begin + 10)
    lab.guest.segment(Flag.ACK, b"after the end", number=begin + 11)
    assert lab.host.got[handle] == b"firstlater" and lab.host.ended == [handle]


def test_a_guest_that_begins_anew_from_the_same_port_gets_a_new_connection(lab: Lab) -> None:
    first = lab.connect()
    lab.guest.segment(Flag.SYN, number=70_000)
    assert lab.host.closed == [first]
    assert list(lab.host.opened) == [first, first + 1]


def test_there_is_a_bound_to_connections_and_the_idle_make_room(lab: Lab) -> None:
    for number in range(STREAMS_LIMIT):
        lab.connect(1000 + number)
    assert not lab.guest.connect(8080, 3000)
    lab.clock.now += IDLE_S * HZ
    lab.guest.local = 3000
    lab.guest.segment(Flag.SYN, number=1000)
    assert lab.host.closed == [1] and len(lab.gateway.tcp.connections) == STREAMS_LIMIT


def test_the_host_is_waited_for_only_when_the_guest_is_silent(lab: Lab) -> None:
    lab.connect()
    assert not lab.host.waits
    assert lab.receive() is None
    assert lab.host.waits == 1, "once: it may have nothing to say"
    lab.guest.say(b"question")
    assert lab.host.waits == 1
    assert lab.receive() is None
    assert lab.host.waits == 2


def test_a_guest_that_talks_to_a_silent_host_holds_up_nobody_for_long(lab: Lab) -> None:
    handle = lab.connect()
    for _ in range(3 * VAIN_LIMIT):
        lab.guest.say(b"hello?")
        assert lab.receive() is None
    assert lab.host.waits == VAIN_LIMIT
    lab.gateway.on_news(handle, News.CAME, b"yes")
    assert lab.guest.hear(3) == b"yes"
    assert lab.receive() is None
    assert lab.host.waits == VAIN_LIMIT + 1


@pytest.mark.parametrize("seed", range(4))
def test_no_frame_that_a_guest_can_send_stops_the_gateway_or_fills_it(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    seen: list[bytes] = []
    lab.guest._send = lambda frame: (seen.append(frame), lab.gateway.send(frame))
    lab.guest.find()
    lab.guest.ask_dhcp(DISCOVER)
    lab.connect()
    lab.guest.segment(Flag.ACK, b"data")
    kept = len(seen)
    for _ in range(3000):
        frame = bytearray(chance.choice(seen[:kept]))
        for _ in range(chance.randrange(1, 5)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        if frame[12:14] == b"\x08\0" and chance.random() < 0.8:  # most of them with sums that are right
            frame[24:26] = b"\0\0"
            frame[24:26] = packets.checksum(bytes(frame[14:34])).to_bytes(2, "big")
            with contextlib.suppress(NoSuchPacketError):
                frame = bytearray(filled(bytes(frame)))
        lab.gateway.send(bytes(frame[: chance.choice((len(frame), chance.randrange(14, len(frame) + 1)))]))
    assert len(lab.gateway._frames) <= QUEUE
    assert len(lab.gateway.tcp.connections) <= STREAMS_LIMIT
    assert lab.gateway.dropped
    while lab.gateway.receive() is not None:
        pass
    assert lab.guest.ping(b"still there") == b"still there"


def test_a_guest_cannot_take_the_address_of_the_gateway_for_its_own(lab: Lab) -> None:
    before = lab.gateway.send(packets.frame(packets.BROADCAST, MAC, packets.ARP, b"short"))
    assert before and lab.silent()
    lab.guest.address = GATEWAY
    with pytest.raises(SilenceError):
        lab.guest.ping(b"me")
