"""Another machine on the network that takes everything: what it answers, what it counts, and what nonsense does to it."""

from __future__ import annotations

import pytest

from cells.domains.usernet import packets
from cells.domains.usernet.packets import ARP_BODY
from cells.programs.net_sink import ACK, ADDRESS, CONNECTIONS, FIN, FIRST, HEADER, MAC, QUEUE, RST, SYN, Sink
from hypervisor.abi.time import NEVER

US, OUR_MAC, OUR_PORT, PORT = 0x0A00_0002, b"\x02\0\0\0\0\x07", 4000, 9
HZ = 1_000_000


class Network:
    """A sink, a clock, and what it has reported."""

    def __init__(self) -> None:
        self.now = 0
        self.told: list[tuple[str, int]] = []
        self.sink = Sink(lambda name, value: self.told.append((name, value)), HZ, self)

    def work(self, cycles: int) -> None:
        """Time stands still here."""

    def say(self, flags: int, number: int, data: bytes = b"", port: int = OUR_PORT) -> None:
        segment = HEADER.pack(port, PORT, number & packets.EVERYBODY, 0, 5 << 12 | flags, 1000, 0, 0) + data
        self.sink.send(packets.packet(MAC, OUR_MAC, US, ADDRESS, packets.TCP, segment))

    def datagram(self, data: bytes) -> None:
        body = packets.datagram((US, OUR_PORT), (ADDRESS, PORT), data)
        self.sink.send(packets.packet(MAC, OUR_MAC, US, ADDRESS, packets.UDP, body))

    def heard(self) -> list[tuple[int, int, int]]:
        """Flags, number and acknowledged number of what has come back."""
        found = []
        while (frame := self.sink.receive()) is not None:
            packet = packets.read_packet(frame)
            assert packet is not None
            pseudo = packets.pseudo(packet.source, packet.destination, packets.TCP, len(packet.body))
            assert packets.right(pseudo + packet.body)
            source, to, number, answer, bits, *_ = HEADER.unpack_from(packet.body)
            assert (source, to, frame[:6]) == (PORT, OUR_PORT, OUR_MAC)
            found.append((bits & 0x3F, number, answer))
        return found


@pytest.fixture
def network() -> Network:
    """With a connection that is open; our next byte is number 101."""
    made = Network()
    made.say(SYN, 100)
    assert made.heard() == [(SYN | ACK, FIRST, 101)]
    return made


def test_it_says_who_it_is_to_whom_asks_for_its_address() -> None:
    sink = Network().sink
    for wanted, answers in ((ADDRESS, 1), (ADDRESS + 1, 0)):
        body = ARP_BODY.pack(1, packets.IPV4, 6, 4, 1, OUR_MAC, US, bytes(6), wanted)
        sink.send(packets.frame(packets.BROADCAST, OUR_MAC, packets.ARP, body))
        frames = [frame for frame in iter(sink.receive, None) if frame[:6] == OUR_MAC and MAC in frame]
        assert len(frames) == answers


def test_every_second_segment_is_acknowledged_at_once(network: Network) -> None:
    for place in range(4):
        network.say(ACK, 101 + 10 * place, b"x" * 10)
    assert network.heard() == [(ACK, FIRST + 1, 121), (ACK, FIRST + 1, 141)]


def test_a_single_one_is_acknowledged_within_40_ms(network: Network) -> None:
    network.say(ACK, 101, b"x")
    assert network.heard() == []
    assert network.sink.deadline == 40_000
    network.now = 40_000
    assert network.heard() == [(ACK, FIRST + 1, 102)]
    assert network.sink.deadline == NEVER


def test_a_segment_that_is_not_the_next_one_is_answered_with_what_is_wanted(network: Network) -> None:
    network.say(ACK, 200, b"later")
    network.say(FIN | ACK, 300)
    assert network.heard() == [(ACK, FIRST + 1, 101)] * 2
    assert network.told == []


def test_the_end_is_answered_and_tells_how_much_has_come_in_all(network: Network) -> None:
    network.say(ACK, 101, b"x" * 50)
    network.say(FIN | ACK, 151)
    assert network.heard() == [(FIN | ACK, FIRST + 1, 152)]
    network.say(SYN, 0xFFFF_FFFF)  # the next connection's first byte has number 0
    network.say(FIN | ACK, 0, b"y" * 8)
    assert network.heard() == [(SYN | ACK, FIRST, 0), (FIN | ACK, FIRST + 1, 9)]
    assert network.told == [("tcp_bytes", 50), ("tcp_bytes", 58)]


def test_datagrams_are_counted_until_an_empty_one() -> None:
    network = Network()
    for data in (b"x" * 1456, b"y" * 44, b"", b"z", b""):
        network.datagram(data)
    assert network.told == [("udp_bytes", 1500), ("udp_bytes", 1501)]
    assert network.heard() == []


def test_nonsense_is_passed_over(network: Network) -> None:
    bare = packets.packet(MAC, OUR_MAC, US, ADDRESS, packets.TCP, b"short")
    for frame in (MAC, MAC + bytes(8), bare, packets.packet(MAC, OUR_MAC, US, ADDRESS, 99, b"")):
        assert network.sink.send(frame)
    assert not network.sink.send(OUR_MAC + bytes(60)), "of others"
    network.say(ACK, 101, b"", port=OUR_PORT + 1)
    assert network.heard() == []


def test_it_keeps_a_bounded_number_of_connections_and_frames() -> None:
    network = Network()
    for port in range(1, 4 * CONNECTIONS):
        network.say(SYN, 0, port=port)
    frames = len(list(iter(network.sink.receive, None)))
    assert frames == CONNECTIONS
    for _ in range(2 * QUEUE):
        network.say(ACK, 999, b"x", port=1)
    assert len(list(iter(network.sink.receive, None))) == QUEUE
    network.say(RST, 0, port=1)
    network.say(SYN, 0, port=5000)
    assert network.sink.receive() is not None, "a reset makes room"
