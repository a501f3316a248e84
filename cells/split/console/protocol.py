"""Class "console": what the front and back end of a terminal say to each other.

Two rings in one page: through the first the client writes, through the second it asks for what is typed. Both count what
must not happen twice: a write that is answered has been shown once. One that was not answered when the back end died is
shown at least once, and twice only if the back end died between showing it and noting that.

| ring | operation | data | answer |
|---|---|---|---|
| out | WRITE | at most 80 bytes | |
| in | READ | | at least one byte, as soon as there is one |
"""

from __future__ import annotations

from enum import IntEnum

from cells.split.ring import HEADER_SIZE, SLOT, Layout

PAGES = 1
SLOTS = 16
BUFFER = 80
_HALF = 2048
_SLOTS_END = HEADER_SIZE + SLOTS * SLOT.size
OUT = Layout(offset=0, slots=SLOTS, buffers=_SLOTS_END, buffer_size=BUFFER)
IN = Layout(offset=_HALF, slots=SLOTS, buffers=_HALF + _SLOTS_END, buffer_size=BUFFER)


class Operation(IntEnum):
    """What a client may ask."""

    WRITE = 1
    READ = 2
