"""What `explain` runs for each subject: small topologies with one thing in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boards
from hypervisor.flavours import Flavour

BOARD = "beagle"
PROGRAMS = "cells.programs.stories"


@dataclass(frozen=True)
class Story:
    """A subject, as it happens under the flavours that it `fits`. `describe(times)`: the topology in which it happens so much."""

    subject: str
    title: str
    describe: Callable[[int], dict[str, Any]]
    fits: Callable[[Flavour], bool] = lambda flavour: flavour.most_cells != 1


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


def _pager(times: int) -> dict[str, Any]:
    """A client touches pages that it has not got; its pager gives them."""
    return _topology(
        {
            "client": {"guest": f"{PROGRAMS}:toucher", "args": [times], "priority": 5, "pager": "pager"},
            "pager": {"guest": "cells.programs.paging:pager", "priority": 6},
        }
    )


def _has_pv(flavour: Flavour) -> bool:
    """Kernels without privileges have a door."""
    return flavour.has_pv


def _has_pagers(flavour: Flavour) -> bool:
    """Cells serve the faults of others."""
    return flavour.hosts


STORIES: tuple[Story, ...] = (
    Story("ipc", "A message from one cell to another, and the answer", _ipc),
    Story("hypercall", "A guest asks the monitor for the time", _hypercall),
    Story("interrupt", "A timer interrupts the cell that owns it", _interrupt),
    Story("syscall", "A user process calls its paravirtual kernel", _process("syscall"), _has_pv),
    Story("pagefault", "A user process touches a page; its kernel asks for it", _process("pagefault"), _has_pv),
    Story("pagefault", "A cell touches a page; its pager gives it", _pager, _has_pagers),
)
SUBJECTS: tuple[str, ...] = tuple(dict.fromkeys(story.subject for story in STORIES))


def find(subject: str, flavour: Flavour) -> Story | None:
    """The story of a subject under a flavour; None if it has none."""
    return next((story for story in STORIES if story.subject == subject and story.fits(flavour)), None)
