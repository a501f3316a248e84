"""Streams to the host that a network's gateway asks for (hypercall STREAM), and what comes back of them (event STREAM).

A stream is a connection to a port of the host's loopback that the topology names. Its owner numbers it; the monitor knows
which are open. What the host sends is within the room that the owner has given: `ROOM` at the start, then as it says.

>>> NEWS.unpack_from(NEWS.pack(3, News.CAME) + b"hello")
(3, 1)
"""

from __future__ import annotations

import struct
from enum import IntEnum

STREAMS_LIMIT = 16
"""Open streams of one cell. A choice of ours."""
ROOM = 16 << 10
"""Bytes that the host may send before there is more room."""
NEWS = struct.Struct("<IB")
"""Before the bytes of an event: which stream, and what happened to it."""


class StreamCall(IntEnum):
    """What is asked: of a stream, with a number beside it, or with data."""

    OPEN = 0
    SEND = 1
    END = 2
    CLOSE = 3
    GIVE = 4
    WAIT = 5


class News(IntEnum):
    """What happened: it is open, bytes came, no more will come, it is gone."""

    OPENED = 0
    CAME = 1
    ENDED = 2
    BROKEN = 3
