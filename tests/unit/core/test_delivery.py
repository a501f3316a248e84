"""Events on their way: what is said of memory that somebody wrote."""

from __future__ import annotations

import struct

from hypervisor.abi.records import Event, EventKind
from hypervisor.core.delivery import WRITTEN_LIMIT, written

EVERYTHING = Event(9, EventKind.DMA, struct.pack("<QQ", 0, 1 << 20))
TYPED = Event(1, EventKind.CONSOLE, b"x")


def dma(page: int) -> Event:
    return Event(5, EventKind.DMA, struct.pack("<QQ", page << 12, 4096))


def test_the_same_page_is_told_once_and_other_events_stay() -> None:
    waiting = [TYPED]
    for page in (1, 2, 1):
        written(waiting, dma(page), EVERYTHING)
    assert waiting == [TYPED, dma(1), dma(2)]


def test_of_too_many_one_for_everything_is_left_and_covers_what_follows() -> None:
    waiting = [TYPED]
    for page in range(WRITTEN_LIMIT + 5):
        written(waiting, dma(page), EVERYTHING)
    assert waiting == [TYPED, EVERYTHING]
