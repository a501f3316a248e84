"""What tasks share: counting semaphores, queues, event flags, software timers; mutexes are in mutex.py.

    item = yield frames.receive(until=rtos.after("20ms"))      # a call of a task: it may wait; Refused(TIMEOUT)
    frames.post(item)                                          # from a handler, or where nobody may wait: whether there was room

Theory: each object has a queue of who waits for it, the most urgent first. What is given to somebody who waits goes to him
directly and never through the object, so that nobody who comes later can take it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from cells.personalities.rtos.agenda import Alarm
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Request, Task, WaitQueue
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.rtos.kernel import Kernel

DEPTH = 256
"""Items of a queue at most."""
WORD = 0xFFFF_FFFF
SHORTEST = 100
"""Periods per second that a timer has at most, in thousands: shorter ones would be nothing but timers."""


class Object:
    """Has a name, a handle in its kernel, and who waits for it."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.kernel, self.name, self.handle = kernel, name, 0
        self.waiters = WaitQueue()

    def check(self) -> None:
        """It has not been deleted.

        Raises:
            Refused: NO_OBJECT.
        """
        if self.kernel.objects.get(self.handle) is not self:
            raise Refused(Status.NO_OBJECT, self.name)

    def clear(self) -> None:
        """It is deleted: nobody waits for it any longer."""
        self.refuse_all(self.waiters)

    def refuse_all(self, queue: WaitQueue) -> None:
        """Whoever waits there gets DELETED."""
        while (task := queue.first()) is not None:
            self.kernel.wake(task, Status.DELETED)


class Semaphore(Object):
    """Counts up to `maximum`."""

    def __init__(self, kernel: Kernel, name: str, count: int, maximum: int) -> None:
        super().__init__(kernel, name)
        if not 0 <= count <= maximum <= WORD:
            raise Refused(Status.BAD_ARGUMENT, f"{count} of {maximum}")
        self.count, self.maximum = count, maximum

    def take(self, until: int = NEVER) -> Request:
        """One less; waits while there is none. Refused: TIMEOUT, DELETED."""
        return Request(self._take, (until,))

    def give(self) -> Request:
        """One more, from a task. Refused: FULL."""
        return Request(self._give)

    def post(self) -> bool:
        """One more; False at the maximum."""
        self.check()
        waiter = self.waiters.first()
        if waiter is not None:
            self.kernel.wake(waiter)
        elif self.count >= self.maximum:
            return False
        else:
            self.count += 1
        return True

    def _take(self, task: Task, until: int) -> object:
        self.check()
        if not self.count:
            return self.kernel.block(task, self.waiters, until)
        self.count -= 1
        return None

    def _give(self, _task: Task) -> None:
        if not self.post():
            raise Refused(Status.FULL, self.name)


class Queue(Object):
    """Items in order."""

    def __init__(self, kernel: Kernel, name: str, depth: int) -> None:
        super().__init__(kernel, name)
        if not 1 <= depth <= DEPTH:
            raise Refused(Status.BAD_ARGUMENT, f"depth {depth}")
        self.depth = depth
        self.items: deque[Any] = deque()
        self.senders = WaitQueue()

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self.items) >= self.depth

    def send(self, item: object, until: int = NEVER) -> Request:
        """Put an item in; waits for room. Refused: TIMEOUT, DELETED."""
        return Request(self._send, (item, until))

    def receive(self, until: int = NEVER) -> Request:
        """The oldest item; waits for one. Refused: TIMEOUT, DELETED."""
        return Request(self._receive, (until,))

    def post(self, item: object) -> bool:
        """Put an item in; False if there is no room."""
        self.check()
        waiter = self.waiters.first()
        if waiter is not None:
            self.kernel.wake(waiter, item)
        elif self.full:
            return False
        else:
            self.items.append(item)
        return True

    def clear(self) -> None:
        """See `Object`."""
        super().clear()
        self.refuse_all(self.senders)

    def _send(self, task: Task, item: object, until: int) -> object:
        if self.post(item):
            return None
        answer = self.kernel.block(task, self.senders, until)
        task.wanted = item
        return answer

    def _receive(self, task: Task, until: int) -> object:
        self.check()
        if not self.items:
            return self.kernel.block(task, self.waiters, until)
        item = self.items.popleft()
        sender = self.senders.first()
        if sender is not None:
            self.items.append(sender.wanted)
            self.kernel.wake(sender)
        return item


class Flags(Object):
    """32 bits that tasks wait for."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        super().__init__(kernel, name)
        self.bits = 0

    def wait(self, mask: int, *, every: bool = False, clear: bool = False, until: int = NEVER) -> Request:
        """Wait for one of the bits of `mask`, or for every one; `clear`: takes those it waited for. Answers all bits that
        were set.

        Refused: TIMEOUT, DELETED, BAD_ARGUMENT for an empty mask.
        """
        return Request(self._wait, (mask & WORD, every, clear, until))

    def set(self, bits: int) -> Request:
        """Set bits, from a task."""
        return Request(lambda _task: self.post(bits))

    def post(self, bits: int) -> bool:
        """Set bits and wake whoever waited for that, the most urgent first: one that clears leaves less for the others."""
        self.check()
        self.bits |= bits & WORD
        while (task := max(self._served(), key=lambda task: task.priority, default=None)) is not None:
            self.kernel.wake(task, self._take(*task.wanted))
        return True

    def reset(self, bits: int) -> int:
        """Clear bits; what was set before."""
        self.check()
        before = self.bits
        self.bits &= ~bits & WORD
        return before

    def _served(self) -> Iterator[Task]:
        return (task for task in self.waiters if self._has(*task.wanted[:2]))

    def _has(self, mask: int, every: bool) -> bool:
        found = self.bits & mask
        return found == mask if every else bool(found)

    def _take(self, mask: int, _every: bool, clear: bool) -> int:
        before = self.bits
        if clear:
            self.bits &= ~mask
        return before

    def _wait(self, task: Task, mask: int, every: bool, clear: bool, until: int) -> object:
        self.check()
        if not mask:
            raise Refused(Status.BAD_ARGUMENT, "no bit to wait for")
        if self._has(mask, every):
            return self._take(mask, every, clear)
        answer = self.kernel.block(task, self.waiters, until)
        task.wanted = (mask, every, clear)
        return answer


class Timer(Object):
    """A software timer: has a function called at a time, and again each period."""

    def __init__(self, kernel: Kernel, name: str, function: Callable[[], object]) -> None:
        super().__init__(kernel, name)
        self._function = function
        self._alarm: Alarm | None = None
        self._period = 0

    @property
    def time(self) -> int:
        """When it runs out, `NEVER` while it is stopped."""
        return self._alarm.time if self._alarm is not None else NEVER

    def start(self, after: str | int, period: str | int = 0) -> None:
        """Run out after a time, then each period (0: once); what was started before is stopped.

        Raises:
            Refused: BAD_ARGUMENT, a period under 10 us or a time below zero.
        """
        self.check()
        wait, period = self.kernel.cycles(after), self.kernel.cycles(period)
        if wait < 0 or 0 != period < self.kernel.hz // (SHORTEST * 1000):
            raise Refused(Status.BAD_ARGUMENT, f"{wait} and then each {period} cycles")
        self.stop()
        self._period = period
        self._set(self.kernel.after(wait))

    def stop(self) -> int:
        """It does not run out; cycles that were left, 0 if it was stopped."""
        if self._alarm is None:
            return 0
        left = self._alarm.time - self.kernel.now()
        self._alarm.cancel()
        self._alarm = None
        return max(left, 0)

    def clear(self) -> None:
        """See `Object`."""
        self.stop()

    def _set(self, time: int) -> None:
        self._alarm = self.kernel.agenda.at(time, self._ran_out)

    def _ran_out(self) -> None:
        assert self._alarm is not None
        time, self._alarm = self._alarm.time, None
        if self._period:
            self._set(time + self._period)
        self._function()
