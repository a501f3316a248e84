"""A client of TCP/IP on bare frames, as simple as it can be: for tests of a gateway, in this process or as a guest in a cell.

client = Client(mac, 0x0A00020F, 0x0A000202, send, receive)     # send(frame), receive() -> frame, or None in vain
client.find()                                                   # by ARP
client.connect(8080)
client.say(b"hello"); client.hear(5); client.finish()
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from cells.domains.usernet import packets
from cells.domains.usernet.dhcp import BOOTP, COOKIE
from cells.domains.usernet.packets import ARP_BODY, TCP, Packet
from cells.domains.usernet.tcp import HEADER, Flag
from cells.port import Port
from cells.programs.net_talk import network

PATIENCE = "50ms"
WORD = 0xFFFFFFFF


class SilenceError(AssertionError):
    """Nothing came that had to."""


class Client:
    """One interface with one connection at a time."""

    def __init__(
        self,
        mac: bytes,
        address: int,
        gateway: int,
        send: Callable[[bytes], object],
        receive: Callable[[], bytes | None],
    ) -> None:
        self.mac, self.address, self.gateway = mac, address, gateway
        self._send, self._receive = send, receive
        self.there = packets.BROADCAST
        self.local, self.remote = 40000, 0
        self.number = self.answer = 0
        self.window = 8192
        self.heard = bytearray()
        self.ended = self.reset = False

    # ---- ARP, ICMP, DHCP

    def find(self) -> bytes:
        """The interface of the gateway."""
        body = ARP_BODY.pack(1, packets.IPV4, 6, 4, 1, self.mac, self.address, bytes(6), self.gateway)
        self._send(packets.frame(packets.BROADCAST, self.mac, packets.ARP, body))
        while True:
            frame = self.frame()
            if frame[12:14] == b"\x08\x06":
                self.there = ARP_BODY.unpack_from(frame, 14)[5]
                return self.there

    def ping(self, data: bytes) -> bytes:
        """What comes back of an echo request."""
        bare = b"\x08\0\0\0\0\x01\0\x02" + data
        sum_ = packets.checksum(bare).to_bytes(2, "big")
        self._send_packet(packets.ICMP, bare[:2] + sum_ + bare[4:])
        return self.packet(packets.ICMP).body[8:]

    def ask_dhcp(self, type_: int, wish: int = 0, own: int = 0) -> tuple[int, int] | None:
        """Type and address of the answer to a DHCP message; None if there is none."""
        options = bytes((53, 1, type_)) + (bytes((50, 4)) + wish.to_bytes(4, "big") if wish else b"") + b"\xff"
        head = BOOTP.pack(1, 1, 6, 0, 77, 0, 0, own, 0, 0, 0, self.mac.ljust(16, b"\0"), COOKIE)
        datagram = packets.datagram((0, 68), (packets.EVERYBODY, 67), head + options)
        self._send(packets.packet(packets.BROADCAST, self.mac, 0, packets.EVERYBODY, packets.UDP, datagram))
        frame = self._receive()
        if frame is None:
            return None
        found = packets.read_packet(frame)
        assert found is not None
        read = packets.read_datagram(found)
        assert read is not None and read[:2] == (67, 68)
        return read[2][BOOTP.size + 2], BOOTP.unpack_from(read[2])[8]

    # ---- TCP

    def connect(self, port: int, local: int = 40000) -> bool:
        """Open a connection; whether it was accepted."""
        self.local, self.remote, self.number, self.answer = local, port, 1000, 0
        self.heard, self.ended, self.reset = bytearray(), False, False
        self.segment(Flag.SYN)
        while True:
            number, answer, flags, _ = self.take()
            if flags & Flag.RST:
                self.reset = True
                return False
            if flags & Flag.SYN and answer == 1001:
                self.number, self.answer = 1001, (number + 1) & WORD
                self.segment(Flag.ACK)
                return True

    def segment(self, flags: int, data: bytes = b"", number: int | None = None, answer: int | None = None) -> None:
        """Send one segment, of the right numbers unless others are given."""
        number = self.number if number is None else number
        answer = self.answer if answer is None else answer
        bare = (
            HEADER.pack(self.local, self.remote, number & WORD, answer & WORD, 5 << 12 | flags, self.window, 0, 0)
            + data
        )
        sum_ = packets.checksum(packets.pseudo(self.address, self.gateway, TCP, len(bare)) + bare)
        self._send_packet(TCP, bare[:16] + struct.pack(">H", sum_) + bare[18:])

    def say(self, data: bytes) -> None:
        """Send data and wait until all of it is answered."""
        for at in range(0, len(data), 1000):
            piece = data[at : at + 1000]
            self.segment(Flag.ACK | Flag.PSH, piece)
            self.number = (self.number + len(piece)) & WORD
        while self.last_answer != self.number:
            self.next()

    last_answer = 0

    def hear(self, length: int) -> bytes:
        """So many bytes, or all until the end."""
        while len(self.heard) < length and not self.ended and not self.reset:
            self.next()
        taken = bytes(self.heard[:length])
        del self.heard[:length]
        return taken

    def finish(self) -> None:
        """Say that there is no more, and hear that of the other end."""
        self.segment(Flag.ACK | Flag.FIN)
        self.number = (self.number + 1) & WORD
        while not self.reset and not (self.ended and self.last_answer == self.number):
            self.next()

    def next(self) -> None:
        """Take one segment and answer it."""
        number, answer, flags, data = self.take()
        self.last_answer = answer
        self.reset |= bool(flags & Flag.RST)
        if number == self.answer and (data or flags & Flag.FIN):
            self.heard += data
            self.ended |= bool(flags & Flag.FIN)
            self.answer = (number + len(data) + bool(flags & Flag.FIN)) & WORD
        if data or flags & Flag.FIN:
            self.segment(Flag.ACK)

    def take(self) -> tuple[int, int, int, bytes]:
        """Number, answer, flags and data of the next segment of this connection."""
        while True:
            body = self.packet(TCP).body
            source, port, number, answer, bits, _, _, _ = HEADER.unpack_from(body)
            if (source, port) == (self.remote, self.local):
                return number, answer, bits & 63, body[(bits >> 12) * 4 :]

    # ---- frames

    def packet(self, protocol: int) -> Packet:
        """The next packet of a protocol."""
        while True:
            found = packets.read_packet(self.frame())
            if found is not None and found.protocol == protocol and found.destination == self.address:
                return found

    def frame(self) -> bytes:
        """The next frame."""
        found = self._receive()
        if found is None:
            raise SilenceError
        return found

    def _send_packet(self, protocol: int, body: bytes) -> None:
        self._send(packets.packet(self.there, self.mac, self.address, self.gateway, protocol, body))


def client_of(port: Port) -> Client:
    """A client in a cell, at the first network that it is connected to; it has an address when this returns."""
    net = network(port)
    client = Client(net.mac, 0, 0x0A000202, net.send, lambda: net.receive(port.now + port.cycles("2s")))
    client.address = 0
    offered = client.ask_dhcp(1)
    assert offered is not None and offered[0] == 2
    taken = client.ask_dhcp(3, offered[1])
    assert taken == (5, offered[1])
    client.address = offered[1]
    client.find()
    return client
