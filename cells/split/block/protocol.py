"""Class "block": what a disk's front and back end say to each other.

A request moves at most one buffer of 4 KiB; the slot's buffer carries what is written or read. A write that is answered is on
the device, so that a back end may die at once. All requests may be repeated without harm, and are: a request
without an answer has happened not at all, once or twice, but always in its place in the order.

| operation | body | data | answer |
|---|---|---|---|
| IDENTIFY | | | sectors, sector size, flags |
| READ | first sector, count | | the sectors |
| WRITE | first sector, count | the sectors | |
| FLUSH | | | |
"""

from __future__ import annotations

import struct
from enum import IntEnum

from cells.split.ring import Layout

PAGE = 4096
PAGES = 17
BUFFER = PAGE
LAYOUT = Layout(offset=0, slots=16, buffers=PAGE, buffer_size=BUFFER)


class Operation(IntEnum):
    """What a client may ask."""

    IDENTIFY = 1
    READ = 2
    WRITE = 3
    FLUSH = 4


EXTENT = struct.Struct("<QII")
"""First sector, count, and a word that must be 0."""
IDENTITY = struct.Struct("<QII")
"""Sectors, bytes of a sector, flags."""
FLAG_READ_ONLY = 1
FLAG_VOLATILE = 2
"""The content does not outlive the back end."""
