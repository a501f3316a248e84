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
    "timer",
    "lock",
    "statx",
    "sequence",
    "file",
    "copy",
    "read",
    "write",
    "descriptor",
    "pipe",
    "open",
    "name",
    "status",
    "mode",
    "directory",
    "attribute",
    "select",
    "poll",
    "epoll",
    "socket",
    "message",
    "option",
    "signal",
    "kill",
    "thread",
    "inotify",
    "event",
    "pidfd",
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
DIFFERENCES: dict[str, str] = {}
"""Commands of tests/support/armel that say something else than under Debian's kernel 6.1 on the same root, and why. A test holds
that there are no others."""
ELSEWHERE = (
    ("uname -r, -v, -n; /proc/version", "this kernel has a name of its own"),
    ("clocks", "begin at 2010-01-01; time is the cell's virtual time, and what a call takes is assumed"),
    ("numbers of processes and inodes, addresses", "given in another order; addresses are not random"),
    (
        "/proc/meminfo, cpuinfo, stat, loadavg, mounts",
        "the lines that programs look for; nothing is averaged; file systems are / and views of the host's directories",
    ),
    (
        "a view of a directory of the host",
        "as a read-only mount; its files have no times and owners, and one name each",
    ),
    ("/sys, devtmpfs, mount", "not there: /dev is what the kernel has made"),
    (
        "floating point in hardware",
        "no VFP is promised (HWCAP) and its instructions are SIGILL; programs of armel do without",
    ),
    ("threads", "one CPU; a signal for a whole process goes to its first thread"),
    (
        "capabilities, extended attributes, ACLs",
        "none: user 0 may all that Linux's root may, others what the modes say",
    ),
)
"""What the comparison leaves out, since it must differ or is not here at all."""


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


def load() -> dict[int, Call]:
    """The table, with all families in it."""
    for family in FAMILIES:
        importlib.import_module(f"cells.personalities.linux.sys_{family}")
    return CALLS


def page() -> str:
    """The table for people."""
    rows = [f"| {row.number} | `{row.name}` | {row.level} | {row.note} |" for _, row in sorted(load().items())]
    calls = ["| number | call | support | what differs |", "|---|---|---|---|", *rows]
    return "\n".join([*calls, "", *_differences()])


def _differences() -> list[str]:
    """What programs see of this kernel that is not as in Debian's."""
    rows = [f"| `{name}` | {why} |" for name, why in DIFFERENCES.items()] + [
        f"| {what} | {why} |" for what, why in ELSEWHERE
    ]
    return ["| not as under Debian's kernel | |", "|---|---|", *rows]


if __name__ == "__main__":
    # not __main__'s own: the families enter their rows into the module
    print(importlib.import_module("cells.personalities.linux.table").page())
