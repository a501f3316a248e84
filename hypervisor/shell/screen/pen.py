"""The mouse as a pen on a touch screen: down, moves, up, in this order, moves no more often than a panel is read."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from hypervisor.shell.observer import Observer
from hypervisor.shell.screen.keys import Mouse

MOVE_S = 0.02
"""Between two moves: a panel is read some 50 times a second."""


class Spot(NamedTuple):
    """A place of the panel, and whether the mouse is really there."""

    x: int
    y: int
    inside: bool


class Pen:
    """One pen on one touch screen. What it does is told in the background, in order."""

    def __init__(self, run: Observer, device: str) -> None:
        self._run, self._device = run, device
        self._down = False
        self._at = (0, 0)
        self._moved: asyncio.TimerHandle | None = None

    def take(self, mouse: Mouse, spot: Spot) -> None:
        """The mouse was pressed, moved while down, or let go."""
        if not mouse.down:
            if self._down:
                self._at = spot[:2]
                self._up()
        elif self._down:
            self._at = spot[:2]
            if self._moved is None:
                self._moved = asyncio.get_running_loop().call_later(MOVE_S, self._move)
        elif spot.inside and not mouse.moved:
            self._down, self._at = True, spot[:2]
            self._say(down=True)

    def _move(self) -> None:
        self._moved = None
        self._say(down=True)

    def _up(self) -> None:
        self._down = False
        if self._moved is not None:
            self._moved.cancel()
            self._move()
        self._say(down=False)

    def _say(self, *, down: bool) -> None:
        self._run.tell("touch", device=self._device, x=self._at[0], y=self._at[1], down=down)

    async def lift(self) -> None:
        """Nobody is there any more: the pen is up, and the run knows.

        Raises:
            OperatorError: the run does not answer.
        """
        if self._down:
            self._up()
            await self._run.ask("displays")
