"""Who runs: the ready tasks by priority, and within one priority in the order in which they became ready.

    ready.add(task)
    ready.first()          # of the highest priority, the one that came first; it stays in line while it runs

Theory: a list for each priority and a word with a bit for each list that is not empty; the highest bit is the answer. Who is
preempted keeps its place at the head of its list. A task that is raised goes behind those of its new priority, one that falls
back goes before them: it has not used what it was given.
"""

from __future__ import annotations

from collections import deque

from cells.personalities.rtos.task import PRIORITIES, Task


class Ready:
    """The tasks that can run; the one that runs is among them."""

    def __init__(self) -> None:
        self._lines: list[deque[Task]] = [deque() for _ in range(PRIORITIES)]
        self._waiting = 0
        """A bit for each line that is not empty."""

    def add(self, task: Task) -> None:
        """Behind those of its priority."""
        self._lines[task.priority].append(task)
        self._waiting |= 1 << task.priority

    def remove(self, task: Task) -> None:
        """It cannot run any more. Requires: it is here."""
        line = self._lines[task.priority]
        line.remove(task)
        if not line:
            self._waiting &= ~(1 << task.priority)

    def move(self, task: Task, priority: int) -> None:
        """It has another priority from now on. Requires: it is here."""
        fell = priority < task.priority
        self.remove(task)
        task.priority = priority
        line = self._lines[priority]
        if fell:
            line.appendleft(task)
        else:
            line.append(task)
        self._waiting |= 1 << priority

    def rotate(self, task: Task) -> None:
        """Others of its priority first. Requires: it is here."""
        line = self._lines[task.priority]
        line.remove(task)
        line.append(task)

    def first(self) -> Task | None:
        """Who has the CPU."""
        return self._lines[self._waiting.bit_length() - 1][0] if self._waiting else None
