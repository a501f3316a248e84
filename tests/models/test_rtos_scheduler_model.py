"""The real-time kernel against a reference that is too simple to be wrong: who runs, who inherits what, who gets what.

The reference keeps for each task its own priority, what it waits for and what it has, and works everything else out anew
each time: a task's priority is the highest of its own and of those who wait for what it has (a recursion, no propagation),
and who runs is the first in line among the highest. Whoever runs makes a call, chosen at random; kernel and reference have
to agree after each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.mutex import Mutex
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Clock, Request, State, Task
from tests.support.rtos import HZ, Time

TASKS, MUTEXES, MOST = 5, 4, 3
PRIORITIES = st.integers(0, 5)


class Told:
    """A body that only hears what its calls have come to."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def advance(self, clock: Clock, limit: int) -> Request | None:
        raise AssertionError("nobody runs in this model")

    def answer(self, value: object) -> None:
        self.heard.append(value.status if isinstance(value, Refused) else value)

    def close(self) -> None:
        pass


@dataclass(eq=False)
class Reference:
    """One task of the reference. `waits`: a mutex's number, "semaphore", or nothing."""

    base: int
    waits: Any = None
    has: set[int] = field(default_factory=set)
    heard: list[object] = field(default_factory=list)
    ended: bool = False


class SchedulerModel(RuleBasedStateMachine):
    """See above."""

    @initialize(bases=st.lists(PRIORITIES, min_size=TASKS, max_size=TASKS), count=st.integers(0, 2))
    def begin(self, bases: list[int], count: int) -> None:
        self.kernel = Kernel(Time(), hz=HZ)
        self.mutexes = [self.kernel.mutex(f"m{i}") for i in range(MUTEXES)]
        self.semaphore = self.kernel.semaphore("s", count, MOST)
        self.bodies = [Told() for _ in bases]
        self.tasks = [self.kernel.task(f"t{i}", self.bodies[i], priority=base) for i, base in enumerate(bases)]
        self.references = [Reference(base) for base in bases]
        self.count = count
        self.got: list[tuple[Reference, int]] = []
        """Who has which mutex, in the order in which they got them."""
        self.line = list(self.references)
        """Those that can run, in the order that counts among equals."""
        self.queues: dict[Any, list[Reference]] = {key: [] for key in (*range(MUTEXES), "semaphore")}

    # ---- the reference

    def priority(self, task: Reference) -> int:
        return max([task.base, *(self.priority(other) for mutex in task.has for other in self.queues[mutex])])

    def first(self) -> Reference | None:
        return max(self.line, key=self.priority, default=None)

    def most_urgent(self, key: Any) -> Reference | None:
        return max(self.queues[key], key=self.priority, default=None)

    def changes(self, before: dict[Reference, int]) -> None:
        """Who was raised goes to the end of the line, who fell to its head."""
        for task in list(self.line):
            was, now = before.get(task, -1), self.priority(task)
            if was >= 0 and was != now:
                self.line.remove(task)
                self.line.insert(len(self.line) if now > was else 0, task)

    def snapshot(self) -> dict[Reference, int]:
        return {task: self.priority(task) for task in self.line}

    def sleeps(self, task: Reference, key: Any) -> None:
        task.waits = key
        self.queues[key].append(task)
        self.line.remove(task)

    def wakes(self, task: Reference, answer: object) -> None:
        self.queues[task.waits].remove(task)
        task.waits = None
        task.heard.append(answer)
        self.line.append(task)

    def passes_on(self, owner: Reference, mutex: int) -> None:
        owner.has.remove(mutex)
        heir = self.most_urgent(mutex)
        if heir is not None:
            self.wakes(heir, None)
            heir.has.add(mutex)

    def owner(self, mutex: int) -> Reference | None:
        return next((task for task in self.references if mutex in task.has), None)

    def waits_for(self, task: Reference, other: Reference) -> bool:
        """Whether one can go on only after the other."""
        owner = self.owner(task.waits) if isinstance(task.waits, int) else None
        return task is other or (owner is not None and self.waits_for(owner, other))

    # ---- who runs makes a call

    def calls(self, request: Request) -> Reference:
        runs = self.first()
        assert runs is not None
        index = self.references.index(runs)
        self.kernel.serve(self.tasks[index], request)
        return runs

    def someone_runs(self) -> bool:
        return bool(getattr(self, "line", []))

    @precondition(someone_runs)
    @rule(mutex=st.integers(0, MUTEXES - 1))
    def locks(self, mutex: int) -> None:
        task, before = self.calls(self.mutexes[mutex].lock()), self.snapshot()
        owner = self.owner(mutex)
        if owner is None:
            task.has.add(mutex)
            task.heard.append(None)
        elif self.waits_for(owner, task):
            task.heard.append(Status.DEADLOCK)
        else:
            self.sleeps(task, mutex)
        self.changes(before)

    @precondition(someone_runs)
    @rule(mutex=st.integers(0, MUTEXES - 1))
    def unlocks(self, mutex: int) -> None:
        task, before = self.calls(self.mutexes[mutex].unlock()), self.snapshot()
        if mutex in task.has:
            self.passes_on(task, mutex)
            task.heard.append(None)
        else:
            task.heard.append(Status.NOT_OWNER)
        self.changes(before)

    @precondition(someone_runs)
    @rule()
    def takes(self) -> None:
        task, before = self.calls(self.semaphore.take()), self.snapshot()
        if self.count:
            self.count -= 1
            task.heard.append(None)
        else:
            self.sleeps(task, "semaphore")
        self.changes(before)

    @precondition(someone_runs)
    @rule()
    def gives(self) -> None:
        task, waiter = self.calls(self.semaphore.give()), self.most_urgent("semaphore")
        full = waiter is None and self.count == MOST
        if waiter is not None:
            self.wakes(waiter, None)
        elif not full:
            self.count += 1
        task.heard.append(Status.FULL if full else None)

    @precondition(someone_runs)
    @rule()
    def yields(self) -> None:
        task = self.calls(self.kernel.yield_())
        task.heard.append(None)
        self.line.remove(task)
        self.line.append(task)

    @precondition(someone_runs)
    @rule(of=st.integers(0, TASKS - 1), priority=PRIORITIES)
    def sets_a_priority(self, of: int, priority: int) -> None:
        before = self.snapshot()
        task = self.calls(self.kernel.set_priority(self.tasks[of], priority))
        if self.references[of].ended:
            task.heard.append(Status.NO_OBJECT)
            return
        self.references[of].base = priority
        task.heard.append(None)
        self.changes(before)

    @precondition(someone_runs)
    @rule()
    def ends(self) -> None:
        runs, before = self.first(), self.snapshot()
        assert runs is not None
        task = self.calls(self.kernel.end(self.tasks[self.references.index(runs)]))
        task.ended = True
        self.line.remove(task)
        for mutex in [self.mutexes.index(queue.mutex) for queue in self.held_in_order(task)]:
            self.passes_on(task, mutex)
        self.changes(before)

    def held_in_order(self, task: Reference) -> list[Any]:
        """What an ended task had goes on in the order in which it got it."""
        order = sorted(task.has, key=lambda mutex: self.got.index((task, mutex)))
        return [self.mutexes[mutex].waiters for mutex in order]

    @rule(of=st.integers(0, TASKS - 1))
    def gives_up(self, of: int) -> None:
        """Its time is over before it got what it waits for."""
        task = self.references[of]
        if task.waits is None:
            return
        before = self.snapshot()
        self.kernel.wake(self.tasks[of], Status.TIMEOUT)
        self.wakes(task, Status.TIMEOUT)
        self.changes(before)

    # ---- agreement

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "kernel"):
            return
        self.got = [(task, mutex) for task, mutex in self.got if mutex in task.has]
        self.got += [(t, m) for t in self.references for m in sorted(t.has) if (t, m) not in self.got]
        for task, body, reference in zip(self.tasks, self.bodies, self.references, strict=True):
            assert (task.state is State.ENDED) == reference.ended
            assert body.heard == reference.heard
            if not reference.ended:
                assert task.priority == self.priority(reference), task.name
                assert (task.state is State.WAITING) == (reference.waits is not None)
            assert {self.number(queue.mutex) for queue in task.held} == reference.has
        first, runs = self.kernel.ready.first(), self.first()
        assert self.index_of(first) == (self.references.index(runs) if runs is not None else None)
        assert self.semaphore.count == self.count

    def number(self, mutex: Mutex) -> int:
        return self.mutexes.index(mutex)

    def index_of(self, task: Task | None) -> int | None:
        return self.tasks.index(task) if task is not None else None


TestSchedulerModel = SchedulerModel.TestCase
TestSchedulerModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
