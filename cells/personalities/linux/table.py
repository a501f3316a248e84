"""The table of system calls: number, name, what does it, and how much of it is there.

    @call(64, "getppid", FULL)
    def sys_getppid(process, *_): ...

    python -m cells.personalities.linux.table      # the table as a page of documentation

Numbers: ARM EABI (arch/arm/tools/syscall.tbl of Linux). A call that is not here, or of level NONE, fails with ENOSYS and is
logged once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

FULL, PARTIAL, NONE = "full", "partial", "none"
FAMILIES = (
    "process",
    "identity",
    "system",
    "memory",
    "time",
    "file",
    "name",
    "status",
    "poll",
    "socket",
    "signal",
    "thread",
)
"""`sys_<family>.py`."""

Function = Callable[..., Any]
"""`(process, a, b, c, d, e, f)` -> int, or a generator (wait.py)."""


Kind = TypeVar("Kind", bound=Function)


class Call(NamedTuple):
    """A row."""

    number: int
    name: str
    level: str
    note: str
    function: Function | None


CALLS: dict[int, Call] = {}


def call(number: int, name: str, level: str = FULL, note: str = "") -> Callable[[Kind], Kind]:
    """Enter a function into the table. Requires: the number is free."""

    def enter(function: Kind) -> Kind:
        assert number not in CALLS, f"{name} and {CALLS[number].name} are both {number}"
        CALLS[number] = Call(number, name, level, note, function)
        return function

    return enter


def absent(number: int, name: str, note: str) -> None:
    """A row for a call that is known and missing."""
    assert number not in CALLS
    CALLS[number] = Call(number, name, NONE, note, None)


def signed(word: int) -> int:
    """A register's word as a signed number."""
    return word - (1 << 32) if word & 0x8000_0000 else word


def load() -> dict[int, Call]:
    """The table, with all families in it."""
    for family in FAMILIES:
        importlib.import_module(f"cells.personalities.linux.sys_{family}")
    return CALLS


def page() -> str:
    """The table for people."""
    rows = [f"| {row.number} | `{row.name}` | {row.level} | {row.note} |" for _, row in sorted(load().items())]
    return "\n".join(["| number | call | support | what differs |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    # not __main__'s own: the families enter their rows into the module
    print(importlib.import_module("cells.personalities.linux.table").page())
