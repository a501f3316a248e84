"""What a terminal would show: readers of escape sequences, written from the documents and apart from what writes them.

screen = Blocks(columns=80, rows=24)
screen.feed(data)
screen.pixel(10, 3)         # the colours of the upper and the lower half of a character, None where nothing was drawn
read_sixels(data)           # {(x, y): (red, green, blue) in hundredths}
read_kitty(data)            # [Shown(keys, bytes)]
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from typing import NamedTuple

Colour = tuple[int, int, int] | int | None
"""Red, green, blue; a number of the 256; or the terminal's own."""
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([@-~])|\x1b[P_\]].*?\x1b\\|\x1b.|(.)", re.DOTALL)


class Blocks:
    """Cursor addressing, colours and characters (ECMA-48; ITU T.416 colours as xterm takes them)."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.cells: dict[tuple[int, int], tuple[str, Colour, Colour]] = {}
        self._at = (1, 1)
        self._ink: Colour = None
        self._paper: Colour = None

    def feed(self, data: bytes) -> None:
        for found in _SEQUENCE.finditer(data.decode(errors="replace")):
            numbers, final, character = found.groups()
            if character is not None:
                self._put(character)
            elif final == "H":
                row, _, column = (numbers or "1;1").partition(";")
                self._at = int(row), int(column or 1)
            elif final == "J":
                self.cells.clear()
            elif final == "m":
                self._colours([int(number or 0) for number in numbers.split(";")])

    def _put(self, character: str) -> None:
        row, column = self._at
        assert 1 <= row <= self.rows, (row, column)
        assert 1 <= column <= self.columns, (row, column)
        self.cells[column, row] = (character, self._ink, self._paper)
        self._at = row, column + 1

    def _colours(self, numbers: list[int]) -> None:
        while numbers:
            first = numbers.pop(0)
            if first == 0:
                self._ink = self._paper = None
            elif first in (38, 48):
                kind = numbers.pop(0)
                colour: Colour = (numbers.pop(0), numbers.pop(0), numbers.pop(0)) if kind == 2 else numbers.pop(0)
                self._ink, self._paper = (colour, self._paper) if first == 38 else (self._ink, colour)

    def pixel(self, column: int, row: int) -> tuple[Colour, Colour] | None:
        cell = self.cells.get((column, row))
        if cell is None:
            return None
        character, ink, paper = cell
        return {"▀": (ink, paper), " ": (paper, paper)}.get(character)

    def text(self, row: int) -> str:
        return "".join(self.cells.get((column, row), (" ", None, None))[0] for column in range(1, self.columns + 1))


def read_sixels(data: bytes) -> dict[tuple[int, int], tuple[int, int, int]]:
    """The pixels of one picture (DEC STD 070, chapter 9; xterm's documentation)."""
    found = re.search(rb"\x1bP[0-9;]*q(.*?)\x1b\\", data, re.DOTALL)
    assert found
    pixels: dict[tuple[int, int], tuple[int, int, int]] = {}
    palette: dict[int, tuple[int, int, int]] = {}
    colour, x, band, repeat = 0, 0, 0, 1
    for token in re.finditer(rb'"([\d;]+)|#(\d+)((?:;\d+)*)|!(\d+)|([?-~])|([$-])', found[1]):
        _, number, definition, times, sixel, move = token.groups()
        if number is not None:
            colour = int(number)
            if definition:
                system, red, green, blue = (int(part) for part in definition.split(b";")[1:])
                assert system == 2
                palette[colour] = red, green, blue
        elif times is not None:
            repeat = int(times)
        elif sixel is not None:
            for _ in range(repeat):
                for bit in range(6):
                    if sixel[0] - 63 >> bit & 1:
                        pixels[x, 6 * band + bit] = palette[colour]
                x += 1
            repeat = 1
        elif move is not None:
            x, band = 0, band + (move == b"-")
    return pixels


class Shown(NamedTuple):
    """A picture of kitty's protocol."""

    keys: dict[str, str]
    pixels: bytes


def read_kitty(data: bytes) -> list[Shown]:
    """Every picture that is shown (kitty's document of its graphics protocol: "Remote client", chunks, compression)."""
    shown: list[Shown] = []
    keys: dict[str, str] = {}
    payload = b""
    for head, piece in re.findall(rb"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", data):
        assert len(piece) <= 4096
        pairs = dict(pair.split("=") for pair in head.decode().split(",") if pair)
        keys, payload = {**pairs, **keys}, payload + piece
        if pairs.get("m", "0") == "0":
            if keys.get("a") == "T":
                shown.append(Shown(keys, zlib.decompress(b64decode(payload))))
            keys, payload = {}, b""
    return shown
