"""Class "input": what the front and back end of a touch screen or of keys say to each other.

The client hands over requests, and the back end answers each with an event when there is one. An event that was answered
is with the client, even if the back end dies; events that waited in a back end that died are lost.

| operation | answer |
|---|---|
| NEXT | time in cycles, kind, x, y, code |
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from cells.split.ring import HEADER_SIZE, SLOT, Layout

PAGES = 1
SLOTS = 32
LAYOUT = Layout(offset=0, slots=SLOTS, buffers=HEADER_SIZE + SLOTS * SLOT.size, buffer_size=0)
EVENT = struct.Struct("<Q4H")


class Operation(IntEnum):
    """What a client may ask."""

    NEXT = 1


class Kind(IntEnum):
    """What happened. LOST: `code` events before this one were not taken in time."""

    DOWN = 1
    MOVE = 2
    UP = 3
    KEY = 4
    LOST = 5


class Event(NamedTuple):
    """Something that a person did, and when. x and y: pixels of a screen of 320 x 240. `code`: of a key."""

    time: int
    kind: int
    x: int = 0
    y: int = 0
    code: int = 0
