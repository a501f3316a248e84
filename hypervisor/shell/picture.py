"""What a display shows: as scanned out of memory (`Scan`), as pixels (`Picture`), as a PNG file.

    scan = Scan.of(device.state, read)          # in the monitor: bytes as they lie there, and how they are to be read
    picture = scan.picture()                    # wherever somebody looks
    Path("now.png").write_bytes(picture.png())

Theory of PNG (W3C PNG, second edition): a signature, then chunks (length, name, content, CRC-32): IHDR with the size, IDAT
with the deflated lines, each behind a byte that names its filter (0: none), IEND.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from devices.framebuffer import FramebufferState, content, frame, from_565, is_on

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2
PIXEL = 3
"""Bytes of a pixel: red, green, blue."""


class Picture(NamedTuple):
    """What a display shows: three bytes for each pixel, red, green, blue, from the top left."""

    width: int
    height: int
    pixels: bytes

    @classmethod
    def of_565(cls, width: int, height: int, data: bytes) -> Self:
        """From pixels of 16 bits (5:6:5, red highest, little-endian), as cells share them."""
        return cls(width, height, from_565(data))

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green, blue of one pixel."""
        red, green, blue = self.pixels[PIXEL * (y * self.width + x) :][:PIXEL]
        return red, green, blue

    def png(self, level: int = -1) -> bytes:
        """As a file. `level`: zlib's effort, 1 for pictures that are looked at once."""
        stride = PIXEL * self.width
        lines = b"".join(b"\x00" + self.pixels[at : at + stride] for at in range(0, stride * self.height, stride))
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, _TRUE_COLOUR, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, level)), (b"IEND", b""))
        return _SIGNATURE + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


class Scan(NamedTuple):
    """A frame as the controller reads it: three of its registers, its palette, and bytes of its owner's memory.

    Cheap to take and to compare with the one before; what the bytes mean is worked out where somebody looks.
    """

    timing: tuple[int, ...]
    control: int
    palette: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, state: FramebufferState, read: Callable[[int, int], bytes]) -> Self:
        """The frame of a display now; `read(address, length)` gives its owner's memory."""
        address, length = content(state)
        return cls(tuple(state.timing), state.control, tuple(state.palette), read(address, length) if length else b"")

    @property
    def on(self) -> bool:
        """Whether anything is shown."""
        return is_on(FramebufferState(control=self.control))

    def head(self) -> dict[str, Any]:
        """All but the bytes, for a message."""
        return {"timing": self.timing, "control": self.control, "palette": self.palette}

    @classmethod
    def from_message(cls, head: Mapping[str, Any], data: bytes) -> Self:
        """What `head` and the bytes beside it were made of.

        Raises:
            KeyError: that is no head.
        """
        return cls(tuple(head["timing"]), head["control"], tuple(head["palette"]), data)

    def picture(self) -> Picture:
        """The pixels."""
        state = FramebufferState(timing=list(self.timing), control=self.control, palette=list(self.palette))
        return Picture(*frame(state, lambda _address, _length: self.data))
