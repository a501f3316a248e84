"""Pictures as sixels (DEC VT340; xterm, foot, mlterm, WezTerm, Windows Terminal): bands of six lines, colour by colour.

A character of a band says which of six pixels below one another have the colour at hand: 63 + a bit for each, the top one
lowest. `!n` repeats one, `$` goes back to the beginning of the band, `-` to the next band. A picture of at most 256 colours
keeps them exactly; one of more gets a cube of 6 x 7 x 6.

A band is put together with bytes.translate: one table for each colour and line makes a pixel its bit, and six such lines are
added as numbers. That is some 20 us for a colour in a band of 320 pixels.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hypervisor.shell.picture import PIXEL, Picture

BAND = 6
REGISTERS = 256
LEVELS = (6, 7, 6)
"""Steps of red, green and blue in the cube."""
_RUNS = re.compile(rb"(.)\1{3,}", re.DOTALL)
_NOTHING = re.compile(rb"(?:!\d+)?\?$")


def draw(picture: Picture, row: int, column: int) -> bytes:
    """The picture from that character on, one sixel a pixel; counted from 1."""
    indices, palette = _indexed(picture)
    head = f'\x1b[{row};{column}H\x1bP0;1;0q"1;1;{picture.width};{picture.height}'.encode()
    colours = [b"#%d;2;%d;%d;%d" % (number, *colour) for number, colour in enumerate(palette)]
    stride = picture.width * BAND
    bands = [
        _band(indices[at : at + stride].ljust(stride, indices[-1:]), picture.width)
        for at in range(0, len(indices), stride)
    ]
    return head + b"".join(colours) + b"-".join(bands) + b"\x1b\\"


def _band(indices: bytes, width: int) -> bytes:
    lines = [indices[at : at + width] for at in range(0, len(indices), width)]
    parts = []
    for colour in sorted(set(indices)):
        bits = sum(
            int.from_bytes(line.translate(_bit(colour, number)), "little")
            for number, line in enumerate(lines)
            if colour in line
        )
        sixels = (bits + _all_63(width)).to_bytes(width, "little")
        packed = _RUNS.sub(lambda run: b"!%d%s" % (len(run[0]), run[1]), sixels)
        parts.append(b"#%d%s" % (colour, _NOTHING.sub(b"", packed)))
    return b"$".join(parts)


@lru_cache(REGISTERS * BAND)
def _bit(colour: int, line: int) -> bytes:
    return bytes(1 << line if value == colour else 0 for value in range(256))


@lru_cache(4)
def _all_63(width: int) -> int:
    return int.from_bytes(b"\x3f" * width, "little")


def _indexed(picture: Picture) -> tuple[bytes, list[tuple[int, int, int]]]:
    """A number for each pixel, and the colour of each number in hundredths."""
    pixels = picture.pixels
    planes = [pixels[colour::PIXEL] for colour in range(PIXEL)]
    together = list(zip(*planes, strict=True))
    colours = set(together)
    if len(colours) <= REGISTERS:
        palette = sorted(colours)
        numbers = {colour: number for number, colour in enumerate(palette)}
        return bytes([numbers[colour] for colour in together]), [_percent(colour) for colour in palette]
    weights = (LEVELS[1] * LEVELS[2], LEVELS[2], 1)
    steps = [
        plane.translate(bytes((value * (levels - 1) + 127) // 255 * weight for value in range(256)))
        for plane, levels, weight in zip(planes, LEVELS, weights, strict=True)
    ]
    total = sum(int.from_bytes(plane, "little") for plane in steps)
    return total.to_bytes(len(together), "little"), _cube()


@lru_cache(1)
def _cube() -> list[tuple[int, int, int]]:
    parts = [[value * 255 // (levels - 1) for value in range(levels)] for levels in LEVELS]
    return [_percent((red, green, blue)) for red in parts[0] for green in parts[1] for blue in parts[2]]


def _percent(colour: tuple[int, ...]) -> tuple[int, int, int]:
    red, green, blue = (round(part * 100 / 255) for part in colour)
    return red, green, blue
