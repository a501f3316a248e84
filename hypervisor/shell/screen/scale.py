"""A picture in another size.

Smaller: each pixel is the mean of a square of the old ones, of 2, 4 or 8 on a side, around its place. Larger: the nearest old
one. Whole pictures are averaged as one large number each: eight bits of all colours of all pixels in a few operations, since
the mean of a and b, byte by byte and without a carry from one to the next, is (a & b) + (((a ^ b) & 0xfefe...) >> 1).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter

from hypervisor.shell.picture import PIXEL, Picture

MOST_HALVINGS = 3


def fit(width: int, height: int, room_width: float, room_height: float) -> tuple[int, int]:
    """The largest size of the same shape in a room, at least 1 x 1."""
    factor = min(room_width / width, room_height / height)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def scale(picture: Picture, width: int, height: int) -> Picture:
    """The picture in another size."""
    if (width, height) == (picture.width, picture.height):
        return picture
    across, down = _halvings(picture.width, width), _halvings(picture.height, height)
    pixels = _blurred(picture, across, down)
    columns = _places(picture.width, width, 1 << across)
    take, stride = _taker(columns), PIXEL * picture.width
    rows: dict[int, bytes] = {}
    for row in (places := _places(picture.height, height, 1 << down)):
        if row not in rows:
            rows[row] = _row(pixels[row * stride : (row + 1) * stride], take, width)
    return Picture(width, height, b"".join([rows[row] for row in places]))


def _halvings(old: int, new: int) -> int:
    """How often two neighbours become one: by the nearest power of two of how much smaller it gets."""
    halvings = 0
    while halvings < MOST_HALVINGS and old * old > 2 * (new << halvings) ** 2:
        halvings += 1
    return halvings


def _blurred(picture: Picture, across: int, down: int) -> bytes:
    """Each pixel is the mean of a square of which it is the top left one."""
    size = len(picture.pixels)
    low_bits = _low_bits(size)
    number = int.from_bytes(picture.pixels, "little")
    for step in (*(1 << turn for turn in range(across)), *(picture.width << turn for turn in range(down))):
        neighbour = number >> 8 * PIXEL * step
        number = (number & neighbour) + (((number ^ neighbour) & low_bits) >> 1)
    return number.to_bytes(size, "little")


@lru_cache(4)
def _low_bits(size: int) -> int:
    """All bits of each byte but the lowest."""
    return int.from_bytes(b"\xfe" * size, "little")


@lru_cache(16)
def _places(old: int, new: int, side: int) -> tuple[int, ...]:
    """Where the square of each new pixel begins."""
    last = max(old - side, 0)
    return tuple(min(max(int((place + 0.5) * old / new - side / 2 + 0.5), 0), last) for place in range(new))


@lru_cache(4)
def _taker(columns: tuple[int, ...]) -> Callable[[bytes], tuple[int, ...]]:
    if len(columns) == 1:
        only = columns[0]
        return lambda row: (row[only],)
    return itemgetter(*columns)


def _row(row: bytes, take: Callable[[bytes], tuple[int, ...]], width: int) -> bytes:
    scaled = bytearray(PIXEL * width)
    for colour in range(PIXEL):
        scaled[colour::PIXEL] = bytes(take(row[colour::PIXEL]))
    return bytes(scaled)


def enlarge(plane: bytes, old_width: int, old_height: int, width: int, height: int) -> bytes:
    """A byte for each pixel, each of them several times; the new size is not smaller than the old one."""
    if (width, height) == (old_width, old_height):
        return plane
    take = _taker(_places(old_width, width, 1))
    rows = [bytes(take(plane[at : at + old_width])) for at in range(0, len(plane), old_width)]
    return b"".join([rows[row] for row in _places(old_height, height, 1)])
