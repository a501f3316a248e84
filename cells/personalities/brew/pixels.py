"""Pictures of 16-bit pixels (5:6:5) in bytes, and what can be drawn into them. Everything is clipped; coordinates may be wild.

picture = Pixels(320, 240)
picture.fill(Rect(10, 10, 50, 20), native(0xFF0000FF))      # 0xBBGGRR00, as RGBVAL has it
picture.text(10, 40, "hello", native(0xFFFFFF00))
picture.take_dirty()                                        # rows from, to: what has changed since the last time
"""

from __future__ import annotations

import re
from functools import cache
from math import isqrt

from cells.personalities.brew.codes import Font, Rop
from cells.personalities.brew.method import Rect
from cells.programs import font

LARGEST = 1024
"""Pixels of a side."""
LONGEST_LINE = 4 * LARGEST
"""Pixels of a slanted line, those outside of the picture included: longer ones end there."""
Memory = bytearray | memoryview


def native(color: int) -> int:
    """A pixel from an RGBVAL (MAKE_RGB: red in bits 8 to 15, green 16 to 23, blue 24 to 31)."""
    return (color >> 11 & 0x1F) << 11 | (color >> 18 & 0x3F) << 5 | color >> 27 & 0x1F


def rgb(pixel: int) -> int:
    """The RGBVAL of a pixel: the high bits repeated below."""
    red, green, blue = pixel >> 11 & 0x1F, pixel >> 5 & 0x3F, pixel & 0x1F
    return (red << 3 | red >> 2) << 8 | (green << 2 | green >> 4) << 16 | (blue << 3 | blue >> 2) << 24


def cut(rect: Rect, to: Rect) -> Rect:
    """What two have in common; width and height 0 if nothing."""
    x, y = max(rect.x, to.x), max(rect.y, to.y)
    width = max(min(rect.x + rect.width, to.x + to.width) - x, 0)
    height = max(min(rect.y + rect.height, to.y + to.height) - y, 0)
    return Rect(x, y, width, height) if width and height else Rect(x, y, 0, 0)


class Pixels:
    """`width` x `height` pixels, in `data` or in memory of its own, black at first. `clip`: outside of it nothing is drawn."""

    def __init__(self, width: int, height: int, data: Memory | None = None) -> None:
        self.width, self.height = width, height
        self.pitch = 2 * width
        self.data: Memory = bytearray(self.pitch * height) if data is None else data
        self.clip = self.whole
        self._dirty = (height, 0)

    @property
    def whole(self) -> Rect:
        """All of it."""
        return Rect(0, 0, self.width, self.height)

    def take_dirty(self) -> tuple[int, int]:
        """Rows that were drawn into since the last call: from, to; equal if none."""
        first, end = self._dirty
        self._dirty = (self.height, 0)
        return (first, end) if first < end else (0, 0)

    def touch(self, first: int, end: int) -> None:
        """Rows have changed."""
        self._dirty = min(self._dirty[0], first), max(self._dirty[1], end)

    def fill(self, rect: Rect, pixel: int) -> int:
        """A rectangle of one colour; how many pixels."""
        x, y, width, height = cut(rect, self.clip)
        if not width:
            return 0
        row = pixel.to_bytes(2, "little") * width
        data, pitch = self.data, self.pitch
        for at in range(y * pitch + 2 * x, (y + height) * pitch + 2 * x, pitch):
            data[at : at + 2 * width] = row
        self.touch(y, y + height)
        return width * height

    def frame(self, rect: Rect, pixel: int) -> int:
        """The border of a rectangle."""
        x, y, width, height = rect
        if width <= 0 or height <= 0:
            return 0
        sides = (Rect(x, y, width, 1), Rect(x, y + height - 1, width, 1), Rect(x, y, 1, height))
        return sum(self.fill(side, pixel) for side in (*sides, Rect(x + width - 1, y, 1, height)))

    def invert(self, rect: Rect) -> int:
        """Every bit of it the other way round."""
        x, y, width, height = cut(rect, self.clip)
        for row in range(y, y + height):
            at = row * self.pitch + 2 * x
            old = int.from_bytes(self.data[at : at + 2 * width], "little")
            self.data[at : at + 2 * width] = (old ^ ((1 << 16 * width) - 1)).to_bytes(2 * width, "little")
        if width:
            self.touch(y, y + height)
        return width * height

    def point(self, x: int, y: int, pixel: int) -> int:
        """One pixel."""
        left, top, width, height = self.clip
        if not (left <= x < left + width and top <= y < top + height):
            return 0
        at = y * self.pitch + 2 * x
        self.data[at : at + 2] = pixel.to_bytes(2, "little")
        self.touch(y, y + 1)
        return 1

    def get(self, x: int, y: int) -> int | None:
        """A pixel, None outside."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        at = y * self.pitch + 2 * x
        return int.from_bytes(self.data[at : at + 2], "little")

    def line(self, x: int, y: int, to_x: int, to_y: int, pixel: int) -> int:
        """A line, both ends included (Bresenham's)."""
        if y == to_y:
            return self.fill(Rect(min(x, to_x), y, abs(to_x - x) + 1, 1), pixel)
        if x == to_x:
            return self.fill(Rect(x, min(y, to_y), 1, abs(to_y - y) + 1), pixel)
        dx, dy = abs(to_x - x), -abs(to_y - y)
        step_x, step_y = (1 if x < to_x else -1), (1 if y < to_y else -1)
        error, drawn = dx + dy, 0
        for _ in range(LONGEST_LINE):
            drawn += self.point(x, y, pixel)
            if (x, y) == (to_x, to_y):
                break
            twice = 2 * error
            if twice >= dy:
                error, x = error + dy, x + step_x
            if twice <= dx:
                error, y = error + dx, y + step_y
        return drawn

    def disc(self, x: int, y: int, radius: int, pixel: int, *, filled: bool) -> int:
        """A circle around a point."""
        radius = min(radius, LARGEST)
        halves = [isqrt(radius * radius + radius - down * down) for down in range(radius + 1)]
        drawn = 0
        for down, half in enumerate(halves):
            beyond = halves[down + 1] if down < radius else -1
            run = 2 * half + 1 if filled or beyond < 0 else max(half - beyond, 1)
            for row in {y - down, y + down}:
                drawn += self.fill(Rect(x - half, row, run, 1), pixel)
                if run <= half:
                    drawn += self.fill(Rect(x + half - run + 1, row, run, 1), pixel)
        return drawn

    def blit(self, rect: Rect, source: Memory, pitch: int, rop: int = Rop.COPY, transparent: int = -1) -> int:
        """Rows of `source`, whose first pixel is for the rectangle's corner. Requires: it has all of them."""
        x, y, width, height = cut(rect, self.clip)
        skip = (y - rect.y) * pitch + 2 * (x - rect.x)
        for row in range(height):
            at = (y + row) * self.pitch + 2 * x
            new: bytes | Memory = source[skip + row * pitch : skip + row * pitch + 2 * width]
            if rop == Rop.TRANSPARENT:
                new = _over(self.data[at : at + 2 * width], new, transparent.to_bytes(2, "little"))
            elif rop == Rop.NOT:
                new = bytes(byte ^ 0xFF for byte in new)
            self.data[at : at + 2 * width] = new
        if width:
            self.touch(y, y + height)
        return width * height

    def text(self, x: int, y: int, text: str, pixel: int, style: int = Font.NORMAL) -> int:
        """A line of text, its cell's corner at x, y; how many pixels."""
        scale, drawn = scale_of(style), 0
        width = font.WIDTH * scale
        seen = range(self.clip.x - width, self.clip.x + self.clip.width)
        places = [(x + at * width, character) for at, character in enumerate(text) if x + at * width in seen]
        for left, character in places:
            for row, dots in enumerate(font.rows(character)):
                for first, run in runs(dots << 1 | (dots if style == Font.BOLD else 0)):
                    drawn += self.fill(Rect(left + first * scale, y + row * scale, run * scale, scale), pixel)
        return drawn


@cache
def runs(dots: int) -> tuple[tuple[int, int], ...]:
    """Dots of a row that are next to each other: from where on, how many.

    >>> runs(0b110100)
    ((0, 2), (3, 1))
    """
    row = f"{dots:0{font.WIDTH}b}"
    return tuple((found.start(), len(found[0])) for found in re.finditer("1+", row))


def scale_of(style: int) -> int:
    """How many pixels a dot of a font has each way."""
    return 2 if style == Font.LARGE else 1


def _over(old: bytes | Memory, new: bytes | Memory, transparent: bytes) -> bytes:
    """`new`, except where it is transparent."""
    pairs = range(0, len(new), 2)
    return b"".join(bytes((old if new[at : at + 2] == transparent else new)[at : at + 2]) for at in pairs)
