"""The requests and responses of a kernel's disk: layouts of blkif on ARM, read without believing a word.

Facts from public/io/blkif.h: a request has 112 bytes, in the layout of a machine that aligns 64-bit words (protocol "arm-abi"):

```
0 operation   1 segments   2 handle   8 identity   16 first sector   24 eleven segments of (grant, first sector, last sector)
```

A response is (identity, operation, status). Sectors have 512 bytes, and a segment lies in one page.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

SECTOR = 512
ENTRY = 112
MOST_SEGMENTS = 11
PAGE_SECTORS = 8
_HEAD = Struct("<BBH4xQQ")
_SEGMENTS = Struct("<" + "IBB2x" * MOST_SEGMENTS)
RESPONSE = Struct("<QBxh4x")


class Operation(IntEnum):
    """What a front end may ask of this back end."""

    READ = 0
    WRITE = 1
    FLUSH = 3


class Answer(IntEnum):
    """Status of a response."""

    OKAY = 0
    ERROR = -1
    NOT_SUPPORTED = -2


class Segment(NamedTuple):
    """Bytes of a granted page."""

    reference: int
    offset: int
    length: int


class Request(NamedTuple):
    """One request; `wrong` says what makes no sense in it, "" for nothing."""

    operation: int
    identity: int
    sector: int
    segments: tuple[Segment, ...]
    wrong: str = ""

    @property
    def length(self) -> int:
        """Bytes to move."""
        return sum(segment.length for segment in self.segments)


def parse(slot: bytes) -> Request:
    """The request in a slot, whatever its bytes are."""
    operation, count, _handle, identity, sector = _HEAD.unpack_from(slot)
    if operation not in _MOVING:
        return Request(operation, identity, sector, ())
    if count > MOST_SEGMENTS or (not count and operation != Operation.FLUSH):
        return Request(operation, identity, sector, (), f"{count} segments")
    words = _SEGMENTS.unpack_from(slot, _HEAD.size)
    segments = []
    for number in range(count):
        reference, first, last = words[3 * number : 3 * number + 3]
        if not first <= last < PAGE_SECTORS:
            return Request(operation, identity, sector, (), f"sectors {first} to {last} of a page")
        segments.append(Segment(reference, first * SECTOR, (last - first + 1) * SECTOR))
    return Request(operation, identity, sector, tuple(segments))


_MOVING = frozenset(Operation)
