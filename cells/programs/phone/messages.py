"""What the phone's cells say to each other: 64 bytes, little-endian. `messages.h` is the same for C; a test holds them equal.

Theory: a message is a kind, three words and a text, so that it fits into any message channel and into the registers of none.
Who takes one from a stranger checks it: `Message.unpack` refuses what is no message, and an unknown kind is ignored.

    channel.send(Message(Kind.START, Applet.BOUNCE, *WINDOW.words).pack())
    message = Message.unpack(channel.receive())
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

SIZE = 64
TEXT = 48
"""Bytes of text, NUL-padded; it may fill all of them."""
_LAYOUT = struct.Struct(f"<4I{TEXT}s")
SCREEN_WIDTH, SCREEN_HEIGHT = 320, 240


class Kind(IntEnum):
    """What a message says; words in the order a, b, c."""

    HELLO = 0x01
    """linux -> brew, linux -> amss: I have started (again); say how things are, as if it happened now."""

    START = 0x11
    """linux -> brew: class, x | y << 16, width | height << 16: draw into this rectangle of the screen."""
    STOP = 0x12
    """linux -> brew: class; 0: whichever runs."""
    TOUCH = 0x13
    """linux -> brew: x, y in the rectangle, 1 down or 0 up."""

    STARTED = 0x21
    """brew -> linux: class, 1 it runs or 0 it does not: there is none, or it refused."""
    STOPPED = 0x22
    """brew -> linux: class, 0 in answer to HELLO: none runs; text why, if it did not end well."""
    FRAME = 0x23
    """brew -> linux: frames so far: one is complete in the shared pages."""

    DIAL = 0x31
    """linux -> amss: text number."""
    ANSWER = 0x32
    HANGUP = 0x33

    RINGING = 0x41
    """amss -> linux: text number of the caller."""
    CONNECTED = 0x42
    """amss -> linux: milliseconds since then, text number of the other."""
    ENDED = 0x43
    """amss -> linux: cause (`End`), voice frames sent, voice frames lost."""
    SIGNAL = 0x44
    """amss -> linux: level, 0 to 4."""


class End(IntEnum):
    """Why a call is over."""

    IDLE = 0
    """In answer to HELLO: there is no call."""
    HERE = 1
    THERE = 2
    MISSED = 3
    """It rang, and nobody answered."""
    REFUSED = 4
    """The network did not accept the keystore's answer."""
    BUSY = 5
    """The number is busy, or there is a call already."""


class Applet(IntEnum):
    """Class ids of the applets that come with the phone."""

    BOUNCE = 0x01CE0001
    FILM = 0x01CE0002
    CLOCK = 0x01CE0003


class Rectangle(NamedTuple):
    """A part of the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def words(self) -> tuple[int, int]:
        """As START carries it."""
        return self.x | self.y << 16, self.width | self.height << 16

    @classmethod
    def of(cls, at: int, size: int) -> Rectangle:
        """What two words of a START say.

        Raises:
            ValueError: it is empty, or not inside the screen.
        """
        found = cls(at & 0xFFFF, at >> 16, size & 0xFFFF, size >> 16)
        inside = found.x + found.width <= SCREEN_WIDTH and found.y + found.height <= SCREEN_HEIGHT
        if not (inside and found.width and found.height):
            raise ValueError(f"{found} is not inside the screen")
        return found


WINDOW = Rectangle(0, 22, 320, 186)
"""What the user interface leaves to an applet."""


class Message(NamedTuple):
    """One message. `kind` is a plain number: who receives one may not know it."""

    kind: int
    a: int = 0
    b: int = 0
    c: int = 0
    text: str = ""

    def pack(self) -> bytes:
        """64 bytes.

        Raises:
            ValueError: a word or the text does not fit.
        """
        text = self.text.encode()
        words = (self.kind, self.a, self.b, self.c)
        if len(text) > TEXT or not all(0 <= word <= 0xFFFF_FFFF for word in words):
            raise ValueError(f"does not fit into a message: {self}")
        return _LAYOUT.pack(*words, text)

    @classmethod
    def unpack(cls, data: bytes) -> Message:
        """The message in 64 bytes; a text that is not UTF-8 keeps its readable part.

        Raises:
            ValueError: another size.
        """
        if len(data) != SIZE:
            raise ValueError(f"a message has {SIZE} bytes, not {len(data)}")
        kind, a, b, c, text = _LAYOUT.unpack(data)
        return cls(kind, a, b, c, text.partition(b"\0")[0].decode(errors="replace"))
