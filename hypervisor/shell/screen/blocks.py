"""Pictures of half blocks: each character shows two pixels, the upper one in the letter's colour, the lower one behind it.

Any terminal with colours shows them: 24 bits of colour where it has that, else the 256 colours of xterm (a cube of 6 x 6 x 6
and 24 greys). Only characters that are not as before are sent.

    blocks = Blocks(true_colour=True)
    terminal.show(blocks.draw(picture, row=2, column=10))       # the picture has two pixels for each line of text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise

from hypervisor.shell.picture import PIXEL, Picture

UPPER_HALF = "\N{UPPER HALF BLOCK}"
NEAR = 3
"""Unchanged characters that are rather sent again than jumped over."""
CUBE = (0, 95, 135, 175, 215, 255)
"""The six steps of each colour in xterm's 256."""
GREYS = 24

Colour = Callable[[bytes], str]


class Blocks:
    """Draws one picture after another in the same place."""

    def __init__(self, *, true_colour: bool) -> None:
        self._colour: Colour = _true if true_colour else _of_256
        self._before: list[bytes] = []
        self._place = (0, 0, 0)

    def forget(self) -> None:
        """Nothing of what was drawn is there any more."""
        self._before = []

    def draw(self, picture: Picture, row: int, column: int) -> bytes:
        """What is to be sent to have the picture there; rows and columns are counted from 1."""
        if (row, column, picture.width) != self._place:
            self._place, self._before = (row, column, picture.width), []
        lines = list(_lines(picture))
        before = self._before if len(self._before) == len(lines) else [b""] * len(lines)
        drawn = [
            self._line(line, old, row + number, column)
            for number, (line, old) in enumerate(zip(lines, before, strict=True))
            if line != old
        ]
        self._before = lines
        return ("".join(drawn) + "\x1b[m").encode() if drawn else b""

    def _line(self, line: bytes, old: bytes, row: int, column: int) -> str:
        text, upper, lower = [], "", ""
        for first, last in _changed(line, old):
            text.append(f"\x1b[{row};{column + first}H")
            for at in range(first * CELL, last * CELL, CELL):
                above, below = self._colour(line[at : at + PIXEL]), self._colour(line[at + PIXEL : at + CELL])
                if below != lower:
                    text.append(f"\x1b[48;{below}m")
                    lower = below
                if above == below:
                    text.append(" ")
                    continue
                if above != upper:
                    text.append(f"\x1b[38;{above}m")
                    upper = above
                text.append(UPPER_HALF)
        return "".join(text)


CELL = 2 * PIXEL
"""Bytes of a character: the pixel above, the pixel below."""


def _lines(picture: Picture) -> Iterator[bytes]:
    """For each line of text the pixels of both its lines, by turns."""
    stride = PIXEL * picture.width
    rows = [picture.pixels[at : at + stride] for at in range(0, len(picture.pixels), stride)]
    if len(rows) % 2:
        rows.append(bytes(stride))
    for above, below in zip(rows[0::2], rows[1::2], strict=True):
        line = bytearray(2 * stride)
        for colour in range(PIXEL):
            line[colour::CELL] = above[colour::PIXEL]
            line[PIXEL + colour :: CELL] = below[colour::PIXEL]
        yield bytes(line)


def _changed(line: bytes, old: bytes) -> Iterator[tuple[int, int]]:
    """Stretches of characters that are not as before: (first, behind the last)."""
    count = len(line) // CELL
    differing = [at for at in range(count) if line[at * CELL : (at + 1) * CELL] != old[at * CELL : (at + 1) * CELL]]
    first = differing[0]
    for one, following in pairwise([*differing, count + 2 * NEAR]):
        if following - one > NEAR:
            yield first, one + 1
            first = following


def _true(colour: bytes) -> str:
    red, green, blue = colour
    return f"2;{red};{green};{blue}"


@lru_cache(1 << 14)
def _of_256(colour: bytes) -> str:
    """The nearest of xterm's 256 colours."""
    cube = [min(range(6), key=lambda step, part=part: abs(CUBE[step] - part)) for part in colour]  # type: ignore[misc]
    grey = min(max((sum(colour) // PIXEL - 8 + 5) // 10, 0), GREYS - 1)
    of_cube = sum(abs(CUBE[step] - part) for step, part in zip(cube, colour, strict=True))
    of_grey = sum(abs(8 + 10 * grey - part) for part in colour)
    red, green, blue = cube
    return f"5;{232 + grey}" if of_grey < of_cube else f"5;{16 + 36 * red + 6 * green + blue}"
