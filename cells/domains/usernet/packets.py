"""Frames of Ethernet with ARP, IPv4, ICMP and UDP in them: read with every field checked, and written.

Theory: RFC 826 (ARP), 791 (IPv4), 792 (ICMP), 768 (UDP), 1071 (the checksum: the number of all 16-bit words modulo 65535).

>>> checksum(bytes(20) + b"\\xff\\xff")
0
"""

from __future__ import annotations

import struct
from typing import NamedTuple

IPV4, ARP = 0x0800, 0x0806
ICMP, TCP, UDP = 1, 6, 17
BROADCAST = b"\xff" * 6
EVERYBODY = 0xFFFFFFFF
ETHERNET = struct.Struct(">6s6sH")
ARP_BODY = struct.Struct(">HHBBH6sI6sI")
IP_HEADER = struct.Struct(">BBHHHBBHII")
UDP_HEADER = struct.Struct(">HHHH")
FRAGMENT = 0x3FFF
"""More fragments, and the offset."""
SHORTEST = 60
"""Bytes of a frame without its checksum (IEEE 802.3)."""
TIME_TO_LIVE = 64


class Packet(NamedTuple):
    """An IPv4 packet that is whole and well formed. `sender`: the address of the interface that sent it."""

    sender: bytes
    source: int
    destination: int
    protocol: int
    body: bytes


def checksum(data: bytes) -> int:
    """Of RFC 1071: what makes the sum of all words come out as none."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return (0xFFFF - total % 0xFFFF) % 0xFFFF if total else 0xFFFF


def right(data: bytes) -> bool:
    """Whether data that holds its own checksum is as it was sent."""
    return int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF == 0


def pseudo(source: int, destination: int, protocol: int, length: int) -> bytes:
    """What TCP and UDP sum up beside themselves."""
    return struct.pack(">IIHH", source, destination, protocol, length)


def frame(to: bytes, sender: bytes, kind: int, body: bytes) -> bytes:
    """A frame, as long as it has to be."""
    return (ETHERNET.pack(to, sender, kind) + body).ljust(SHORTEST, b"\0")


def read_packet(data: bytes) -> Packet | None:
    """The packet in a frame; None if that is none, or only a part of one."""
    if len(data) < ETHERNET.size + IP_HEADER.size:
        return None
    _, sender, kind = ETHERNET.unpack_from(data)
    first, _, length, _, part, _, protocol, _, source, destination = IP_HEADER.unpack_from(data, ETHERNET.size)
    header, start = 4 * (first & 15), ETHERNET.size
    if (
        kind != IPV4
        or first >> 4 != 4
        or part & FRAGMENT
        or not IP_HEADER.size <= header <= length <= len(data) - start
    ):
        return None
    if sender[0] & 1 or not right(data[start : start + header]):
        return None
    return Packet(sender, source, destination, protocol, data[start + header : start + length])


def packet(to: bytes, sender: bytes, source: int, destination: int, protocol: int, body: bytes) -> bytes:
    """A frame with an IPv4 packet. It is never divided, so it needs no number (RFC 6864)."""
    length = IP_HEADER.size + len(body)
    fields = (0x45, 0, length, 0, 0x4000, TIME_TO_LIVE, protocol)
    bare = IP_HEADER.pack(*fields, 0, source, destination)
    return frame(to, sender, IPV4, IP_HEADER.pack(*fields, checksum(bare), source, destination) + body)


def read_datagram(found: Packet) -> tuple[int, int, bytes] | None:
    """Ports and data of UDP; None if it is not as it was sent."""
    body = found.body
    if len(body) < UDP_HEADER.size:
        return None
    source, destination, length, sum_ = UDP_HEADER.unpack_from(body)
    if not UDP_HEADER.size <= length <= len(body):
        return None
    body = body[:length]
    if sum_ and not right(pseudo(found.source, found.destination, UDP, length) + body):
        return None
    return source, destination, body[UDP_HEADER.size :]


def datagram(source: tuple[int, int], destination: tuple[int, int], data: bytes) -> bytes:
    """UDP between (address, port) and (address, port)."""
    length = UDP_HEADER.size + len(data)
    bare = UDP_HEADER.pack(source[1], destination[1], length, 0) + data
    sum_ = checksum(pseudo(source[0], destination[0], UDP, length) + bare) or 0xFFFF
    return UDP_HEADER.pack(source[1], destination[1], length, sum_) + data


def dotted(address: int) -> str:
    """As people write it.

    >>> dotted(0x0A000202)
    '10.0.2.2'
    """
    return ".".join(str(part) for part in address.to_bytes(4, "big"))
