"""The account of tasks that have to be done in time: jobs, the worst response, what came too late.

    jobs.release(task)             # a job of a sporadic task is to be done
    timing = Timing(period=20_000, deadline=5_000, release=now)
    timing.done(now)               # the job that began at `release` is over; the next begins a period later
    timing.late()                  # its deadline has passed and it is not over

Theory: job n of a periodic task is released at start + n * period whether or not the one before it is over, and its response is
the time from there to its end (Liu and Layland 1973). A miss is counted when the deadline passes, so that a job which
never ends is one too, and once for each job. Jobs whose release has passed while another one ran are done one after
another. A task without a period is sporadic: somebody releases each job when there is something to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cells.personalities.rtos.agenda import Alarm
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Task, WaitQueue
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.rtos.kernel import Kernel


@dataclass(slots=True)
class Timing:
    """Times in cycles. `release`: of the job that is to be done now, or next, `NEVER` for none; `worst`: the longest response."""

    period: int
    deadline: int
    release: int
    jobs: int = 0
    misses: int = 0
    worst: int = 0
    total: int = 0
    """Of all responses, for their mean."""
    missed: bool = False
    """The present job has been counted as missed."""
    alarm: Alarm | None = None
    """Looks at the deadline of the present job."""

    @property
    def due(self) -> int:
        """When the present job has to be over."""
        return self.release + self.deadline

    @property
    def open(self) -> bool:
        """There is a job to be done, now or later."""
        return self.release < NEVER

    def late(self) -> None:
        """The deadline of the present job has passed."""
        if not self.missed:
            self.missed = True
            self.misses += 1

    def done(self, now: int) -> int:
        """The present job is over: its response. The next one is released a period after it was, or when somebody does."""
        response = now - self.release
        if response > self.deadline:
            self.late()
        self.jobs += 1
        self.total += response
        self.worst = max(self.worst, response)
        self.release = self.release + self.period if self.period else NEVER
        self.missed = False
        return response


class Jobs:
    """The jobs of a kernel's tasks: when they are released, and who looks whether they are over in time."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def begin(self, task: Task, period: int, deadline: int) -> None:
        """A new task, in cycles; 0 and 0: nobody minds how long it takes."""
        if period or deadline:
            task.timing = Timing(period, deadline or period, self._kernel.now() if period else NEVER)
            self._watch(task)

    def release(self, task: Task, at: int | None = None) -> bool:
        """A job of a sporadic task is to be done: released now, or at a time before. False: the one before it is not over."""
        timing = task.timing
        if timing is None or timing.open:
            return False
        timing.release = self._kernel.now() if at is None else at
        self._watch(task)
        return True

    def next(self, task: Task) -> object:
        """The present job is over, and the task waits for the release of the next one: see `Kernel.next_period`."""
        timing, kernel = task.timing, self._kernel
        if timing is None or not timing.open:
            raise Refused(Status.BAD_ARGUMENT, f"{task.name} has no job")
        now = kernel.now()
        timing.done(now)
        kernel.on_job(task)
        self._watch(task)
        if not timing.period:
            return 0
        behind = max(now - timing.release, -1) // timing.period + 1
        return behind if timing.release <= now else kernel.block(task, WaitQueue(), timing.release, timeout=0)

    def end(self, task: Task) -> None:
        """It has ended, and with it its job."""
        if task.timing is not None and task.timing.alarm is not None:
            task.timing.alarm.cancel()

    def _watch(self, task: Task) -> None:
        """Look at the present job when it should be over, and not at the one before it any more."""
        timing = task.timing

        def look() -> None:
            timing.late()
            self._kernel.on_job(task)

        self.end(task)
        timing.alarm = self._kernel.agenda.at(timing.due, look) if timing.open else None
