"""What `explain` runs for each subject: small topologies with one thing in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boards

BOARD = "beagle"
PROGRAMS = "cells.programs.stories"


@dataclass(frozen=True)
class Story:
    """A subject. `describe(times)`: the topology in which it happens so often.

    `paravirtual`: only where kernels without privileges have a door.
    """

    subject: str
    title: str
    describe: Callable[[int], dict[str, Any]]
    paravirtual: bool = False


def _topology(cells: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "story", "board": BOARD, "for": "100ms", "cells": cells, **more}


def _ipc(times: int) -> dict[str, Any]:
    return _topology(
        {
            "client": {"guest": f"{PROGRAMS}:caller", "args": ["server", times], "priority": 5},
            "server": {"guest": f"{PROGRAMS}:server", "args": ["client"], "priority": 5},
        },
        channels=[{"between": ["client", "server"], "class": "message"}],
    )


def _hypercall(times: int) -> dict[str, Any]:
    return _topology({"guest": {"guest": f"{PROGRAMS}:hypercaller", "args": [times]}})


def _interrupt(times: int) -> dict[str, Any]:
    timer = boards.load_board(BOARD).device("timer1")
    return _topology(
        {"driver": {"guest": f"{PROGRAMS}:driver", "args": [timer.base, 100, times], "devices": ["timer1"]}}
    )


def _process(part: str) -> Callable[[int], dict[str, Any]]:
    """A process of a paravirtual kernel does one thing again and again."""

    def describe(times: int) -> dict[str, Any]:
        return _topology({"kernel": {"image": "pv_demo", "paravirtual": True, "args": f"do={part} times={times}"}})

    return describe


STORIES: Mapping[str, Story] = {
    story.subject: story
    for story in (
        Story("ipc", "A message from one cell to another, and the answer", _ipc),
        Story("hypercall", "A guest asks the monitor for the time", _hypercall),
        Story("interrupt", "A timer interrupts the cell that owns it", _interrupt),
        Story("syscall", "A user process calls its paravirtual kernel", _process("syscall"), paravirtual=True),
        Story(
            "pagefault",
            "A user process touches a page; its kernel asks for it",
            _process("pagefault"),
            paravirtual=True,
        ),
    )
}
