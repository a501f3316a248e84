"""Another machine on the network that takes all that is sent to it, at any port: the other end of TCP and UDP streams.

It is the back end of its front ends' interfaces, a switch with one host behind it at `ADDRESS`: it answers ARP, acknowledges TCP
(RFC 9293; every second segment, RFC 1122 4.2.3.2, else within 40 ms) and keeps nothing but counts. What it takes is that of a
machine of its own; the cycles of its port stand for the wire and its far end.

    [cells.peer]
    guest = "cells.programs.net_sink:main"
    [[channels]]
    between = ["linux", "peer"]
    class = "net"

Its metrics tell how much has come in all: `tcp_bytes` when a connection ends, `udp_bytes` with each empty datagram.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

from cells.domains.usernet import packets
from cells.domains.usernet.packets import ARP_BODY, Packet
from cells.port import Port
from cells.split.ends import TIMELESS, Clock
from cells.split.net.back import NetBack
from hypervisor.abi.time import NEVER

ADDRESS = 0x0A00_0001
"""10.0.0.1"""
MAC = bytes((0x02, 0x43, 0x56, 0, 0xFF, 0x02))
HEADER = Struct(">HHIIHHHH")
FIN, SYN, RST, ACK = 1, 2, 4, 16
OPTIONS = bytes((2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, 3))
"""Segments of 1460 bytes; windows are to be taken eight times (RFC 7323)."""
WINDOW = 0xFFFF
FIRST = 1 << 20
"""The number of our first byte: nobody guesses here."""
CONNECTIONS, QUEUE = 16, 256
FRAME_CYCLES = 100
"""Of a frame that is looked at: a device that does this in hardware would take none. Assumed."""
DELAY_PER_S = 25
"""An acknowledgement is late by 40 ms at most, as Linux has it (TCP_DELACK_MIN)."""
Report = Callable[[str, int], None]


@dataclass
class Connection:
    """`got`: the number of the next byte; `owed`: segments that are not acknowledged."""

    sender: bytes
    got: int
    owed: int = 0
    due: int = NEVER
    own: int = FIRST + 1


class Sink:
    """The host: frames in, frames out (`InnerPort` of the switch)."""

    address = MAC

    def __init__(self, report: Report, hz: int, clock: Clock = TIMELESS) -> None:
        self._report, self._clock, self._delay = report, clock, hz // DELAY_PER_S
        self._frames: deque[bytes] = deque()
        self._connections: dict[tuple[int, int, int], Connection] = {}
        self.streamed = self.datagrams = 0
        """Bytes of data in all of TCP, and of UDP."""

    @property
    def deadline(self) -> int:
        """Until when there is nothing to say."""
        return 0 if self._frames else min((each.due for each in self._connections.values()), default=NEVER)

    def receive(self) -> bytes | None:
        """The next frame of ours."""
        for key, each in self._connections.items():
            if each.due <= self._clock.now:
                self._say(key, each)
        return self._frames.popleft() if self._frames else None

    def send(self, frame: bytes) -> bool:
        """A frame from the switch; whether it was for us, or for all."""
        if frame[:6] not in (MAC, packets.BROADCAST):
            return False
        self._clock.work(FRAME_CYCLES)
        if frame[12:14] == packets.ARP.to_bytes(2, "big"):
            self._on_arp(frame)
        elif (found := packets.read_packet(frame)) is not None and found.destination == ADDRESS:
            handler = {packets.TCP: self._on_segment, packets.UDP: self._on_datagram}.get(found.protocol)
            if handler is not None:
                handler(found)
        return True

    def _put(self, frame: bytes) -> None:
        if len(self._frames) < QUEUE:
            self._frames.append(frame)

    def _on_arp(self, frame: bytes) -> None:
        """Who has our address."""
        if len(frame) < packets.ETHERNET.size + ARP_BODY.size:
            return
        kind, protocol, length, size, what, sender, source, _, wanted = ARP_BODY.unpack_from(
            frame, packets.ETHERNET.size
        )
        if (kind, protocol, length, size, what, wanted) == (1, packets.IPV4, 6, 4, 1, ADDRESS):
            body = ARP_BODY.pack(1, packets.IPV4, 6, 4, 2, MAC, ADDRESS, sender, source)
            self._put(packets.frame(sender, MAC, packets.ARP, body))

    def _on_datagram(self, found: Packet) -> None:
        length = len(found.body) - packets.UDP_HEADER.size
        self.datagrams += max(length, 0)
        if length == 0:
            self._report("udp_bytes", self.datagrams)

    # ---- TCP

    def _on_segment(self, found: Packet) -> None:
        if len(found.body) < HEADER.size:
            return
        port, own, number, _, bits, _, _, _ = HEADER.unpack_from(found.body)
        key, start = (found.source, port, own), (bits >> 12) * 4
        if bits & SYN and (key in self._connections or len(self._connections) < CONNECTIONS):
            self._connections[key] = Connection(found.sender, number + 1 & packets.EVERYBODY)
            self._segment(key, self._connections[key], SYN | ACK, FIRST, OPTIONS)
        elif key not in self._connections or bits & RST:
            self._connections.pop(key, None)
        else:
            self._take(key, self._connections[key], number, len(found.body) - start, bits)

    def _take(self, key: tuple[int, int, int], each: Connection, number: int, length: int, bits: int) -> None:
        """A segment of a connection; what is not the next one is answered with what is wanted."""
        if number != each.got:
            self._say(key, each)
            return
        if length > 0:
            each.got = each.got + length & packets.EVERYBODY
            self.streamed += length
            each.owed += 1
            each.due = min(each.due, self._clock.now + self._delay)
        if bits & FIN:
            each.got = each.got + 1 & packets.EVERYBODY
            self._report("tcp_bytes", self.streamed)
            self._segment(key, each, FIN | ACK, each.own)
            del self._connections[key]
        elif each.owed > 1:
            self._say(key, each)

    def _say(self, key: tuple[int, int, int], each: Connection) -> None:
        each.owed, each.due = 0, NEVER
        self._segment(key, each, ACK, each.own)

    def _segment(
        self, key: tuple[int, int, int], each: Connection, flags: int, number: int, options: bytes = b""
    ) -> None:
        address, port, own = key
        bits = (HEADER.size + len(options)) // 4 << 12 | flags
        bare = HEADER.pack(own, port, number, each.got, bits, WINDOW, 0, 0) + options
        sum_ = packets.checksum(packets.pseudo(ADDRESS, address, packets.TCP, len(bare)) + bare)
        segment = bare[:16] + sum_.to_bytes(2, "big") + bare[18:]
        self._put(packets.packet(each.sender, MAC, ADDRESS, address, packets.TCP, segment))


def main(port: Port) -> None:
    """Take all that comes, for ever."""
    kernels = [end for end in port.connections.kernels.values() if end.kind == "net"]
    sink = Sink(port.report, port.hz, port)
    NetBack(port.connections, None, port, port.print, kernels=kernels, gateway=sink).run()
