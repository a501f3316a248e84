"""What a fuzz target is, and how it turns bytes into what it needs.

    @target("letters", seeds=lambda: [letter(7, b"hello")])
    def letters(data: bytes) -> None: ...

A target takes any bytes and returns, or raises what no reader may raise. Refusals that are promised it catches itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

CORPUS = Path(__file__).parent / "corpus"
"""CORPUS/NAME/*: inputs that once did harm, and some that reach far; each is run by the ordinary tests."""
NUMBERS = (0, 1, 2, 3, 7, 15, 16, 255, 256, 4095, 4096, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 62, (1 << 64) - 1)
"""What a number drawn from one byte may be: borders."""

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """`seeds`: inputs to begin with. `longest`: bytes of an input."""

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int

    def cases(self) -> list[Path]:
        """The kept inputs."""
        return sorted(path for path in (CORPUS / self.name).glob("*") if path.is_file())


TARGETS: dict[str, Target] = {}


def target(
    name: str, *, seeds: Callable[[], Iterable[bytes]] = lambda: (), longest: int = 4096
) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Put a function on the list."""

    def add(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[name] = Target(name, run, seeds, longest)
        return run

    return add


class Draw:
    """Numbers, choices and bytes out of an input; zeros when it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return self._at < len(self._data)

    def bytes(self, count: int) -> bytes:
        """The next so many, fewer at the end."""
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def rest(self) -> bytes:
        """All that is left."""
        return self.bytes(len(self._data))

    def byte(self) -> int:
        return self._number("<B")

    def word(self) -> int:
        return self._number("<I")

    def number(self, near: Sequence[int] = ()) -> int:
        """Up to 64 bits: a border, something `near` and a little more, or any."""
        kind = self.byte()
        if near and kind < 128:
            return near[kind % len(near)] + (self.byte() if kind & 64 else 0)
        return NUMBERS[kind % len(NUMBERS)] if kind < 192 else self._number("<Q")

    def one(self, choices: Sequence[T]) -> T:
        return choices[self.byte() % len(choices)]

    def blob(self, most: int = 64) -> bytes:
        """Some bytes with their length before them."""
        return self.bytes(self.byte() % (most + 1))

    def _number(self, layout: str) -> int:
        size = struct.calcsize(layout)
        return int(struct.unpack(layout, self.bytes(size).ljust(size, b"\0"))[0])
