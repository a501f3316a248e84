"""A picture in 256 colours: a number for each pixel, and what the numbers mean.

Colours are told apart in 32 steps each of red, green and blue. Up to 256 of them are kept as they are; of more, the median cut
makes 256 boxes (Heckbert 1982: the box with the most pixels times its length is cut where half of its pixels are on either
side). What was found for one picture is kept for the next as long as it shows no other colours, so that nothing flickers. A
picture of more than `MANY` colours, as noise, gets a cube of 6 x 7 x 6 steps.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from hypervisor.shell.picture import PIXEL, Picture

COLOURS = 256
MANY = 4096
CUBE = (6, 7, 6)
"""Steps of red, green and blue."""
Colour = tuple[int, int, int]
_HIGH_RED = bytes(value >> 3 << 2 for value in range(256))
_HIGH_GREEN = bytes(value >> 6 for value in range(256))
_LOW_GREEN = bytes((value >> 3 & 7) << 5 for value in range(256))
_LOW_BLUE = bytes(value >> 3 for value in range(256))


class Indexed(NamedTuple):
    """A number for each pixel, and the colour of each number."""

    numbers: bytes
    palette: list[Colour]


class Palettes:
    """Finds the colours of one picture after another."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._palette: list[Colour] = []

    def of(self, picture: Picture) -> Indexed:
        """A picture in at most 256 colours."""
        keys = _keys(picture)
        there = set(keys)
        if len(there) > MANY:
            return _in_cube(picture)
        if not there <= self._numbers.keys():
            self._numbers, self._palette = _cut(Counter(keys))
        numbers = self._numbers
        return Indexed(bytes([numbers[key] for key in keys]), self._palette)


def _keys(picture: Picture) -> array[int]:
    """Five bits of red, green and blue of each pixel, in one number."""
    red, green, blue = (picture.pixels[part::PIXEL] for part in range(PIXEL))
    both = bytearray(2 * len(red))
    both[0::2] = _either(green.translate(_LOW_GREEN), blue.translate(_LOW_BLUE))
    both[1::2] = _either(red.translate(_HIGH_RED), green.translate(_HIGH_GREEN))
    keys = array("H", bytes(both))
    if sys.byteorder == "big":
        keys.byteswap()
    return keys


def _either(first: bytes, second: bytes) -> bytes:
    return (int.from_bytes(first, "little") | int.from_bytes(second, "little")).to_bytes(len(first), "little")


def _parts(key: int) -> Colour:
    return key >> 10, key >> 5 & 31, key & 31


class _Box(NamedTuple):
    """Colours that may become one: `weight` grows with their number of pixels and with how far they lie apart on `axis`."""

    keys: list[int]
    weight: int
    axis: int


def _box(keys: list[int], counts: Mapping[int, int]) -> _Box:
    parts = list(zip(*map(_parts, keys), strict=True))
    lengths = [max(part) - min(part) for part in parts]
    axis = lengths.index(max(lengths))
    return _Box(keys, lengths[axis] * sum(counts[key] for key in keys), axis)


def _cut(counts: Mapping[int, int]) -> tuple[dict[int, int], list[Colour]]:
    boxes = [_box(sorted(counts), counts)]
    while len(boxes) < COLOURS:
        boxes.sort(key=lambda box: box.weight)
        if not boxes[-1].weight:
            break
        keys, _, axis = boxes.pop()
        keys.sort(key=lambda key: _parts(key)[axis])
        middle = _middle(keys, counts)
        boxes += [_box(keys[:middle], counts), _box(keys[middle:], counts)]
    numbers = {key: number for number, box in enumerate(boxes) for key in box.keys}
    return numbers, [_mean(box.keys, counts) for box in boxes]


def _middle(keys: list[int], counts: Mapping[int, int]) -> int:
    """Where half of the pixels are on either side, and at least one colour."""
    half, passed = sum(counts[key] for key in keys) / 2, 0
    for at, key in enumerate(keys[:-1], 1):
        passed += counts[key]
        if passed >= half:
            return at
    return len(keys) - 1


def _mean(keys: list[int], counts: Mapping[int, int]) -> Colour:
    pixels = sum(counts[key] for key in keys)
    red, green, blue = (
        round(sum(_parts(key)[part] * counts[key] for key in keys) * 255 / (31 * pixels)) for part in range(PIXEL)
    )
    return red, green, blue


def _in_cube(picture: Picture) -> Indexed:
    weights = (CUBE[1] * CUBE[2], CUBE[2], 1)
    steps = (
        picture.pixels[part::PIXEL].translate(
            bytes((value * (levels - 1) + 127) // 255 * weight for value in range(256))
        )
        for part, (levels, weight) in enumerate(zip(CUBE, weights, strict=True))
    )
    total = sum(int.from_bytes(plane, "little") for plane in steps)
    red, green, blue = ([value * 255 // (levels - 1) for value in range(levels)] for levels in CUBE)
    return Indexed(
        total.to_bytes(picture.width * picture.height, "little"), [(r, g, b) for r in red for g in green for b in blue]
    )
