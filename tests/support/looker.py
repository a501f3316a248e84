"""A person who looks at a display in a terminal with colours and a mouse, and a topology that has one.

with Looker("screen", place=place) as looker:
    looker.sees(lambda screen: screen.pixel(50, 10) == (RED, RED))
    looker.click(50, 15)
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.patience import PATIENCE_S
from tests.support.session import Session
from tests.support.terminal import Blocks

COLUMNS, ROWS = 100, 31
"""A picture of 320 x 240 then has 80 x 30 characters, from column 11 on; the last row says more."""
LEFT, WIDTH, HEIGHT = 11, 80, 30
PLAIN = b"\x1b[?62;22c"
"""A terminal that has colours, and no graphics."""


class Looker(Session):
    """`answer`: what the terminal says when it is asked what it can."""

    def __init__(self, *arguments: str, place: Path, answer: bytes = PLAIN) -> None:
        self.raw = b""
        self._answer = answer
        super().__init__(*arguments, place=place, more={"COLORTERM": "truecolor", "TERM": "xterm-256color"})
        self.resize(COLUMNS, ROWS)

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def heard(self, data: bytes) -> None:
        self.raw += data
        super().heard(data)
        if b"\x1b[c" in data:
            os.write(self.terminal, self._answer)

    def screen(self) -> Blocks:
        """What the terminal shows, as far as pictures have come whole."""
        screen = Blocks(self.columns, self.rows)
        whole = self.raw[: max(self.raw.rfind(b"\x1b[?2026l"), 0)]
        screen.feed(whole[max(whole.rfind(b"\x1b[2J"), 0) :])
        return screen

    def sees(self, wanted: Callable[[Blocks], bool]) -> Blocks:
        """Look until it is so."""
        end = time.monotonic() + PATIENCE_S
        while not wanted(self.screen()):
            assert time.monotonic() < end, self.raw[-300:]
            self._read(0.2)
        return self.screen()

    def press(self, column: int, row: int) -> None:
        self.type(f"\x1b[<0;{column};{row}M")

    def click(self, column: int, row: int) -> None:
        self.press(column, row)
        self.type(f"\x1b[<0;{column};{row}m")
