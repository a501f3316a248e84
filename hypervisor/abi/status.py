"""Status codes of hypercalls: what a guest is told when it is refused.

A refused call leaves the caller running; a broken rule (a guest fault) does not come back at all. Negative numbers travel
as 64-bit two's complement.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Answers of a hypercall; OK or a result are >= 0."""

    OK = 0
    UNKNOWN_CALL = -1
    BAD_ARGUMENT = -2
    NOT_YOURS = -3
    NO_ROOM = -4
    WRONG_STATE = -5
    NO_SUCH_SLOT = -6
    RIGHTS = -7
    TIMEOUT = -8
    FULL = -9
    EMPTY = -10
    PEER_GONE = -11
    DENIED = -12
    TOO_LONG = -13


def to_word(value: int) -> int:
    """A result or status as an unsigned 64-bit word."""
    return value & (1 << 64) - 1


def from_word(word: int) -> int:
    """The inverse of `to_word`."""
    return word - (1 << 64) if word >> 63 else word
