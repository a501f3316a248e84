"""Virtual time: an integer count of the board's CPU cycles, and the texts that users write for it.

>>> parse_time("10ms", hz=1_000_000)
10000
>>> format_time(1_500_000, hz=1_000_000)
'1.500000 s'
"""

from __future__ import annotations

import re
from fractions import Fraction

NEVER = 1 << 62
"""A time that does not come: no deadline, no end."""

_UNITS = {"s": Fraction(1), "ms": Fraction(1, 1_000), "us": Fraction(1, 1_000_000), "ns": Fraction(1, 1_000_000_000)}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|ms|us|ns|cycles)", re.ASCII)
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)", re.ASCII)


def parse_time(text: str, hz: int) -> int:
    """Cycles in a text like "10ms", "2s", "1.5us" or "300cycles" on a CPU of `hz`.

    Raises:
        ValueError: the text is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a time; write for example "10ms", "2s", "250us" or "300cycles"')
    number, unit = Fraction(match[1]), match[2]
    return int(number) if unit == "cycles" else int(number * _UNITS[unit] * hz)


def parse_size(text: str) -> int:
    """Bytes in a text like "16MiB" or "4096B".

    Raises:
        ValueError: the text is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a size; write for example "16MiB", "150KiB" or "4096B"')
    return int(match[1]) * _SIZES[match[2]]


def format_time(cycles: int, hz: int) -> str:
    """A time for people, in seconds with six decimals."""
    return "never" if cycles >= NEVER else f"{cycles / hz:.6f} s"
