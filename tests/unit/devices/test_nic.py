"""The OpenCores MAC: rings, time on the line, filters, and a cable between two of them."""

from __future__ import annotations

import zlib

import pytest

from devices import NEVER, Cable, Nic
from devices.bench import MEMORY, Bench
from devices.nic import BUSY, RXB, RXE, TXB, TXE, hash_of

MODER, SOURCE, MASK, PACKETLEN, TX_BD_NUM, MIICOMMAND, MIIADDRESS, MIIRX, MIISTATUS = (
    0x00, 0x04, 0x08, 0x18, 0x20, 0x2C, 0x30, 0x38, 0x3C,
)  # fmt: skip
MAC0, MAC1, HASH0, BD = 0x40, 0x44, 0x48, 0x400
RXEN, TXEN, BRO, PRO, LOOP, HUGE, SMALL = 1, 2, 8, 32, 128, 1 << 14, 1 << 16
READY = EMPTY = 1 << 15
IRQ, WRAP = 1 << 14, 1 << 13
MINE, OTHER, ALL = b"\x02\x00\x00\x00\x00\x01", b"\x02\x00\x00\x00\x00\x02", b"\xff" * 6
FRAME = MINE + OTHER + b"\x08\x00" + bytes(range(100))


def bits(length: int) -> int:
    return 8 * (12 + 8 + length + 4)


@pytest.fixture
def bench() -> Bench:
    return Bench(hz=100_000_000)


@pytest.fixture
def nic(bench: Bench) -> Nic:
    return switched_on(bench)


def switched_on(bench: Bench, mode: int = RXEN | TXEN, **params: int) -> Nic:
    """Two descriptors to send at 0x0000 and 0x0800, two to receive at 0x1000 and 0x1800."""
    nic = Nic(bench.wiring(), **params)
    nic.registers.write(TX_BD_NUM, 4, 2)
    for index, (control, address) in enumerate(((0, 0), (WRAP, 0x800))):
        describe(nic, index, control | IRQ, address)
    for index, (control, address) in enumerate(((0, 0x1000), (WRAP, 0x1800))):
        describe(nic, 2 + index, control | IRQ | EMPTY, address)
    nic.registers.write(MODER, 4, nic.registers.read(MODER, 4) | mode)
    nic.registers.write(MASK, 4, 0x7F)
    return nic


def describe(nic: Nic, index: int, control: int, address: int) -> None:
    nic.registers.write(BD + 8 * index + 4, 4, address)
    nic.registers.write(BD + 8 * index, 4, control)


def send(bench: Bench, nic: Nic, frame: bytes, index: int = 0) -> None:
    bench.memory[0x800 * index : 0x800 * index + len(frame)] = frame
    nic.registers.write(BD + 8 * index, 4, len(frame) << 16 | READY | IRQ | (WRAP if index else 0))


def control(nic: Nic, index: int) -> int:
    return nic.registers.read(BD + 8 * index, 4)


def received(bench: Bench, nic: Nic, index: int = 0) -> bytes:
    """The frame in a buffer, after its checksum was found right."""
    length = control(nic, 2 + index) >> 16
    data = bytes(bench.memory[0x1000 + 0x800 * index :][:length])
    assert zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]
    return data[:-4]


def test_a_frame_leaves_when_its_last_bit_has(bench: Bench, nic: Nic) -> None:
    bench.now = 1000
    send(bench, nic, FRAME)
    due = 1000 + bits(len(FRAME))
    assert nic.deadline() == due
    bench.now = due - 1
    nic.advance()
    assert bench.frames == []
    bench.now = due + 500
    nic.advance()
    assert bench.frames == [(due, FRAME)], "the time is that of the last bit, however late somebody looks"
    assert nic.deadline() == NEVER


def test_one_store_sends_a_frame_and_the_descriptor_comes_back(bench: Bench, nic: Nic) -> None:
    send(bench, nic, FRAME)
    bench.now += bits(len(FRAME))
    nic.advance()
    assert bench.level()
    assert nic.registers.read(SOURCE, 4) == TXB
    assert control(nic, 0) == len(FRAME) << 16 | IRQ
    nic.registers.write(SOURCE, 4, TXB)
    assert not bench.level()


def test_frames_leave_one_after_another_round_the_ring(bench: Bench, nic: Nic) -> None:
    for _ in range(2):
        send(bench, nic, FRAME + b"0", 0)
        send(bench, nic, FRAME + b"1", 1)
        bench.now += 10 * bits(len(FRAME))
        nic.advance()
    assert [frame[-1:] for _, frame in bench.frames] == [b"0", b"1", b"0", b"1"]
    assert bench.frames[1][0] - bench.frames[0][0] == bits(len(FRAME) + 1)


def test_the_speed_of_the_line_is_a_parameter(bench: Bench) -> None:
    nic = switched_on(bench, frequency=10_000_000)
    send(bench, nic, FRAME)
    assert nic.deadline() == 10 * bits(len(FRAME))


def test_short_frames_are_padded(bench: Bench, nic: Nic) -> None:
    send(bench, nic, FRAME[:20])
    bench.now += 10_000
    nic.advance()
    assert bench.frames[0][1] == FRAME[:20] + bytes(40)


@pytest.mark.parametrize("length", [0, 13, 1533, 0xFFFF])
def test_a_frame_of_no_possible_length_is_not_sent(bench: Bench, nic: Nic, length: int) -> None:
    nic.registers.write(BD, 4, length << 16 | READY | IRQ)
    assert nic.registers.read(SOURCE, 4) == TXE
    assert not control(nic, 0) & READY
    bench.now += 10_000_000
    nic.advance()
    assert bench.frames == []


def test_a_frame_outside_of_memory_is_not_sent(bench: Bench, nic: Nic) -> None:
    describe(nic, 0, len(FRAME) << 16 | READY | IRQ, MEMORY - 10)
    assert nic.registers.read(SOURCE, 4) == TXE
    assert control(nic, 0) & 0x100, "underrun"
    send(bench, nic, FRAME, 1)
    bench.now += 100_000
    nic.advance()
    assert [frame for _, frame in bench.frames] == [FRAME], "the next one is"


def test_a_frame_is_received_with_its_checksum(bench: Bench, nic: Nic) -> None:
    nic.receive(FRAME)
    assert bench.level()
    assert nic.registers.read(SOURCE, 4) == RXB
    assert received(bench, nic) == FRAME
    assert control(nic, 2) & 0xFFFF == IRQ


def test_frames_fill_the_ring_and_are_lost_when_it_is_full(bench: Bench, nic: Nic) -> None:
    for number in range(3):
        nic.receive(FRAME + bytes((number,)))
    assert nic.registers.read(SOURCE, 4) == RXB | BUSY
    assert [received(bench, nic, index)[-1] for index in range(2)] == [0, 1]
    describe(nic, 2, EMPTY, 0x1000)
    nic.receive(FRAME + b"\x07")
    assert received(bench, nic)[-1] == 7


@pytest.mark.parametrize(
    ("to", "mode", "taken"),
    [
        (MINE, 0, True),
        (OTHER, 0, False),
        (OTHER, PRO, True),
        (ALL, 0, True),
        (ALL, BRO, False),
        (b"\x01\x00\x5e\x00\x00\x01", 0, False),
        (b"\x01\x00\x5e\x00\x00\x01", PRO, True),
    ],
)
def test_only_frames_for_this_device_are_taken(bench: Bench, to: bytes, mode: int, taken: bool) -> None:
    nic = switched_on(bench, RXEN | TXEN | mode)
    nic.receive(to + FRAME[6:])
    assert bool(nic.registers.read(SOURCE, 4) & RXB) == taken


def test_a_group_address_is_let_in_by_its_hash(nic: Nic) -> None:
    group = b"\x01\x00\x5e\x00\x00\x01"
    number = hash_of(group)
    nic.registers.write(HASH0 + 4 * (number >> 5), 4, 1 << (number & 31))
    nic.receive(group + FRAME[6:])
    assert nic.registers.read(SOURCE, 4) == RXB


def test_the_hash_is_the_one_that_drivers_compute() -> None:
    """ether_crc() >> 26, for the group addresses of all hosts: bit by bit, as IEEE 802.3 defines the checksum."""
    remainder = 0xFFFF_FFFF
    for byte in b"\x01\x00\x5e\x00\x00\x01":
        for bit in range(8):
            high = remainder >> 31 ^ (byte >> bit & 1)
            remainder = (remainder << 1 & 0xFFFF_FFFF) ^ (0x04C1_1DB7 if high else 0)
    assert hash_of(b"\x01\x00\x5e\x00\x00\x01") == remainder >> 26


def test_the_address_can_be_changed(nic: Nic) -> None:
    assert (nic.registers.read(MAC0, 4), nic.registers.read(MAC1, 4)) == (0x0000_0001, 0x0200)
    nic.registers.write(MAC0, 4, 0x3344_5566)
    nic.registers.write(MAC1, 4, 0x1222)
    nic.receive(b"\x12\x22\x33\x44\x55\x66" + FRAME[6:])
    assert nic.registers.read(SOURCE, 4) == RXB
    nic.reset()
    assert nic.registers.read(MAC0, 4) == 1


def test_frames_of_odd_lengths_are_dropped_marked_or_cut(bench: Bench, nic: Nic) -> None:
    nic.receive(FRAME[:30])
    assert nic.registers.read(SOURCE, 4) == 0
    nic.registers.write(MODER, 4, nic.registers.read(MODER, 4) | SMALL)
    nic.receive(FRAME[:30])
    assert control(nic, 2) & 0xFF == 1 << 2
    nic.receive(FRAME + bytes(2000))
    assert control(nic, 3) & 0xFF == 1 << 3
    assert control(nic, 3) >> 16 == 0x600, "no more than the buffers were promised to hold"
    assert nic.registers.read(SOURCE, 4) == RXE


def test_a_buffer_outside_of_memory_is_an_overrun(bench: Bench, nic: Nic) -> None:
    describe(nic, 2, EMPTY | IRQ, MEMORY - 4)
    nic.receive(FRAME)
    assert nic.registers.read(SOURCE, 4) == RXE
    assert control(nic, 2) & 1 << 6


def test_in_loopback_frames_come_back_and_nothing_reaches_the_line(bench: Bench) -> None:
    nic = switched_on(bench, RXEN | TXEN | LOOP)
    send(bench, nic, FRAME)
    bench.now += bits(len(FRAME))
    nic.advance()
    assert received(bench, nic) == FRAME
    assert bench.frames == []
    nic.receive(FRAME)
    assert control(nic, 3) & EMPTY, "nor does the line reach it"


def test_nothing_happens_while_it_is_off(bench: Bench) -> None:
    nic = switched_on(bench, 0)
    send(bench, nic, FRAME)
    nic.receive(FRAME)
    bench.now += 100_000
    nic.advance()
    assert (bench.frames, nic.registers.read(SOURCE, 4)) == ([], 0)


def test_the_phy_says_whether_a_cable_is_plugged(nic: Nic) -> None:
    def link() -> tuple[int, int]:
        nic.registers.write(MIIADDRESS, 4, 1 << 8)
        nic.registers.write(MIICOMMAND, 4, 2)
        return nic.registers.read(MIIRX, 4) >> 2 & 1, nic.registers.read(MIISTATUS, 4) & 1

    assert link() == (0, 1)
    nic.plug(True)
    assert link() == (1, 0)
    nic.reset()
    assert link() == (1, 0), "a reset pulls no cable"


def test_a_reset_cuts_off_what_is_being_sent(bench: Bench, nic: Nic) -> None:
    send(bench, nic, FRAME)
    nic.reset()
    bench.now += 100_000
    nic.advance()
    assert bench.frames == []


# ---- the cable


def cable(bench: Bench, latency: int = 500) -> tuple[Cable, list[tuple[int, int, bytes]]]:
    arrived: list[tuple[int, int, bytes]] = []

    def at(end: int, cycle: int, frame: bytes) -> None:
        arrived.append((end, cycle, frame))

    ends = (lambda cycle, frame: at(0, cycle, frame), lambda cycle, frame: at(1, cycle, frame))
    return Cable(bench.wiring(), latency=latency, deliver=ends), arrived


def test_a_frame_comes_out_of_the_other_end_a_latency_later(bench: Bench) -> None:
    line, arrived = cable(bench)
    line.send(0, 100, b"there")
    line.send(1, 120, b"back")
    assert line.deadline() == 600
    bench.now = 599
    line.advance()
    assert arrived == []
    bench.now = 700
    line.advance()
    assert arrived == [(1, 600, b"there"), (0, 620, b"back")]
    assert line.deadline() == NEVER


def test_frames_arrive_in_the_order_of_their_times_and_equal_ones_as_they_were_sent(bench: Bench) -> None:
    line, arrived = cable(bench)
    for end, cycle, frame in ((0, 300, b"late"), (1, 100, b"first"), (0, 100, b"second")):
        line.send(end, cycle, frame)
    bench.now = 10_000
    line.advance()
    assert [frame for _, _, frame in arrived] == [b"first", b"second", b"late"]


def test_a_cable_without_length_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no time"):
        cable(bench, latency=0)
