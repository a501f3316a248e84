"""Class "display": what the front and back end of a screen say to each other.

Behind the ring's page lies the picture: 320 x 240 pixels of 16 bits (5:6:5, red highest), in the client's own memory. A
flush says which part of it has changed. It may be repeated without harm; a new back end shows the whole picture first.

| operation | body | answer |
|---|---|---|
| IDENTIFY | | width, height, bytes of a line |
| FLUSH | x, y, width, height | |
"""

from __future__ import annotations

import struct
from enum import IntEnum

from cells.split.ring import Layout

PAGE = 4096
PAGES = 41
WIDTH, HEIGHT, PIXEL = 320, 240, 2
STRIDE = WIDTH * PIXEL
PICTURE = PAGE
LAYOUT = Layout(offset=0, slots=16, buffers=PAGE, buffer_size=0)
RECTANGLE = struct.Struct("<4H")
GEOMETRY = struct.Struct("<3H")


class Operation(IntEnum):
    """What a client may ask."""

    IDENTIFY = 1
    FLUSH = 2
