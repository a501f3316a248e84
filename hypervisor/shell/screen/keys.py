"""What a terminal sends: keys, the mouse (SGR reports), and answers to questions; bytes in, events out.

    keys = Keys()
    for event in keys.feed(os.read(0, 4096)):
        ...                                 # Leave, Mouse, or Answer

Control functions are told apart as ECMA-48 says: CSI ... final byte, and strings from ESC P, _ or ] up to ESC \\ or BEL. What is
incomplete waits for the rest; what is none of these is a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LEAVING = frozenset(b"qQ\x03\x04\x1d")
"""q, Ctrl-C, Ctrl-D, Ctrl-]."""
LONGEST = 4096
"""Bytes that wait for the end of a control function; more is thrown away."""
_TOKEN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[P_\]X^].*?(?:\x1b\\|\x07)|[ -/]*[0-OQ-WYZ`-~\\])|[^\x1b]", re.DOTALL)
_MOUSE = re.compile(rb"\x1b\[<(\d{1,6});(\d{1,6});(\d{1,6})([Mm])")
_MOTION, _OTHERS = 32, 64 | 128
"""Bits of a report's first number: the mouse moves; wheel and further buttons. The lowest two: which button, 3 for none."""


class Leave:
    """The person wants to go."""


@dataclass(frozen=True)
class Mouse:
    """The first button at a place of the screen (from 1, in characters or pixels): pressed, moved while down, or let go."""

    x: int
    y: int
    down: bool
    moved: bool


@dataclass(frozen=True)
class Answer:
    """What the terminal says when asked, as it came."""

    text: bytes


Event = Leave | Mouse | Answer


class Keys:
    """Reads one terminal."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """What these bytes complete."""
        data, self._waiting = self._waiting + data, b""
        at = 0
        while at < len(data):
            token = _TOKEN.match(data, at)
            if token is None:
                self._waiting = data[at:] if len(data) - at <= LONGEST else b""
                return
            at = token.end()
            event = _event(token[0])
            if event is not None:
                yield event


def _event(token: bytes) -> Event | None:
    if len(token) == 1:
        return Leave() if token[0] in LEAVING else None
    mouse = _MOUSE.fullmatch(token)
    if mouse is None:
        return Answer(token)
    button, x, y = (int(number) for number in mouse.groups()[:3])
    if button & _OTHERS or button & 3:
        return None
    return Mouse(x, y, down=mouse[4] == b"M", moved=bool(button & _MOTION))
