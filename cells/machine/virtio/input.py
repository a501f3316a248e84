"""Virtio input device (Virtual I/O Device, OASIS, version 1.2, 5.8): a touch screen, with the keys that its driver domain has.

Theory: the driver hands over buffers of one event each. What happens when it has none is kept, at most `KEPT` events; then all
of it is dropped, and SYN_DROPPED says so. The configuration space answers one question at a time, chosen by its first two bytes.
"""

from __future__ import annotations

import struct
from collections import deque

from cells.flavours import Link
from cells.machine.virtio.function import Function, alive
from cells.machine.virtio.mmio import Mmio
from cells.machine.virtio.queue import Chain
from cells.split.asking import Asking
from cells.split.ends import Clock, Outcome
from cells.split.input.evdev import (
    ABS_X,
    ABS_Y,
    BTN_TOUCH,
    EV_ABS,
    EV_KEY,
    EV_SYN,
    MOST,
    SYN_DROPPED,
    SYN_REPORT,
    Change,
    changes,
)
from cells.split.input.protocol import EVENT, LAYOUT, SLOTS, Event, Operation
from cells.split.ring import Response

EVENTQ, STATUSQ = 0, 1
DESCRIPTORS = 64
RECORD = struct.Struct("<HHI")
"""Type, code, value (5.8.6)."""
NAME, IDS, PROPERTIES, BITS, AXIS = 0x01, 0x03, 0x10, 0x11, 0x12
"""Questions to the configuration space (5.8.5)."""
TITLE = b"Cellvisor touch screen"
IDENTITY = struct.pack("<4H", 0x19, 0, 0, 1)
"""Bus (BUS_HOST), vendor, product, version."""
INPUT_PROP_DIRECT = 1 << 1
KEYS = 1 << BTN_TOUCH | (1 << 0x100) - 2
"""A finger, and every key of a keyboard (codes 1 to 255): what a KEY event may carry."""
KEPT = 256
_ANSWER = 8
_LONGEST = 128


def _bits(word: int) -> bytes:
    """A set of bits, as few bytes as hold it."""
    return word.to_bytes(-(-word.bit_length() // 8), "little")


def _axis(most: int) -> bytes:
    return struct.pack("<5I", 0, most, 0, 0, 0)


ANSWERS: dict[tuple[int, int], bytes] = {
    (NAME, 0): TITLE,
    (IDS, 0): IDENTITY,
    (PROPERTIES, 0): _bits(INPUT_PROP_DIRECT),
    (BITS, EV_KEY): _bits(KEYS),
    (BITS, EV_ABS): _bits(1 << ABS_X | 1 << ABS_Y),
    **{(AXIS, axis): _axis(most) for axis, most in MOST.items()},
}
"""Question and its object -> answer; nothing to any other."""


class Input(Function):
    """One touch screen."""

    ident = 18
    queues: tuple[int, ...] = (DESCRIPTORS, DESCRIPTORS)

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._asking: Asking
        self._asked = (0, 0)
        self._room: deque[Chain] = deque()
        self._kept: deque[Change] = deque()

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """See `Function`."""
        super().attach(link, clock, patience)
        self._asking = Asking(link, LAYOUT, clock)

    # ---- what it is

    def features(self) -> int:
        """See `Function`."""
        return 0

    def config(self) -> bytes:
        """See `Function`: the question, the answer's length, five bytes of nothing, the answer."""
        answer = ANSWERS.get(self._asked, b"")[:_LONGEST]
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

    def _heard(self, response: Response | None) -> None:
        if response is None or response.status != Outcome.OK or len(response.body) < EVENT.size:
            return
        found = changes(Event(*EVENT.unpack_from(response.body)))
        if len(self._kept) + len(found) > KEPT:
            self._kept.clear()
            found = [(EV_SYN, SYN_DROPPED, 0), (EV_SYN, SYN_REPORT, 0)]
        self._kept += found

    def _deliver(self) -> None:
        """Give the driver what has happened, and ask for more while it takes it."""
        while self._kept and self._room:
            chain = self._room.popleft()
            if chain.live:
                self._give_back(EVENTQ, chain, chain.write(0, RECORD.pack(*self._kept.popleft())))
        while self._room and not self._asking.broken and self._asking.outstanding < SLOTS:
            self._asking.ask(Operation.NEXT, b"", b"", self._heard, kick=False)
        self._asking.kick(SLOTS // 2)

    # ---- the other end

    def progress(self) -> None:
        """The driver domain may have answered."""
        self._asking.progress()
        self._deliver()

    def forget(self) -> None:
        """See `Function`."""
        self._room = alive(self._room)
        self._kept.clear()
