"""Virtio input device (Virtual I/O Device, OASIS, version 1.2, 5.8): a touch screen, with the keys that its driver domain has."""

from __future__ import annotations

import struct
from typing import ClassVar

from cells.flavours import Link
from cells.machine.virtio.events import AXIS, BITS, IDS, NAME, PROPERTIES, Answers, Events, bits, identity
from cells.machine.virtio.mmio import Mmio
from cells.split.asking import Asking
from cells.split.ends import Clock, Outcome
from cells.split.input.evdev import ABS_X, ABS_Y, BTN_TOUCH, EV_ABS, EV_KEY, MOST, changes
from cells.split.input.protocol import EVENT, LAYOUT, SLOTS, Event, Operation
from cells.split.ring import Response

TITLE = b"Cellvisor touch screen"
INPUT_PROP_DIRECT = 1 << 1
KEYS = 1 << BTN_TOUCH | (1 << 0x100) - 2
"""A finger, and every key of a keyboard (codes 1 to 255): what a KEY event may carry."""


def _axis(most: int) -> bytes:
    return struct.pack("<5I", 0, most, 0, 0, 0)


class Input(Events):
    """One touch screen."""

    answers: ClassVar[Answers] = {
        (NAME, 0): TITLE,
        (IDS, 0): identity(0),
        (PROPERTIES, 0): bits(INPUT_PROP_DIRECT),
        (BITS, EV_KEY): bits(KEYS),
        (BITS, EV_ABS): bits(1 << ABS_X | 1 << ABS_Y),
        **{(AXIS, axis): _axis(most) for axis, most in MOST.items()},
    }

    def __init__(self, mmio: Mmio) -> None:
        super().__init__(mmio)
        self._asking: Asking

    def attach(self, link: Link, clock: Clock, patience: int) -> None:
        """See `Function`."""
        super().attach(link, clock, patience)
        self._asking = Asking(link, LAYOUT, clock)

    def _heard(self, response: Response | None) -> None:
        if response is not None and response.status == Outcome.OK and len(response.body) >= EVENT.size:
            self._keep(changes(Event(*EVENT.unpack_from(response.body))))

    def _deliver(self) -> None:
        """Give the driver what has happened, and ask for more while it takes it."""
        super()._deliver()
        while self._room and not self._asking.broken and self._asking.outstanding < SLOTS:
            self._asking.ask(Operation.NEXT, b"", b"", self._heard, kick=False)
        self._asking.kick(SLOTS // 2)

    def progress(self) -> None:
        """The driver domain may have answered."""
        self._asking.progress()
        super().progress()
