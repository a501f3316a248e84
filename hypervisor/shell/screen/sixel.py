"""Pictures as sixels (DEC VT340; xterm, foot, mlterm, WezTerm, Windows Terminal): bands of six lines, colour by colour.

A character of a band says which of six pixels below one another have the colour at hand: 63 + a bit for each, the top one
lowest. `!n` repeats one, `$` goes back to the beginning of the band, `-` to the next band.

A band is put together with bytes.translate: one table for each colour and line makes a pixel its bit, and six such lines are
added as numbers. That is some 20 us for a colour in a band of 320 pixels.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hypervisor.shell.picture import Picture
from hypervisor.shell.screen.palette import Colour, Palettes
from hypervisor.shell.screen.scale import enlarge, scale

BAND = 6
_RUNS = re.compile(rb"(.)\1{3,}", re.DOTALL)
_GAPS = re.compile(rb"(\?)\?{3,}")
"""All that is worth looking for in a line that is mostly empty: five times as fast."""
_NOTHING = re.compile(rb"(?:!\d+)?\?$")


class Sixels:
    """Draws one picture after another."""

    def __init__(self) -> None:
        self._palettes = Palettes()

    def draw(self, picture: Picture, row: int, column: int, width: int, height: int) -> bytes:
        """The picture from that character on (counted from 1), of so many sixels."""
        smaller = scale(picture, min(width, picture.width), min(height, picture.height))
        indexed = self._palettes.of(smaller)
        numbers = enlarge(indexed.numbers, smaller.width, smaller.height, width, height)
        head = f'\x1b[{row};{column}H\x1bP0;1;0q"1;1;{width};{height}'.encode()
        colours = [b"#%d;2;%d;%d;%d" % (number, *_percent(colour)) for number, colour in enumerate(indexed.palette)]
        stride = width * BAND
        bands = [_band(numbers[at : at + stride], width) for at in range(0, len(numbers), stride)]
        return head + b"".join(colours) + b"-".join(bands) + b"\x1b\\"


def _band(numbers: bytes, width: int) -> bytes:
    lines: dict[bytes, int] = {}
    for number in range(
        len(numbers) // width
    ):  # lines that are the same, as in an enlarged picture, are looked at once
        line = numbers[number * width : (number + 1) * width]
        lines[line] = lines.get(line, 0) | 1 << number
    parts = []
    for colour in sorted(set(numbers)):
        bits = sum(
            int.from_bytes(line.translate(_mask(colour, mask)), "little")
            for line, mask in lines.items()
            if colour in line
        )
        sixels = (bits + _all_63(width)).to_bytes(width, "little")
        runs = _GAPS if sixels.count(b"?") * 2 > width else _RUNS
        packed = runs.sub(_repeated, sixels)
        parts.append(b"#%d%s" % (colour, _NOTHING.sub(b"", packed)))
    return b"$".join(parts)


def _repeated(run: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (len(run[0]), run[1])


@lru_cache(1 << 14)
def _mask(colour: int, mask: int) -> bytes:
    """A table that makes a colour these bits, and everything else nothing."""
    return bytes(colour) + bytes((mask,)) + bytes(255 - colour)


@lru_cache(4)
def _all_63(width: int) -> int:
    return int.from_bytes(b"\x3f" * width, "little")


def _percent(colour: Colour) -> Colour:
    red, green, blue = (round(part * 100 / 255) for part in colour)
    return red, green, blue
