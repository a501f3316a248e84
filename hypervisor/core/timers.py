"""What is due when: a queue ordered by (time, priority, serial).

The serial breaks ties in the order of insertion, so that two runs fire the same things in the same order. Of two
things due at one time the lower `priority` comes first (0 unless told). A cancelled entry stays in the heap until it
surfaces or until the dead outnumber the living; nobody sees it.

>>> timers: TimerQueue[str] = TimerQueue()
>>> tick = timers.at(100, "tick")
>>> late = timers.at(200, "late")
>>> timers.cancel(late)
True
>>> [due.what for due in timers.pop_due(1_000)]
['tick']
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from hypervisor.abi.time import NEVER
from hypervisor.core.errors import require_none

What = TypeVar("What")
_SLACK = 16
"""Dead entries that are not worth a clean-up."""


class Due(NamedTuple, Generic[What]):
    """An entry: `what` is due at `time`; `serial` is the handle that `at` returned."""

    time: int
    priority: int
    serial: int
    what: What


class TimerQueue(Generic[What]):
    """Pending timers. A time that is already past is allowed and due at once."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        self._live: dict[int, Due[What]] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._live)

    def at(self, time: int, what: What, priority: int = 0) -> int:
        """Let `what` be due at `time`. The handle is for `cancel`; no handle is ever used twice."""
        handle = self._serial
        self._serial += 1
        self._live[handle] = Due(time, priority, handle, what)
        heapq.heappush(self._heap, (time, priority, handle))
        return handle

    def cancel(self, handle: int) -> bool:
        """Forget a timer. False if it has fired or was cancelled already."""
        was_pending = self._live.pop(handle, None) is not None
        if len(self._heap) > 2 * len(self._live) + _SLACK:
            self._heap = [(due.time, due.priority, due.serial) for due in self._live.values()]
            heapq.heapify(self._heap)
        return was_pending

    def next_time(self) -> int:
        """When the next timer is due; NEVER if none is pending."""
        self._drop_dead()
        return self._heap[0][0] if self._heap else NEVER

    def pop_due(self, now: int) -> Iterator[Due[What]]:
        """Take what is due at `now` or earlier, in order, one at a time.

        It looks again after each: a timer that the caller cancels between two steps does not fire, and one that it sets
        for `now` does. Nothing is taken until the iteration begins.
        """
        while self.next_time() <= now and self._heap:
            _, _, handle = heapq.heappop(self._heap)
            yield self._live.pop(handle)

    def pending(self) -> list[Due[What]]:
        """All that is pending, in the order in which it will fire."""
        return sorted(self._live.values(), key=lambda due: (due.time, due.priority, due.serial))

    def check_invariants(self) -> None:
        """Every live timer is in the heap once, with its own time.

        Raises:
            InvariantBroken: it is not so.
        """
        alive = sorted(entry for entry in self._heap if entry[2] in self._live)
        expected = [(due.time, due.priority, due.serial) for due in self.pending()]
        problems = [] if alive == expected else [f"timers: the heap has {alive}, pending are {expected}"]
        if any(handle >= self._serial for handle in self._live):
            problems.append(f"timers: a handle beyond the next serial {self._serial}")
        require_none(problems)

    def _drop_dead(self) -> None:
        while self._heap and self._heap[0][2] not in self._live:
            heapq.heappop(self._heap)
