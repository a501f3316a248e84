"""Readers of what runs leave behind, written from the formats' documents and apart from what writes them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple


class Png(NamedTuple):
    """A picture of eight bits and three colours a pixel."""

    width: int
    height: int
    pixels: bytes

    def pixel(self, x: int, y: int) -> tuple[int, ...]:
        return tuple(self.pixels[3 * (y * self.width + x) :][:3])


def read_png(path: Path) -> Png:
    """A PNG file without filters (W3C PNG, 5.2 to 5.4, 11.2); every length and checksum must be right."""
    content, chunks = path.read_bytes(), []
    assert content[:8] == bytes((137, 80, 78, 71, 13, 10, 26, 10))
    at = 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, at + 8 + length)
        assert checksum == zlib.crc32(name + body)
        chunks.append((name, body))
        at += 12 + length
    assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, packing, filters, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    assert (depth, colours, packing, filters, interlaced) == (8, 2, 0, 0, 0)
    lines, stride = zlib.decompress(chunks[1][1]), 3 * width + 1
    assert len(lines) == height * stride
    rows = [lines[at : at + stride] for at in range(0, len(lines), stride)]
    assert {row[0] for row in rows} <= {0}
    return Png(width, height, b"".join(row[1:] for row in rows))


class Packet(NamedTuple):
    """One packet of a capture: nanoseconds, and its bytes."""

    time: int
    data: bytes


def read_pcap(path: Path) -> list[Packet]:
    """A capture file with nanoseconds, of Ethernet frames (draft-ietf-opsawg-pcap, sections 4 and 5)."""
    content = path.read_bytes()
    magic, major, minor, zone, accuracy, longest, link = struct.unpack_from("<IHHiIII", content)
    assert (magic, major, minor, zone, accuracy, link) == (0xA1B23C4D, 2, 4, 0, 0, 1)
    packets, at = [], 24
    while at < len(content):
        seconds, fraction, kept, length = struct.unpack_from("<IIII", content, at)
        assert fraction < 1_000_000_000
        assert kept == length <= longest
        packets.append(Packet(seconds * 1_000_000_000 + fraction, content[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(content)
    return packets
