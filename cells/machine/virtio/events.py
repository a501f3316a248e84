"""Virtio input device (Virtual I/O Device, OASIS, version 1.2, 5.8): what a touch screen and a power key have in common.

Theory: the driver hands over buffers of one event each. What happens when it has none is kept, at most `KEPT` events; then all
of it is dropped, and SYN_DROPPED says so. The configuration space answers one question at a time, chosen by its first two bytes.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from typing import ClassVar

from cells.machine.virtio.function import Function, alive
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.queue import Chain
from cells.split.input.evdev import EV_SYN, SYN_DROPPED, SYN_REPORT, Change

EVENTQ, STATUSQ = 0, 1
DESCRIPTORS = 64
RECORD = struct.Struct("<HHI")
"""Type, code, value (5.8.6)."""
NAME, IDS, PROPERTIES, BITS, AXIS = 0x01, 0x03, 0x10, 0x11, 0x12
"""Questions to the configuration space (5.8.5)."""
KEPT = 256
_ANSWER = 8
_LONGEST = 128

Answers = Mapping[tuple[int, int], bytes]
"""Question and its object -> answer; nothing to any other."""


def bits(word: int) -> bytes:
    """A set of bits, as few bytes as hold it."""
    return word.to_bytes(-(-word.bit_length() // 8), "little")


def identity(product: int) -> bytes:
    """Bus (BUS_HOST), vendor, product, version."""
    return struct.pack("<4H", 0x19, 0, product, 1)


class Events(Function):
    """A device to which things happen. `answers`: what it says of itself."""

    ident = 18
    queues: tuple[int, ...] = (DESCRIPTORS, DESCRIPTORS)
    answers: ClassVar[Answers]

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._asked = (0, 0)
        self._room: deque[Chain] = deque()
        self._kept: deque[Change] = deque()

    # ---- what it is

    def features(self) -> int:
        """See `Function`."""
        return 0

    def config(self) -> bytes:
        """See `Function`: the question, the answer's length, five bytes of nothing, the answer."""
        answer = self.answers.get(self._asked, b"")[:_LONGEST]
        return bytes((*self._asked, len(answer))).ljust(_ANSWER, b"\0") + answer.ljust(_LONGEST, b"\0")

    def configure(self, offset: int, value: int) -> None:
        """See `Function`."""
        if offset == 0:
            self._asked = (value & 0xFF, value >> 8 & 0xFF)

    # ---- queues

    def notified(self, index: int) -> None:
        """See `Function`. What the driver says of lamps and sounds goes nowhere."""
        while (chain := self._take(index)) is not None:
            if index == EVENTQ:
                self._room.append(chain)
            else:
                self._give_back(STATUSQ, chain, 0)
        self._deliver()

    def _keep(self, happened: Sequence[Change]) -> None:
        """Something has happened."""
        if len(self._kept) + len(happened) > KEPT:
            self._kept.clear()
            happened = [(EV_SYN, SYN_DROPPED, 0), (EV_SYN, SYN_REPORT, 0)]
        self._kept += happened

    def _deliver(self) -> None:
        """Give the driver what has happened, while it has room."""
        while self._kept and self._room:
            chain = self._room.popleft()
            if chain.live:
                self._give_back(EVENTQ, chain, chain.write(0, RECORD.pack(*self._kept.popleft())))

    # ---- the other end

    def progress(self) -> None:
        """See `Function`."""
        self._deliver()

    def forget(self) -> None:
        """See `Function`."""
        self._room = alive(self._room)
        self._kept.clear()
