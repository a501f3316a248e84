"""Class "net": what the front and back end of a network interface say to each other.

Two rings: through the first the client sends, through the second it hands over room for what arrives. A frame that is
answered OK has been handed over once: to a network device, or into the room of those it was for; NO_ROOM says that nobody
had any. One that was not answered when the back end died was handed over at least once, or not at all if that end never
saw it; it is sent again, and arrives twice only if the back end died between handing it over and noting that.

| ring | operation | data | answer |
|---|---|---|---|
| send | IDENTIFY | | the interface's address, 6 bytes |
| send | SEND | a frame without checksum | |
| receive | RECEIVE | | a frame, when there is one |
"""

from __future__ import annotations

from enum import IntEnum

from cells.split.ring import Layout

PAGE = 4096
PAGES = 33
SLOTS = 32
BUFFER = 2048
SEND = Layout(offset=0, slots=SLOTS, buffers=PAGE, buffer_size=BUFFER)
RECEIVE = Layout(offset=PAGE // 2, slots=SLOTS, buffers=PAGE + SLOTS * BUFFER, buffer_size=BUFFER)
SHORTEST, LONGEST = 14, 1514
"""Bytes of a frame: two addresses and a type, and 1500 of payload (IEEE 802.3)."""
ADDRESS = 6


class Operation(IntEnum):
    """What a client may ask."""

    IDENTIFY = 1
    SEND = 2
    RECEIVE = 3
