"""The checksum that a kernel leaves to its network device: of TCP or UDP in an IPv4 packet.

Theory: the sum of 16-bit words in ones' complement is their number modulo 65535 (RFC 1071), which Python computes of a whole
packet at once. The kernel has put the pseudo header's part where the checksum belongs; here everything is summed anew.
"""

from __future__ import annotations

ETHERNET = 14
IPV4 = b"\x08\x00"
PLACES = {6: (16, 20), 17: (6, 8)}
"""Protocol -> where its checksum is, and the least bytes of its header (RFC 9293, RFC 768)."""
FRAGMENT = 0x3FFF
"""Of the word at 6: more fragments, and the offset (RFC 791)."""


class NoSuchPacketError(ValueError):
    """Not a whole packet of a known protocol."""


def filled(frame: bytes) -> bytes:
    """The frame with its checksum.

    Raises:
        NoSuchPacketError: it has none that could be computed.
    """
    start = ETHERNET + 4 * (frame[ETHERNET] & 15) if len(frame) > ETHERNET else 0
    if frame[12:14] != IPV4 or frame[ETHERNET] >> 4 != 4 or start < ETHERNET + 20 or len(frame) < start:
        raise NoSuchPacketError("a frame without its checksum that is no IPv4 packet")
    end = ETHERNET + int.from_bytes(frame[16:18], "big")
    protocol = frame[23]
    if protocol not in PLACES or int.from_bytes(frame[20:22], "big") & FRAGMENT:
        raise NoSuchPacketError("a packet without its checksum that is neither TCP nor UDP, or only a part")
    place, least = PLACES[protocol]
    if not start + least <= end <= len(frame):
        raise NoSuchPacketError("a packet without its checksum that does not fit its frame")
    body = bytearray(frame[start:end])
    body[place : place + 2] = b"\0\0"
    pseudo = frame[26:34] + bytes((0, protocol)) + (end - start).to_bytes(2, "big")
    total = int.from_bytes(pseudo + body + b"\0" * (len(body) % 2), "big") % 0xFFFF
    value = 0xFFFF - total or 0xFFFF  # a sum of 0 is written as all ones; 65535 and 0 are the same number there
    return frame[: start + place] + value.to_bytes(2, "big") + frame[start + place + 2 :]
