"""What is to be done at a time: the kernel's list of alarms.

    alarm = agenda.at(5_000, function)
    alarm.cancel()
    agenda.next()                  # when something is due, NEVER for nothing
    agenda.take(now)               # the function of one alarm that is due, None if none is

Theory: a heap in the order (time, serial). A cancelled alarm stays in it until its time comes or until half of the heap is
such, so that neither cancelling nor a task which sets alarm after alarm costs more than it should.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from hypervisor.abi.time import NEVER

ROOM = 64
"""Entries below which nobody tidies up."""


class Alarm:
    """One entry; `function` is None once it was cancelled or taken."""

    __slots__ = ("_agenda", "function", "time")

    def __init__(self, agenda: Agenda, time: int, function: Callable[[], object]) -> None:
        self._agenda, self.time = agenda, time
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """It will not be done; cancelling twice does nothing."""
        if self.function is not None:
            self.function = None
            self._agenda.forget_one()


class Agenda:
    """All alarms of a kernel."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Alarm]] = []
        self._serial = itertools.count()
        self._cancelled = 0

    def __len__(self) -> int:
        """Entries that are kept, cancelled ones among them."""
        return len(self._heap)

    def at(self, time: int, function: Callable[[], object]) -> Alarm:
        """Have something done at a time, or as soon after as somebody looks."""
        alarm = Alarm(self, time, function)
        heapq.heappush(self._heap, (time, next(self._serial), alarm))
        return alarm

    def next(self) -> int:
        """When the first alarm is due, `NEVER` if there is none."""
        heap = self._heap
        while heap and heap[0][2].function is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else NEVER

    def take(self, now: int) -> Callable[[], object] | None:
        """The function of the first alarm if its time has come: it is off the list."""
        if self.next() > now:
            return None
        alarm = heapq.heappop(self._heap)[2]
        function, alarm.function = alarm.function, None
        return function

    def forget_one(self) -> None:
        """One entry more is cancelled."""
        self._cancelled += 1
        if self._cancelled > max(ROOM, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].function is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
