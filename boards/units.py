"""Texts for sizes and times in board files, as numbers.

>>> size_in_bytes("256MiB")
268435456
>>> time_in_cycles("1ms", hz=266_000_000)
266000
"""

from __future__ import annotations

import re

_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)")
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_TIME = re.compile(r"(\d+)\s*(s|ms|us|ns|cycles)")


def size_in_bytes(value: object) -> object:
    """Bytes in a text like "16KiB"; anything but a text is handed back as it is.

    Raises:
        ValueError: the text is not a size.
    """
    if not isinstance(value, str) or value.isdigit():
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError(f'"{value}" is not a size; write for example "256MiB" or "16KiB"')
    return int(match[1]) * _SIZES[match[2]]


def time_in_cycles(text: str, hz: int) -> int:
    """Cycles in a text like "10ms" on a CPU of `hz`.

    Raises:
        ValueError: the text is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a time; write for example "10ms", "250us" or "300cycles"')
    number, unit = int(match[1]), match[2]
    return number if unit == "cycles" else number * hz // _PER_SECOND[unit]
