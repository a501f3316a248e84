"""The back end of a kernel's network interface, against a front end that does what xen-netfront does."""

from __future__ import annotations

import struct

import pytest

from cells.split.ends import TIMELESS
from cells.xen import netif
from cells.xen.netback import NetBack
from cells.xen.netif import Answer, TxFlag
from hypervisor.abi.xen import XenbusState as State
from tests.support.links import KilledError, Lines
from tests.support.paper_xen import BACK, PaperInterface, PaperXen

FRAME = bytes(range(60))
LONG = bytes(range(256)) * 5


class Lab:
    """A world with one interface; `taken` is what came out of it."""

    def __init__(self) -> None:
        self.world, self.log, self.taken = PaperXen(), list[str](), list[bytes]()
        self.world.nodes[f"{BACK}/mac"] = "00:16:3e:00:01:00"
        self.wanted = True
        self.back = self.restart()
        self.net = PaperInterface(self.world)

    def restart(self) -> NetBack:
        back = self.world.start(lambda kernel, told: NetBack(kernel, told, self.take, TIMELESS, self.log.append))
        assert isinstance(back, NetBack)
        self.back = back
        return back

    def take(self, frame: bytes) -> bool:
        self.taken.append(frame)
        return self.wanted


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.net.connect()
    assert lab.world.state(BACK) == State.CONNECTED
    return lab


def test_it_offers_no_more_than_it_does() -> None:
    lab = Lab()
    nodes = {name: lab.world.nodes[f"{BACK}/{name}"] for name in ("feature-rx-copy", "feature-rx-flip", "feature-sg")}
    assert nodes == {"feature-rx-copy": "1", "feature-rx-flip": "0", "feature-sg": "0"}
    assert not any("gso" in path or "queue" in path or "ipv6" in path for path in lab.world.nodes)


def tcp(payload: bytes, checksum: bytes) -> bytes:
    """A frame with a TCP segment from 10.0.0.2 to 10.0.0.1."""
    segment = struct.pack(">HHIIBBH", 40000, 5000, 1, 2, 0x50, 0x18, 512) + checksum + b"\0\0" + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 7, 0, 64, 6, 0) + bytes((10, 0, 0, 2, 10, 0, 0, 1))
    return bytes(12) + b"\x08\x00" + header + segment


def ones_complement(data: bytes) -> int:
    """The sum of RFC 1071, word by word."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("payload", [b"", b"a", b"even", bytes(1000), b"\xff" * 999])
def test_the_checksum_that_linux_leaves_out_is_computed(lab: Lab, payload: bytes) -> None:
    lab.net.send(tcp(payload, b"\xde\xad"), flags=TxFlag.CHECKSUM_BLANK)
    lab.world.serve()
    (frame,) = lab.taken
    assert frame == tcp(payload, frame[50:52])
    segment = frame[34:] + b"\0" * (len(frame) % 2)
    assert ones_complement(frame[26:34] + struct.pack(">HH", 6, len(frame) - 34) + segment) == 0xFFFF


PACKET = tcp(b"x", b"  ")


def test_frames_go_out_whole_and_each_request_is_answered(lab: Lab) -> None:
    lab.net.send(FRAME)
    lab.net.send(LONG[:500], LONG[500:501], LONG[501:])
    lab.world.serve()
    assert lab.taken == [FRAME, LONG]
    assert lab.net.answers() == [(number, Answer.OKAY) for number in range(4)]


def test_the_sender_is_told_of_a_frame_that_nobody_took(lab: Lab) -> None:
    lab.wanted = False
    lab.net.send(FRAME)
    lab.world.serve()
    assert lab.net.answers() == [(0, Answer.DROPPED)]
    assert (lab.back.sent, lab.back.dropped) == (0, 1)


def test_frames_come_into_the_room_that_there_is_and_are_dropped_beyond_it(lab: Lab) -> None:
    assert not lab.back.offer(FRAME)
    lab.net.make_room(2)
    assert [lab.back.offer(frame) for frame in (FRAME, LONG, FRAME)] == [True, True, False]
    assert lab.net.frames() == [FRAME, LONG]
    before = lab.world.bells
    lab.world.serve()
    assert lab.world.bells == before + 1


def test_room_that_is_not_granted_is_an_error_of_that_room(lab: Lab) -> None:
    lab.net.make_room(2)
    del lab.world.granted[lab.net._room[0]]
    assert not lab.back.offer(FRAME)
    assert lab.back.offer(LONG)
    assert netif.RX_RESPONSE.unpack_from(lab.net.rx, 64)[3] == Answer.ERROR


@pytest.mark.parametrize(
    ("pieces", "flags", "why"),
    [
        ((b"short",), 0, "a frame of 5 bytes"),
        ((bytes(1515),), 0, "a frame of 1515 bytes"),
        ((FRAME,), TxFlag.CHECKSUM_BLANK, "that is no IPv4 packet"),
        ((bytes(14),), TxFlag.CHECKSUM_BLANK, "that is no IPv4 packet"),
        ((PACKET[:40],), TxFlag.CHECKSUM_BLANK, "does not fit its frame"),
        ((PACKET[:23] + b"\x01" + PACKET[24:],), TxFlag.CHECKSUM_BLANK, "neither TCP nor UDP"),
        ((PACKET[:20] + b"\x20" + PACKET[21:],), TxFlag.CHECKSUM_BLANK, "or only a part"),
        ((bytes(100),) * 9, 0, "in 9 pieces"),
    ],
)
def test_what_is_no_frame_is_answered_with_an_error(lab: Lab, pieces: tuple[bytes, ...], flags: int, why: str) -> None:
    lab.net.send(*pieces, flags=flags)
    lab.net.send(FRAME)
    lab.world.serve()
    assert lab.taken == [FRAME]
    assert [status for _, status in lab.net.answers()] == [Answer.ERROR] * len(pieces) + [Answer.OKAY]
    assert why in lab.log[0]


@pytest.mark.parametrize(("offset", "size"), [(4090, 60), (0xFFFF, 60), (100, 0)])
def test_a_frame_outside_its_page_is_not_copied(lab: Lab, offset: int, size: int) -> None:
    lab.world.granted[50] = bytearray(4096)
    lab.net.raw(netif.TX_REQUEST.pack(50, offset, 0, 3, size))
    lab.net.publish()
    lab.world.serve()
    assert lab.net.answers() == [(3, Answer.ERROR)]
    assert not lab.taken


def test_more_about_a_frame_is_skipped_and_answered_as_no_request(lab: Lab) -> None:
    lab.world.granted[50] = bytearray(4096)
    lab.net.raw(netif.TX_REQUEST.pack(50, 0, TxFlag.EXTRA_INFO, 3, 60))
    lab.net.raw(netif.EXTRA.pack(1, netif.EXTRA_MORE))
    lab.net.raw(netif.EXTRA.pack(2, 0))
    lab.net.publish()
    lab.net.send(FRAME)
    lab.world.serve()
    assert lab.net.answers() == [(3, Answer.ERROR), (0, Answer.NULL), (0, Answer.NULL), (3, Answer.OKAY)]
    assert lab.taken == [FRAME]


@pytest.mark.parametrize(
    "crime", ["a frame without its end", "extras without end", "more requests than slots", "more room than slots"]
)
def test_a_ring_that_makes_no_sense_is_served_no_more(lab: Lab, crime: str) -> None:
    lab.world.granted[50] = bytearray(4096)
    if crime == "a frame without its end":
        lab.net.raw(netif.TX_REQUEST.pack(50, 0, TxFlag.MORE_DATA, 3, 60))
    elif crime == "extras without end":
        lab.net.raw(netif.TX_REQUEST.pack(50, 0, TxFlag.EXTRA_INFO, 3, 60))
        for _ in range(20):
            lab.net.raw(netif.EXTRA.pack(1, netif.EXTRA_MORE))
    elif crime == "more requests than slots":
        lab.net.sent += 257
    else:
        lab.net.rx[0:4] = (300).to_bytes(4, "little")
        assert not lab.back.offer(FRAME)
    lab.net.publish()
    lab.world.serve()
    assert lab.world.state(BACK) == State.CLOSED
    assert len(lab.log) == 1
    assert not lab.back.offer(FRAME)
    assert (lab.world.mapped, lab.world.ports) == (0, set())


def test_where_a_predecessors_pages_are_not_back_yet_it_waits_for_room() -> None:
    lab = Lab()
    lab.world.room = -5
    lab.net.connect()
    assert lab.world.state(BACK) == State.CONNECTED


def test_a_back_end_killed_at_any_line_answers_each_request_once_and_loses_no_frame() -> None:
    """A frame may come twice: the death fell between handing it over and noting that."""
    line = 0
    while not _lived_through(line := line + 5):
        assert line < 5000
    assert line > 100


def _lived_through(line: int) -> bool:
    lab, died = Lab(), False
    lab.net.connect()
    lab.net.make_room(8)
    frames = [bytes([number]) * 60 for number in range(4)]
    lab.net.send(frames[0])
    lab.net.send(frames[1][:30], frames[1][30:])
    lab.net.send(frames[2])
    try:
        with Lines(line, "cells/xen"):
            lab.world.serve()
            lab.back.offer(frames[3])
    except KilledError:
        died = True
        back = lab.restart()
        assert lab.world.state(BACK) == State.CONNECTED
        lab.world.serve()
        back.offer(frames[3])
    assert lab.net.answers() == [(number, Answer.OKAY) for number in range(4)]
    assert list(dict.fromkeys(lab.taken)) == frames[:3]
    assert len(lab.taken) <= 4
    assert set(lab.net.frames()) == {frames[3]}
    return not died
