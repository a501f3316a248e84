"""Host CPUs: monitor and cells of a board with one core run one at a time, and fastest on one host CPU.

Measured (LOCKSTEP.md): 10-20 % on slices of 1 ms, since a hand-over then wakes nobody on another CPU. The trace does not
depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

import psutil

LOOK_S = 0.02
"""How long to look at what the CPUs do: two of the kernel's ticks."""
ALIKE_PERCENT = 30


def pin_to_one_cpu(zygote: int | None) -> set[int]:
    """Keep this process and the zygote (whose cells inherit it) on one CPU, one that others leave idle if there is such.

    Returns what this process was allowed before, for `unpin`.
    """
    before = os.sched_getaffinity(0)
    chosen = {_least_busy(sorted(before))}
    with suppress(OSError):  # a quicker run is nice to have
        os.sched_setaffinity(0, chosen)
        if zygote is not None:
            os.sched_setaffinity(zygote, chosen)
    return before


def _least_busy(cpus: Sequence[int]) -> int:
    """Of several that are about as idle, different runs take different ones."""
    if len(cpus) == 1:
        return cpus[0]
    busy = dict(enumerate(psutil.cpu_percent(LOOK_S, percpu=True)))
    least = min(busy.get(cpu, 0.0) for cpu in cpus)
    idle = [cpu for cpu in cpus if busy.get(cpu, 0.0) < least + ALIKE_PERCENT]
    return idle[os.getpid() % len(idle)]


def unpin(before: Iterable[int] | None) -> None:
    """Let this process run where it could before."""
    if before is not None:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
