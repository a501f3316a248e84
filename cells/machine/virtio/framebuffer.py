"""A simple frame buffer: pixels in memory that the kernel shares with a display's driver domain, shown as often as a screen is.

Theory: such a device has no registers and no driver of its own; the kernel's device tree says where the pixels lie (Linux,
Documentation/devicetree/bindings/display/simple-framebuffer.yaml), and whoever draws says nothing. So the picture is looked at
`PER_SECOND` times in a second of virtual time, at times that depend on nothing else, and the lines that have changed are told to
the driver domain. While that has not shown the last ones, nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable

from cells.flavours import Link
from cells.split.asking import Asking
from cells.split.display.protocol import LAYOUT, PICTURE, RECTANGLE, STRIDE, WIDTH, Operation
from cells.split.ends import Clock
from cells.split.ring import Response
from devices.device import State
from devices.registers import RegisterBank, constant

PER_SECOND = 25
"""Pictures in a second: what a film takes for motion. Assumed."""


class FrameBuffer:
    """One screen of `height` lines. `clock`: virtual time in cycles, `hz` in a second."""

    def __init__(self, clock: Callable[[], int], hz: int, height: int) -> None:
        self.state = State()
        self.height = height
        self.registers = RegisterBank([constant("WIDTH", 0, WIDTH), constant("HEIGHT", 4, height)])
        self._clock, self._period = clock, hz // PER_SECOND
        self._next = 0
        self._asking: Asking | None = None
        self._shown = bytes(height * STRIDE)

    def attach(self, link: Link, clock: Clock, _patience: int = 0) -> None:
        """The link to its driver domain is there, and with it the pixels."""
        self._asking = Asking(link, LAYOUT, clock)

    def progress(self) -> None:
        """The driver domain may have answered."""
        if self._asking is not None:
            self._asking.progress()

    def unanswered(self) -> int:
        """Requests that have to be asked again when the driver domain dies."""
        return self._asking.outstanding if self._asking is not None else 0

    # ---- for the bus

    def deadline(self) -> int:
        """When it is looked at next."""
        return self._next

    def advance(self) -> None:
        """Look, if it is time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = (now // self._period + 1) * self._period
        asking = self._asking
        if asking is not None and not asking.outstanding and not asking.broken:
            self._look(asking)

    def _look(self, asking: Asking) -> None:
        """Tell what has changed."""
        picture = bytes(asking.link.memory[PICTURE : PICTURE + self.height * STRIDE])
        if picture == self._shown:
            return
        lines = range(0, len(picture), STRIDE)
        changed = [at for at in lines if picture[at : at + STRIDE] != self._shown[at : at + STRIDE]]
        self._shown = picture
        first, last = changed[0] // STRIDE, changed[-1] // STRIDE
        asking.ask(Operation.FLUSH, RECTANGLE.pack(0, first, WIDTH, last - first + 1), b"", _shown)

    def reset(self) -> None:
        """It is switched on with its cell, and never off."""


def _shown(_response: Response | None) -> None:
    """A part that was refused is shown when it changes again."""
