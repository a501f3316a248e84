"""What the kernel has to do at a time.

timer = timers.at(time, function)      # `timer.cancel()`
timers.ring(now)                       # does what is due
timers.next()                          # when the next one is, NEVER if there is none
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from hypervisor.abi.time import NEVER

FEW = 256
"""So many entries are kept without looking for cancelled ones among them."""


class Timer:
    """Something to do at a time."""

    __slots__ = ("function", "time")

    def __init__(self, time: int, function: Callable[[], object]) -> None:
        self.time = time
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """It will not be done."""
        self.function = None


class Timers:
    """All of a kernel's, in the order of time, and of their making. `vcpu` stops in time for each."""

    def __init__(self, vcpu: Any) -> None:
        self._vcpu = vcpu
        self._heap: list[tuple[int, int, Timer]] = []
        self._most = FEW
        self._serial = itertools.count()

    def at(self, time: int, function: Callable[[], object]) -> Timer:
        """Have something done at a time, or soon after."""
        timer = Timer(time, function)
        if len(self._heap) >= self._most:  # cancelled ones stay until their time: not for ever
            self._heap = [entry for entry in self._heap if entry[2].function is not None]
            heapq.heapify(self._heap)
            self._most = max(FEW, 2 * len(self._heap))
        heapq.heappush(self._heap, (time, next(self._serial), timer))
        self._vcpu.limit = min(self._vcpu.limit, max(time - self._vcpu.offset, 0))
        return timer

    def next(self) -> int:
        """When the next one is due."""
        heap = self._heap
        while heap and heap[0][2].function is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else NEVER

    def ring(self, now: int) -> None:
        """Do what is due."""
        while self.next() <= now:
            function = heapq.heappop(self._heap)[2].function
            if function is not None:
                function()
