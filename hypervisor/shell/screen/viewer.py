"""A display of a running topology in this terminal, until its person leaves, the run ends, or the terminal goes away.

The run is asked for the next picture when the one before has been written: a slow terminal gets fewer pictures, and holds
nobody up. The mouse is the pen: pressed on the picture it touches, dragged it moves, no more often than the eye sees.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hypervisor.shell.client import OperatorError, RunEnded
from hypervisor.shell.human import printable
from hypervisor.shell.inputs import TOUCH_RANGE
from hypervisor.shell.observer import Observer, Sight
from hypervisor.shell.picture import Picture
from hypervisor.shell.runtime_dir import Address
from hypervisor.shell.screen import kitty
from hypervisor.shell.screen.blocks import Blocks
from hypervisor.shell.screen.keys import Leave, Mouse
from hypervisor.shell.screen.pen import Pen, Spot
from hypervisor.shell.screen.scale import fit, scale
from hypervisor.shell.screen.sixel import Sixels
from hypervisor.shell.screen.tty import CUT, PIXEL_MOUSE, Abilities, Tty

MOST_SIXELS = 2
"""How much larger than the display a picture of sixels gets at most: each doubling costs four times the bytes."""
SPEED_S = 1.0
"""Stretch of host time of which speed and frames per second are told."""


class Protocol(StrEnum):
    """How pictures are shown."""

    auto = "auto"
    blocks = "blocks"
    sixel = "sixel"
    kitty = "kitty"


def best(abilities: Abilities) -> Protocol:
    """What a terminal does best."""
    return Protocol.kitty if abilities.kitty else Protocol.sixel if abilities.sixel else Protocol.blocks


@dataclass(frozen=True)
class Place:
    """Where the picture is: characters from (row, column), counted from 1, so many columns and rows, and in pixels of its own."""

    row: int
    column: int
    columns: int
    rows: int
    width: int
    height: int


def place(picture: Picture, size: tuple[int, int], protocol: Protocol, cell: tuple[int, int]) -> Place:
    """The picture in the middle of a terminal of `size` columns and rows, whose last row says more; as large as fits."""
    columns, rows = size[0], max(size[1] - 1, 1)
    across, down = (1, 2) if protocol is Protocol.blocks else cell
    room = columns * across, rows * down
    if protocol is Protocol.sixel:
        room = min(room[0], MOST_SIXELS * picture.width), min(room[1], MOST_SIXELS * picture.height)
    # A character is about twice as high as wide, and so is a pair of half blocks square.
    width, height = fit(picture.width, picture.height, *room)
    taken = min(-(-width // across), columns), min(-(-height // down), rows)
    return Place((rows - taken[1]) // 2 + 1, (columns - taken[0]) // 2 + 1, *taken, width, height)


class Viewer:
    """Shows one display of one run."""

    def __init__(self, tty: Tty, run: Observer, display: dict[str, Any], touch: str, abilities: Abilities) -> None:
        self._tty, self._run, self._abilities = tty, run, abilities
        self._display, self._pen = display["name"], Pen(run, touch) if touch else None
        self.protocol = Protocol.blocks
        self._blocks, self._sixels = Blocks(true_colour=abilities.true_colour), Sixels()
        self._picture: Picture | None = None
        self._place: Place | None = None
        self._size = tty.size()
        self._hz = 1
        self._marks: deque[tuple[float, int, int]] = deque(maxlen=64)
        self._left = asyncio.Event()
        self._sight: Sight | None = None
        self._writing = asyncio.Lock()
        self._repaint: asyncio.Task[None] | None = None
        self.gone = False
        """The terminal is."""

    async def show(self, protocol: Protocol) -> None:
        """Until it is over."""
        self.protocol = best(self._abilities) if protocol is Protocol.auto else protocol
        status = await self._run.ask("status")
        self._hz, self._title = status["hz"], f"{self._display} of {printable(status['name'])}"
        if self._abilities.pixel_mouse and self._pen:
            await self._tty.show(PIXEL_MOUSE)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._tty.fileno(), self._typed)
        loop.add_signal_handler(signal.SIGWINCH, self._resized)
        loop.add_signal_handler(signal.SIGCONT, self._continued)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._left.set)
        try:
            await self._until_left()
        finally:
            loop.remove_reader(self._tty.fileno())
            if self._pen:
                with suppress(OperatorError):
                    await self._pen.lift()
        if self.protocol is Protocol.kitty:
            with suppress(OSError):
                await asyncio.wait_for(self._tty.show(CUT + kitty.DELETE), 1)

    async def _until_left(self) -> None:
        waits = [
            asyncio.create_task(self._left.wait()),
            asyncio.create_task(self._run.ended.wait()),
            asyncio.create_task(self._pictures()),
        ]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            with suppress(RunEnded):
                task.result()

    async def _pictures(self) -> None:
        seen = 0
        while True:
            sight = await self._run.watch(self._display, seen)
            seen = sight.serial
            if sight.scan is not None and (sight.scan.on or self._picture is not None):
                self._picture = sight.scan.picture()
            self._marks.append((time.monotonic(), sight.now, sight.serial))
            self._sight = sight
            await self._paint(sight, changed=sight.scan is not None)

    async def _paint(self, sight: Sight, *, changed: bool) -> None:
        async with self._writing:
            try:
                # Where that is known, all of it appears at once.
                await self._tty.show(b"\x1b[?2026h" + self._painted(changed) + self._line(sight) + b"\x1b[?2026l")
            except OSError:
                self._lost()

    def _painted(self, changed: bool) -> bytes:
        said, size = b"", self._tty.size()
        if size != self._size or self._place is None:
            self._size, said = size, b"\x1b[m\x1b[2J"
            self._blocks.forget()
        if self._picture is None or not (changed or said):
            return said
        self._place = place(self._picture, size, self.protocol, self._abilities.cell)
        return said + self._drawn(self._picture, self._place)

    def _drawn(self, picture: Picture, at: Place) -> bytes:
        if self.protocol is Protocol.kitty:
            return kitty.draw(picture, at.row, at.column, at.columns, at.rows)
        if self.protocol is Protocol.sixel:
            return self._sixels.draw(picture, at.row, at.column, at.width, at.height)
        return self._blocks.draw(scale(picture, at.width, at.height), at.row, at.column)

    def _line(self, sight: Sight) -> bytes:
        """The last row: what is shown, how fast it goes, how to leave."""
        now = time.monotonic()
        while len(self._marks) > 2 and now - self._marks[0][0] > SPEED_S:
            self._marks.popleft()
        (since, began, first), (last, ended, newest) = self._marks[0], self._marks[-1]
        text = self._title + ("" if self._picture else " (off)") + f"  {sight.now / self._hz:.3f} s"
        if last > since:
            text += f"  {(ended - began) / self._hz / (last - since):.2f}x  {(newest - first) / (last - since):.0f} fps"
        text += "  touch with the mouse" if self._pen else ""
        columns, rows = self._size
        return f"\x1b[{rows};1H\x1b[m\x1b[2m{text + '  q leaves':<{columns}.{columns}}\x1b[m".encode()

    # ---- what the person does

    def _typed(self) -> None:
        events = self._tty.read()
        if events is None:
            self._lost()
            return
        for event in events:
            if isinstance(event, Leave):
                self._left.set()
            elif isinstance(event, Mouse) and self._pen is not None and self._place is not None:
                self._pen.take(event, self._spot(event, self._place))

    def _spot(self, mouse: Mouse, at: Place) -> Spot:
        """Where on the panel that is; half a character or pixel on, for it points at its middle."""
        across, down = self._abilities.cell if self._abilities.pixel_mouse else (1, 1)
        x = (mouse.x - 0.5 - (at.column - 1) * across) / (at.columns * across)
        y = (mouse.y - 0.5 - (at.row - 1) * down) / (at.rows * down)
        panel_x, panel_y = (min(max(int(part * TOUCH_RANGE), 0), TOUCH_RANGE - 1) for part in (x, y))
        return Spot(panel_x, panel_y, inside=0 <= x < 1 and 0 <= y < 1)

    def _resized(self) -> None:
        self._place = None
        if self._sight is not None:
            self._repaint = asyncio.create_task(self._paint(self._sight, changed=True))

    def _continued(self) -> None:
        with suppress(OSError):
            self._tty.begin()
        self._resized()

    def _lost(self) -> None:
        self.gone = True
        self._left.set()


async def view(address: Address, wanted: str | None, protocol: Protocol, tty: Tty) -> None:
    """Show a display of a run in a terminal.

    Raises:
        OperatorError: the run does not answer, or has no such display.
    """
    async with Observer(address) as run:
        display, touch = choose(await run.ask("displays"), wanted)
        viewer = Viewer(tty, run, display, touch, await tty.ask())
        await viewer.show(protocol)


def choose(there: dict[str, Any], wanted: str | None) -> tuple[dict[str, Any], str]:
    """The display that is meant, by default the first that is on, and the touch screen that lies on it ("" if none does).

    Raises:
        OperatorError: there is no such display.
    """
    displays = there["displays"]
    names = ", ".join(display["name"] for display in displays)
    meant = [display for display in displays if wanted in (None, display["name"])]
    if not meant:
        raise OperatorError(
            f'no display is called "{wanted}"; there are: {names}' if names else "the board has no display"
        )
    display = next((one for one in meant if one["on"]), meant[0])
    at = displays.index(display)
    touches = there["touches"]
    return display, touches[min(at, len(touches) - 1)] if touches else ""
