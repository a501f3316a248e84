"""Which interfaces and methods there are, and how much of each: `python -m cells.personalities.brew.table` prints the page."""

from __future__ import annotations

from collections.abc import Iterator

from cells.personalities.brew.kernel import INTERFACES
from cells.personalities.brew.method import FULL, RESULTS, Method, methods_of
from cells.personalities.brew.object import Object

ABSENT = (
    ("ISHELL", "alarms, notifications, prompts, resources and preferences"),
    ("IMAGE, ISOUND, IMEDIA, IDATABASE, IWEB, ISMS ...", "not there: CreateInstance returns ECLASSNOTSUPPORT"),
    ("classes of other modules", "a module's classes are applets, for the shell alone: each module has its own memory"),
    ("AEECallback", "callbacks are a function and its data everywhere"),
    ("varargs", "DBGPRINTF and sprintf have no format here"),
)
"""What a BREW programmer would look for in vain."""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([*_head(), *(line for each in INTERFACES for line in _section(each)), *_tail()]) + "\n"


def _head() -> Iterator[str]:
    rows = [row for each in INTERFACES for row in methods_of(each)]
    full = sum(row.level == FULL for row in rows)
    yield "# Interfaces of the BREW-like personality"
    yield ""
    yield f"{len(rows)} methods in {len(INTERFACES)} interfaces, {full} of them as their documentation has them."


def _section(interface: type[Object]) -> Iterator[str]:
    yield ""
    yield f"## {interface.NAME}"
    yield ""
    yield "| method | level | |"
    yield "|---|---|---|"
    for row in methods_of(interface):
        yield f"| `{_signature(row)}` | {row.level} | {row.note} |"


def _signature(row: Method) -> str:
    arguments = ", ".join(f"{kind} {name}" for kind, name in row.arguments)
    return f"{RESULTS[row.result].rstrip(' *')} {row.name}({arguments})"


def _tail() -> Iterator[str]:
    yield ""
    yield "## Not there"
    yield ""
    yield "| what | |"
    yield "|---|---|"
    for what, why in ABSENT:
        yield f"| {what} | {why} |"


if __name__ == "__main__":
    print(page(), end="")
