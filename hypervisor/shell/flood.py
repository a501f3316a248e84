"""Who floods the monitor through its socket: with messages of so many parts that they fill its memory.

Theory: ZeroMQ bounds the size of a part and the number of messages, but not the number of parts; what has come of a message
lies in the monitor's memory, and nothing says whose it is. So the monitor looks at its own size now and then. If that has
grown out of all proportion, it holds still for a moment: no vCPU runs then, and a cell that is busy all the same is the one.
If none is, the memory is our own, or that of the program around us.

    guard = FloodGuard(lambda: {"client": 4711})     # cells that have a socket, and their processes
    guard.culprit()                                  # None, or "client"
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

LIMIT = 256 << 20
"""Bytes by which the monitor may grow between two looks at who is busy."""
PERIOD_S = 0.05
WINDOW_S = 0.05
BUSY_S = 0.01
"""Seconds of CPU time within the window: an idle cell uses none, one that floods all that it gets."""
FLOODS = "backstop: floods the monitor with parts of messages"

_PAGE = os.sysconf("SC_PAGE_SIZE")


def own_memory() -> int:
    """Bytes of this process that are nobody else's."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * _PAGE


class FloodGuard:
    """`processes`: cells that have a socket to the monitor, by name."""

    def __init__(
        self,
        processes: Callable[[], Mapping[str, int]],
        *,
        memory: Callable[[], int] = own_memory,
        clock: Callable[[], float] = time.monotonic,
        busy: Callable[[Mapping[str, int]], Mapping[str, float]] | None = None,
    ) -> None:
        self._processes, self._memory, self._clock = processes, memory, clock
        self._busy = busy or busy_in_a_window
        self._least = memory()
        self._looked = clock()

    def culprit(self, runs: str = "") -> str | None:
        """The cell that floods, if any does. `runs`: one whose turn it is; it may be busy, so that others are suspected first.

        Cheap as long as there is no need to look: it may be asked at every turn. Requires: no other vCPU runs.
        """
        now = self._clock()
        if now - self._looked < PERIOD_S:
            return None
        self._looked, size = now, self._memory()
        self._least = min(self._least, size)
        if size - self._least < LIMIT:
            return None
        self._least = size
        spent = {name: used for name, used in self._busy(self._processes()).items() if used >= BUSY_S}
        return max(spent, key=lambda name: (name != runs, spent[name]), default=None)


def busy_in_a_window(processes: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU time that each process uses while this one holds still."""
    before = {name: _cpu_time(pid) for name, pid in processes.items()}
    time.sleep(WINDOW_S)
    return {name: _cpu_time(pid) - before[name] for name, pid in processes.items()}


def _cpu_time(pid: int) -> float:
    with suppress(psutil.Error):
        used = psutil.Process(pid).cpu_times()
        return float(used.user + used.system)
    return 0.0
