"""The requests and responses of a kernel's network interface: layouts of netif, version 1, read without believing a word.

Facts from public/io/netif.h: two rings. A frame to send is one request or several that follow each other; the first one's size is
the whole frame's. A slot behind a request can carry more about the frame (a length for segmentation, for example), which this
back end does not offer. Room for a frame to receive is a request with a page.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

TX_REQUEST = Struct("<IHHHH")
"""grant, offset, flags, identity, size."""
TX_RESPONSE = Struct("<Hh")
"""identity, status."""
RX_REQUEST = Struct("<H2xI")
"""identity, grant."""
RX_RESPONSE = Struct("<HHHh")
"""identity, offset, flags, length or status."""
EXTRA = Struct("<BB6x")
"""type, flags: one more follows (1)."""
EXTRA_MORE = 1
MOST_EXTRAS = 5
"""Types of them that there are."""


class TxFlag(IntFlag):
    """Flags of a request to send."""

    CHECKSUM_BLANK = 1
    DATA_VALIDATED = 2
    MORE_DATA = 4
    EXTRA_INFO = 8


DATA_VALIDATED = 1
"""Flag of a received frame: its checksum is known to be right. (2, "blank", would have the guest compute it.)"""


class Answer(IntEnum):
    """Status of a response."""

    OKAY = 0
    ERROR = -1
    DROPPED = -2
    NULL = 1
    """Of a slot that was no request."""
