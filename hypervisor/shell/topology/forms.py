"""The forms of values in files that users write: a time, a size, a name, a pair; in one clear line what is wrong with one.

    class Mine(Section):
        every: Time
        cells: Texts = ()

A value stays as it was written: times are texts until the board, and with it the length of a cycle, is known.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from hypervisor.abi.time import parse_size, parse_time
from hypervisor.shell.topology.problems import nearest

PAGE = 4096
"""Bytes of a frame, the grain in which memory has owners."""
SECTOR = 512
LARGEST_DISK = 64 << 30
"""Bytes of a disk at most: it is hashed at each start, and mapped whole by its owner."""
MOST_CYCLES = 10**9
"""Of one event: a second and more on any of our boards, and far from where sums would stop to be exact."""

_CONNECTION = re.compile(r"[a-z0-9_-]{1,64}")


def _time(value: object) -> str:
    if parse_time(str(value), 10**9) <= 0:
        raise ValueError(f'"{value}" is no time at all; it must be longer than zero')
    return str(value)


def _size(value: object) -> str:
    if parse_size(str(value)) <= 0:
        raise ValueError(f'"{value}" is no memory at all; it must be larger than zero')
    return str(value)


def _ram(value: object) -> str:
    size = parse_size(_size(value))
    if size % PAGE:
        raise ValueError(f'"{value}" is not a multiple of 4096 bytes; write for example "{size // PAGE * 4 + 4}KiB"')
    return str(value)


def _disk(value: object) -> str:
    size = parse_size(_size(value))
    if size % SECTOR or size > LARGEST_DISK:
        raise ValueError(
            f'"{value}" is no size of a disk: whole sectors of {SECTOR} bytes, {LARGEST_DISK >> 30}GiB at most'
        )
    return str(value)


def within(low: int, high: int) -> Callable[[int], int]:
    """The form of a number between two."""

    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be {low}..{high}, not {value}")
        return value

    return check


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """The form of one of some words."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f'"{value}" is not known; {nearest(value, known)}')
        return value

    return check


def _scalars(value: object) -> object:
    """Text, or a list of texts, numbers and truth values."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return tuple(value)
    raise ValueError("must be a text (for an image) or a list of texts and numbers (for a Python guest)")


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty")
    return value


def _two(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 2:
        raise ValueError('must name two cells, for example ["client", "storage"]')
    return value


def _range(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) != 2:
        raise ValueError('must be the first and the last address, for example ["10.0.2.15", "10.0.2.30"]')
    return value


def _devices(value: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(value) <= 2:
        raise ValueError(
            'must name two devices, for example ["nic0", "nic1"], or one and where the cable leads in `to`'
        )
    return value


def _connection(value: str) -> str:
    if not _CONNECTION.fullmatch(value):
        raise ValueError(f'"{value}" is no such name (small letters, digits, _ and -, at most 64 characters)')
    return value


def _variable(value: str) -> str:
    name, equals, _ = value.partition("=")
    if not name or not equals or "\0" in value:
        raise ValueError(f'"{value}" is no variable; write NAME=value')
    return value


def _placed(value: dict[str, str]) -> dict[str, str]:
    for path in value:
        if not path.startswith("/") or posixpath.normpath(path) != path or path == "/" or "\0" in path:
            raise ValueError(f'"{path}" is no path of a file in the cell; write for example "/bin/mine"')
    return value


def _board(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    raise ValueError("must be a board's name or file (change a key of the board by --set board.KEY=VALUE)")


Time = Annotated[str, BeforeValidator(_time)]
Size = Annotated[str, BeforeValidator(_size)]
Ram = Annotated[str, BeforeValidator(_ram)]
Disksize = Annotated[str, BeforeValidator(_disk)]
Text = Annotated[str, AfterValidator(_filled)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]
Args = Annotated[Any, BeforeValidator(_scalars)]
Pair = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_two)]
Variable = Annotated[str, AfterValidator(_variable)]
Cycles = Annotated[int, AfterValidator(within(0, MOST_CYCLES))]
Rows = Annotated[int, AfterValidator(within(0, 65535))]
Pixel = Annotated[int, AfterValidator(within(0, 4095))]
Addresses = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(_range)]
Connection = Annotated[str, AfterValidator(_connection)]
Window = Annotated[tuple[Text, Time], Field(strict=False)]
