"""The kernel: which task runs, how it sleeps and wakes, and what happens to one that breaks.

    kernel = Kernel(clock, hz=200_000_000)
    kernel.task("blink", blink(kernel), priority=10, period="10ms", deadline="2ms")
    while kernel.turn(limit):              # false: nobody can run before kernel.agenda.next()
        ...

Theory: pure. Time comes from a `Clock`, so that the same kernel runs in a cell (guest.py) and in a test without one. A
turn does what is due and then advances the first of the ready tasks until it waits, ends, or somebody more urgent is
ready. What makes that so is an alarm, which bounds the turn, an interrupt, which the owner of the loop brings between
turns, or a call of the task's own. All work of a call is bounded by the numbers of tasks and objects (`TASKS`, `OBJECTS`),
and these are bounded.

The handlers of interrupts and software timers are functions that run to their end in the kernel's time. They may call what does
not wait: `post` of queues, semaphores and flags, `reset`, `start` and `stop`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import Any

from cells.personalities.rtos.agenda import Agenda
from cells.personalities.rtos.deadlines import Jobs
from cells.personalities.rtos.inventory import Inventory
from cells.personalities.rtos.scheduler import Ready
from cells.personalities.rtos.status import Refused, Status, TaskFault
from cells.personalities.rtos.task import PRIORITIES, WAITS, Body, Clock, PythonBody, Request, State, Task, WaitQueue
from hypervisor.abi.time import NEVER, parse_time

CALL_CYCLES, SWITCH_CYCLES, ALARM_CYCLES, INTERRUPT_CYCLES = 150, 200, 100, 250
"""Cycles of a call, a change of task, an alarm, the entry to an interrupt's handler and the way back: assumed, of the
order of small kernels on an ARM9 (a context of 17 words saved and loaded, a list or two changed)."""
TASKS = 64
LOG = 64
"""Lines of the kernel's own that are kept."""
BURST = 10_000
"""Alarms that one turn takes: timers of a short period must not keep the tasks from running, nor the loop from its events."""


class Kernel(Inventory):
    """Tasks and objects of one cell. `on_call`: the cycles that the cell's architecture takes for each call of a task."""

    def __init__(self, clock: Clock, *, hz: int, on_call: Callable[[], int] = lambda: 0) -> None:
        super().__init__()
        self.clock, self.hz = clock, hz
        self.ready, self.agenda, self.jobs = Ready(), Agenda(), Jobs(self)
        self.tasks: dict[int, Task] = {}
        """Those that have not ended, by handle."""
        self.ended: deque[Task] = deque(maxlen=TASKS)
        self.log: deque[str] = deque(maxlen=LOG)
        self.on_ended: Callable[[Task], object] = lambda task: None
        self.on_job: Callable[[Task], object] = lambda task: None
        """Told of a task whose figures have changed: a job is over, or too late."""
        self.current: Task | None = None
        self.switches = self.calls = self.faults = self.interrupts = 0
        self._on_call = on_call

    # ---- time

    def now(self) -> int:
        """Virtual time in cycles."""
        return self.clock.now()

    def cycles(self, time: str | int) -> int:
        """A duration: cycles, or a text like "20ms"."""
        return parse_time(time, self.hz) if isinstance(time, str) else time

    def after(self, time: str | int) -> int:
        """The time that is so much later than now; `NEVER` for `NEVER`."""
        return min(self.now() + self.cycles(time), NEVER)

    # ---- what there is

    def task(
        self,
        name: str,
        body: Body | Generator[Any, Any, Any],
        *,
        priority: int,
        period: str | int = 0,
        deadline: str | int = 0,
    ) -> Task:
        """A new task, ready at once. With a `period` its jobs are accounted from now on (`next_period`); with a `deadline`
        alone those that somebody releases (`jobs.release`). `deadline`: the period if not said.

        Raises:
            Refused: NO_ROOM, BAD_ARGUMENT.
        """
        if not 0 <= priority < PRIORITIES:
            raise Refused(Status.BAD_ARGUMENT, f"priority {priority}")
        if len(self.tasks) >= TASKS:
            raise Refused(Status.NO_ROOM, f"more than {TASKS} tasks")
        known = PythonBody(body) if isinstance(body, Generator) else body
        task = Task(name, known, priority, priority, next(self._handles))
        self.tasks[task.handle] = task
        self.ready.add(task)
        self.jobs.begin(task, self.cycles(period), self.cycles(deadline))
        return task

    # ---- calls that every task has

    def sleep(self, time: str | int) -> Request:
        """Wait for a time."""
        return self.sleep_until(self.after(time))

    def sleep_until(self, time: int) -> Request:
        """Wait until a time."""
        return Request(self._sleep, (time,))

    def next_period(self) -> Request:
        """The present job is over; wait for the release of the next one. Answers how many releases have passed already. A
        sporadic task does not wait here: it knows what releases it."""
        return Request(self.jobs.next)

    def yield_(self) -> Request:
        """Others of the same priority first."""
        return Request(self.ready.rotate)

    def set_priority(self, of: Task, priority: int) -> Request:
        """Give a task another priority of its own. Raises BAD_ARGUMENT, NO_OBJECT."""
        return Request(self._set_base, (of, priority))

    def end(self, of: Task) -> Request:
        """End a task, the caller itself included. Raises NO_OBJECT if it has ended."""
        return Request(self._end_task, (of,))

    def _sleep(self, task: Task, until: int) -> object:
        if until <= self.now():
            return None
        return self.block(task, WaitQueue(), until, timeout=None)

    def _set_base(self, _task: Task, of: Task, priority: int) -> None:
        if not 0 <= priority < PRIORITIES:
            raise Refused(Status.BAD_ARGUMENT, f"priority {priority}")
        if of.state is State.ENDED:
            raise Refused(Status.NO_OBJECT, of.name)
        of.base = priority
        self.reprioritise(of)

    def _end_task(self, task: Task, of: Task) -> object:
        if of.state is State.ENDED:
            raise Refused(Status.NO_OBJECT, of.name)
        self.finish(of)
        return WAITS if of is task else None

    # ---- for the objects

    def block(self, task: Task, queue: WaitQueue, until: int, timeout: object = Status.TIMEOUT) -> object:
        """Put a task to sleep in a queue, until it is woken or until a time; then it gets `timeout`, a `Status` as a refusal.

        Raises:
            Refused: TIMEOUT, the time has passed already.
        """
        if until <= self.now():
            raise Refused(Status.TIMEOUT)
        self.ready.remove(task)
        task.state, task.waits_in = State.WAITING, queue
        queue.add(task)
        if until < NEVER:
            task.alarm = self.agenda.at(until, lambda: self.wake(task, timeout))
        if queue.owner is not None:
            self.reprioritise(queue.owner)
        return WAITS

    def wake(self, task: Task, value: object = None) -> None:
        """A task that waits has what it waited for, or a refusal (a `Status` below zero)."""
        self._unblock(task)
        task.state, task.wanted = State.READY, None
        task.body.answer(Refused(value) if isinstance(value, Status) and value < 0 else value)
        self.ready.add(task)

    def _unblock(self, task: Task) -> None:
        queue = task.waits_in
        assert queue is not None
        queue.remove(task)
        task.waits_in = None
        if task.alarm is not None:
            task.alarm.cancel()
            task.alarm = None
        if queue.owner is not None:
            self.reprioritise(queue.owner)

    def reprioritise(self, task: Task | None) -> None:
        """Give a task its own priority or the highest that it inherits, and what follows from that along a chain of owners."""
        while task is not None:
            wanted = max([task.base, *(queue.urgency() for queue in task.held)])
            if wanted == task.priority:
                return
            if task.state is State.READY:
                self.ready.move(task, wanted)
            else:
                task.priority = wanted
            task = task.waits_in.owner if task.waits_in is not None else None

    # ---- the loop

    def interrupt(self, handler: Callable[[], object]) -> None:
        """An interrupt: its handler runs now, above all tasks."""
        self.interrupts += 1
        self.clock.work(INTERRUPT_CYCLES)
        handler()

    def turn(self, limit: int) -> bool:
        """Do what is due, then let the first task run until it waits, another is more urgent, or `limit`. False: none can."""
        for _ in range(BURST):
            function = self.agenda.take(self.clock.now())
            if function is None:
                break
            self.clock.work(ALARM_CYCLES)
            function()
        task = self.ready.first()
        if task is None:
            return False
        if task is not self.current:
            self.current = task
            self.switches += 1
            self.clock.work(SWITCH_CYCLES)
        self._run(task, limit)
        return True

    def _run(self, task: Task, limit: int) -> None:
        began = self.clock.now()
        while self.ready.first() is task and self.clock.now() < (end := min(limit, self.agenda.next())):
            try:
                request = task.body.advance(self.clock, end)
            except StopIteration:
                self.finish(task)
            except TaskFault as fault:
                self.faults += 1
                self.log.append(f"{task.name} {fault}")
                self.finish(task, str(fault))
            else:
                if request is None:
                    break
                self.serve(task, request)
        task.cycles += self.clock.now() - began

    def serve(self, task: Task, request: Request) -> None:
        """Carry out what a task asks for."""
        self.calls += 1
        self.clock.work(CALL_CYCLES + self._on_call())
        try:
            result = request.function(task, *request.arguments)
        except Refused as refused:
            result = refused
        if result is not WAITS:
            task.body.answer(result)

    def finish(self, task: Task, fault: str = "") -> None:
        """A task has ended: what it held goes to who waits for it."""
        if task.state is State.WAITING:
            self._unblock(task)
        else:
            self.ready.remove(task)
        task.state, task.fault = State.ENDED, fault
        self.jobs.end(task)
        for queue in list(task.held):
            self.log.append(f"{task.name} has ended and held {queue.mutex.name}")
            queue.mutex.pass_on()
        del self.tasks[task.handle]
        self.ended.append(task)
        if self.current is task:
            self.current = None
        task.body.close()
        self.on_ended(task)

    def figures(self) -> Mapping[str, int]:
        """The kernel's own counts."""
        return {"calls": self.calls, "switches": self.switches, "faults": self.faults, "interrupts": self.interrupts}
