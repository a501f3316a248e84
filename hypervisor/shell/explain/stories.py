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
    fits: Callable[[Flavour], bool] = lambda flavour: not is_alone(flavour)


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


def _driver(times: int) -> dict[str, Any]:
    timer = boards.load_board(BOARD).device("timer1")
    return _topology(
        {"driver": {"guest": f"{PROGRAMS}:driver", "args": [timer.base, 100, times], "devices": ["timer1"]}}
    )


def _process(what: str) -> Callable[[int], dict[str, Any]]:
    """A process of our kernel does one thing again and again."""

    def describe(times: int) -> dict[str, Any]:
        kernel = {"image": "wren", "initrd": "wren", "ram": "16MiB", "args": f"init=/bin/bench {what} {times}"}
        return _topology({"kernel": kernel}) | {"for": "2s"}

    return describe


def _pager(times: int) -> dict[str, Any]:
    """A client touches pages that it has not got; its pager gives them."""
    return _topology(
        {
            "client": {"guest": f"{PROGRAMS}:toucher", "args": [times], "priority": 5, "pager": "pager"},
            "pager": {"guest": "cells.programs.paging:pager", "priority": 6},
        }
    )


def _has_kernel(flavour: Flavour) -> bool:
    """Our kernel runs: without privileges by a door, or with all of them as the only cell."""
    return flavour.has_pv or is_alone(flavour)


def is_alone(flavour: Flavour) -> bool:
    """The cell has the CPU for itself: no monitor takes part in what it does, so that there are no steps to be seen."""
    return flavour.most_cells == 1


def _has_pagers(flavour: Flavour) -> bool:
    """Cells serve the faults of others."""
    return flavour.hosts


STORIES: tuple[Story, ...] = (
    Story("ipc", "A message from one cell to another, and the answer", _ipc),
    Story("hypercall", "A guest asks the monitor for the time", _hypercall),
    Story("driver", "A device interrupts the cell that owns it", _driver),
    Story("syscall", "A user process calls its kernel", _process("null"), _has_kernel),
    Story("pagefault", "A user process touches a page; its kernel gives it one", _process("page_fault"), _has_kernel),
    Story("interrupt", "A user process sleeps; a timer interrupt wakes its kernel", _process("sleep"), _has_kernel),
    Story("fork", "A user process forks; the child ends, and is waited for", _process("fork_exit"), _has_kernel),
    Story("signal", "A user process sends itself a signal, and handles it", _process("signal"), _has_kernel),
    Story("pager", "A cell touches a page; its pager gives it", _pager, _has_pagers),
)
SUBJECTS: tuple[str, ...] = tuple(dict.fromkeys(story.subject for story in STORIES))


def find(subject: str, flavour: Flavour) -> Story | None:
    """The story of a subject under a flavour; None if it has none."""
    return next((story for story in STORIES if story.subject == subject and story.fits(flavour)), None)
