"""Mutexes whose owner inherits the priority of who waits for it.

Theory: the owner runs as urgently as the most urgent of those who wait (priority inheritance, Sha, Rajkumar and Lehoczky
1990), along chains of such waits, so that nobody of a priority in between can make the urgent one wait longer than the
owner needs. A lock that would close a ring of waits is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cells.personalities.rtos.objects import Object
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Request, Task, WaitQueue
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.rtos.kernel import Kernel


class MutexQueue(WaitQueue):
    """Who waits for a mutex."""

    __slots__ = ("mutex",)

    def __init__(self, mutex: Mutex) -> None:
        super().__init__()
        self.mutex = mutex


class Mutex(Object):
    """One owner at a time."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        super().__init__(kernel, name)
        self.waiters = MutexQueue(self)

    @property
    def owner(self) -> Task | None:
        """Who has it."""
        return self.waiters.owner

    def lock(self, until: int = NEVER) -> Request:
        """Get it; waits for its owner. Refused: TIMEOUT, DELETED, DEADLOCK if the owner waits for the caller, or is the
        caller."""
        return Request(self._lock, (until,))

    def unlock(self) -> Request:
        """Give it to the most urgent of those who wait. Refused: NOT_OWNER."""
        return Request(self._unlock)

    def clear(self) -> None:
        """See `Object`. Its owner does not have it any more either."""
        super().clear()
        self._take_away()

    def pass_on(self) -> None:
        """Its owner does not need it any more."""
        self._take_away()
        heir = self.waiters.first()
        if heir is not None:  # as urgent as any who still wait: he has nothing to inherit from them
            self.kernel.wake(heir)
            self._give_to(heir)

    def _give_to(self, task: Task) -> None:
        self.waiters.owner = task
        task.held.append(self.waiters)

    def _take_away(self) -> None:
        owner = self.waiters.owner
        if owner is not None:
            self.waiters.owner = None
            owner.held.remove(self.waiters)
            self.kernel.reprioritise(owner)

    def _lock(self, task: Task, until: int) -> object:
        self.check()
        if self.owner is None:
            self._give_to(task)
            return None
        if self._leads_back_to(task):
            raise Refused(Status.DEADLOCK, self.name)
        return self.kernel.block(task, self.waiters, until)

    def _leads_back_to(self, task: Task) -> bool:
        owner = self.owner
        while owner is not None and owner is not task:
            owner = owner.waits_in.owner if owner.waits_in is not None else None
        return owner is task

    def _unlock(self, task: Task) -> None:
        self.check()
        if self.owner is not task:
            raise Refused(Status.NOT_OWNER, self.name)
        self.pass_on()
