"""Host CPUs: monitor and cells of a board with one core run one at a time, and fastest on one host CPU.

Measured (LOCKSTEP.md): 10-20 % on slices of 1 ms, since a hand-over then wakes nobody on another CPU. The trace does not
depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress


def pin_to_one_cpu(zygote: int | None) -> set[int]:
    """Keep this process and the zygote (whose cells inherit it) on one CPU; different runs take different ones.

    Returns what this process was allowed before, for `unpin`.
    """
    before = os.sched_getaffinity(0)
    allowed = sorted(before)
    chosen = {allowed[os.getpid() % len(allowed)]}
    with suppress(OSError):  # a quicker run is nice to have
        os.sched_setaffinity(0, chosen)
        if zygote is not None:
            os.sched_setaffinity(zygote, chosen)
    return before


def unpin(before: Iterable[int] | None) -> None:
    """Let this process run where it could before."""
    if before is not None:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
