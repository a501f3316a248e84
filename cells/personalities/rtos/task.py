"""A task as the kernel knows it, what it can yield, and who waits for what.

    def blink(rtos, light):                     # in Python: a generator
        while True:
            yield Work(2_000)                   # computes; who is more urgent comes in between
            yield light.give()                  # a call of the kernel; its result is what `yield` gives
            yield rtos.sleep("5ms")

A body (`Body`) is what executes a task: a generator (`PythonBody`) or ARM code (arm_tasks.py). It advances until it wants
something of the kernel, until it ends, or until a given time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from cells.personalities.rtos.agenda import Alarm
from cells.personalities.rtos.status import Refused, TaskFault

PRIORITIES = 256
"""0 to 255; a greater number is more urgent."""


class Work(NamedTuple):
    """Compute for so many cycles."""

    cycles: int


class Request(NamedTuple):
    """A call of the kernel: `function(task, *arguments)` answers it, or returns `WAITS` after it has put the task to sleep."""

    function: Callable[..., object]
    arguments: tuple[Any, ...] = ()


class State(Enum):
    """What a task does."""

    READY = "ready"
    WAITING = "waiting"
    ENDED = "ended"


WAITS = object()
"""The answer of a call that has none yet."""


class Clock(Protocol):
    """The time of the cell."""

    def now(self) -> int:
        """Virtual time in cycles."""
        ...

    def work(self, cycles: int) -> None:
        """Let so many pass."""
        ...


class Body(Protocol):
    """What executes a task."""

    def advance(self, clock: Clock, limit: int) -> Request | None:
        """Run until it asks for something; None if it could go on but `limit` is reached.

        Raises:
            StopIteration: it has ended.
            TaskFault: it cannot go on.
        """
        ...

    def answer(self, value: object) -> None:
        """What its last request has come to; a `Refused` if that was refused."""
        ...

    def close(self) -> None:
        """It will not be advanced any more: give back what it has."""
        ...


class WaitQueue:
    """Tasks that wait for one thing: the most urgent first, among equals the one that came first.

    `owner`: the task that can end the wait and runs as urgently as the waiters while it has not, for a mutex.
    """

    __slots__ = ("_tasks", "owner")

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self.owner: Task | None = None

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        """In the order in which they came."""
        return iter(self._tasks)

    def add(self, task: Task) -> None:
        """It waits."""
        self._tasks.append(task)

    def remove(self, task: Task) -> None:
        """It waits no more. Requires: it did."""
        self._tasks.remove(task)

    def first(self) -> Task | None:
        """Whose turn it is."""
        return max(self._tasks, key=_urgency) if self._tasks else None  # of equals, `max` takes the first

    def urgency(self) -> int:
        """The highest priority among them, -1 for nobody."""
        return max((task.priority for task in self._tasks), default=-1)


def _urgency(task: Task) -> int:
    return task.priority


@dataclass(eq=False, slots=True)
class Task:
    """One task. `base`: its own priority; `priority`: with what it has inherited. `held`: queues of the mutexes that it has."""

    name: str
    body: Body
    base: int
    priority: int
    handle: int = 0
    state: State = State.READY
    waits_in: WaitQueue | None = None
    alarm: Alarm | None = None
    """Ends its wait at a time."""
    held: list[Any] = field(default_factory=list)
    wanted: Any = None
    """What the wait is for: (mask, all, clear) of flags, the item of a full queue."""
    timing: Any = None
    """Its deadlines (deadlines.py), None for a task without."""
    cycles: int = 0
    fault: str = ""


class PythonBody:
    """A generator. What it yields beside `Work` and `Request` ends the task."""

    __slots__ = ("_answer", "_generator", "_left", "_refused")

    def __init__(self, generator: Generator[Any, Any, Any]) -> None:
        self._generator = generator
        self._left = 0
        self._answer: Any = None
        self._refused: Refused | None = None

    def advance(self, clock: Clock, limit: int) -> Request | None:
        """See `Body`."""
        while True:
            if self._left:
                step = min(self._left, limit - clock.now())
                if step > 0:
                    clock.work(step)
                    self._left -= step
                if self._left:
                    return None
            wanted = self._next()
            if isinstance(wanted, Request):
                return wanted
            if not isinstance(wanted, Work) or wanted.cycles < 0:
                raise TaskFault(f"yields {type(wanted).__name__}, which is neither Work nor a call")
            self._left = wanted.cycles + 1  # a task that only says it works gets on in time as well

    def _next(self) -> object:
        answer, refused = self._answer, self._refused
        self._answer = self._refused = None
        try:
            return self._generator.throw(refused) if refused is not None else self._generator.send(answer)
        except (StopIteration, TaskFault):
            raise
        except Exception as error:
            raise TaskFault(f"{type(error).__name__}: {error}") from error

    def answer(self, value: object) -> None:
        """See `Body`."""
        if isinstance(value, Refused):
            self._refused = value
        else:
            self._answer = value

    def close(self) -> None:
        """See `Body`. A generator that does not want to end is left alone."""
        with contextlib.suppress(Exception):  # its own finally clauses; it is gone all the same
            self._generator.close()
