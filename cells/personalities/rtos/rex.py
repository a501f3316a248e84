"""REX: the calls of the real-time executive of a baseband processor, on this kernel.

    rex = Rex(rtos)
    voice = rex.rex_def_task("voice", 200, voice_task, deadline="20ms")    # voice_task(rex): a generator
    ...
    signals = yield rex.rex_wait(FRAME_SIG | STOP_SIG)
    rex.rex_clr_sigs(voice, signals)

Theory: each task has a word of 32 signals. They are set by tasks, by timers and by interrupts, stay set until somebody
clears them, and `rex_wait` returns as soon as one that it waits for is set. What does not wait takes effect where it
stands; whoever it wakes runs when the caller yields next, and yielding what `rex_set_sigs` returns does no more than that.
The calls are named as in the interface that handsets of the survey's kind had (AMSS); behaviour is ours, from that description.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.mutex import Mutex
from cells.personalities.rtos.objects import Flags, Timer
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Request, State, Task
from hypervisor.abi.time import NEVER

SIGNALS = 0xFFFF_FFFF


class Tcb:
    """A task of REX: the kernel's, and its signals."""

    def __init__(self, task: Task, signals: Flags) -> None:
        self.task, self.signals = task, signals


class CriticalSection:
    """A mutex that its owner may enter again."""

    def __init__(self, mutex: Mutex) -> None:
        self.mutex, self.depth = mutex, 0
        self._inside: Task | None = None

    def entered_again(self, task: Task) -> bool:
        """Whether the task was inside already; it has to leave once more then."""
        if self.mutex.owner is not task:
            return False
        if self._inside is not task:  # whoever was inside before may have ended there
            self._inside, self.depth = task, 0
        return True


class Rex:
    """REX on a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._by_task: dict[int, Tcb] = {}

    # ---- tasks

    def rex_def_task(
        self,
        name: str,
        priority: int,
        function: Callable[..., Generator[Any, Any, Any]],
        *arguments: Any,
        period: str | int = 0,
        deadline: str | int = 0,
    ) -> Tcb:
        """A task: `function(rex, *arguments)`. Raises `Refused` as `Kernel.task`."""
        self._forget_ended()
        signals = self.kernel.flags(f"{name} sigs")
        task = self.kernel.task(name, function(self, *arguments), priority=priority, period=period, deadline=deadline)
        self._by_task[task.handle] = tcb = Tcb(task, signals)
        return tcb

    def _forget_ended(self) -> None:
        """The signals of tasks that are no more."""
        for handle, tcb in list(self._by_task.items()):
            if tcb.task.state is State.ENDED:
                del self._by_task[handle]
                self.kernel.delete(tcb.signals)

    def rex_self(self) -> Tcb | None:
        """The task that runs, if REX defined it."""
        current = self.kernel.current
        return self._by_task.get(current.handle) if current is not None else None

    def rex_kill_task(self, tcb: Tcb) -> Request:
        """End a task. Refused: NO_OBJECT."""
        return self.kernel.end(tcb.task)

    def rex_task_pri(self, tcb: Tcb) -> int:
        """Its own priority."""
        return tcb.task.base

    def rex_set_pri(self, tcb: Tcb, priority: int) -> Request:
        """Change its own priority. Refused: BAD_ARGUMENT, NO_OBJECT."""
        return self.kernel.set_priority(tcb.task, priority)

    # ---- signals

    def rex_wait(self, signals: int) -> Request:
        """Wait for one of these signals of the caller's; answers all that are set, and clears none."""
        return Request(self._wait, (signals,))

    def rex_set_sigs(self, tcb: Tcb, signals: int) -> Request:
        """Set signals of a task, from anywhere."""
        tcb.signals.post(signals)
        return Request(_nothing)

    def rex_clr_sigs(self, tcb: Tcb, signals: int) -> int:
        """Clear signals of a task; what was set before."""
        return tcb.signals.reset(signals)

    def rex_get_sigs(self, tcb: Tcb) -> int:
        """The signals that are set."""
        return tcb.signals.bits

    def _wait(self, task: Task, signals: int) -> object:
        tcb = self._by_task.get(task.handle)
        if tcb is None:
            raise Refused(Status.BAD_ARGUMENT, f"{task.name} is no task of REX")
        request = tcb.signals.wait(signals)
        return request.function(task, *request.arguments)

    # ---- timers

    def rex_def_timer(self, tcb: Tcb, signals: int) -> Timer:
        """A timer that sets signals of a task when it runs out."""
        return self.kernel.timer(f"{tcb.task.name} timer", lambda: tcb.signals.post(signals))

    def rex_set_timer(self, timer: Timer, milliseconds: int) -> int:
        """Have it run out in so many milliseconds; how many were left of what it was set to before. 0 only stops it."""
        left = self.rex_clr_timer(timer)
        if milliseconds:
            timer.start(self._cycles(milliseconds))
        return left

    def rex_clr_timer(self, timer: Timer) -> int:
        """Stop it; how many milliseconds were left."""
        return timer.stop() * 1000 // self.kernel.hz

    def rex_get_timer(self, timer: Timer) -> int:
        """How many milliseconds are left, 0 if it is stopped."""
        left = timer.time - self.kernel.now() if timer.time < NEVER else 0
        return max(left, 0) * 1000 // self.kernel.hz

    def rex_timed_wait(self, signals: int, timer: Timer, milliseconds: int) -> Request:
        """Set the timer and wait: for one of the signals, the timer's own among them."""
        self.rex_set_timer(timer, milliseconds)
        return self.rex_wait(signals)

    def _cycles(self, milliseconds: int) -> int:
        return milliseconds * self.kernel.hz // 1000

    # ---- critical sections

    def rex_init_crit_sect(self, name: str) -> CriticalSection:
        """A critical section."""
        return CriticalSection(self.kernel.mutex(name))

    def rex_enter_crit_sect(self, section: CriticalSection) -> Request:
        """Enter, as often as one likes; who is inside runs as urgently as who waits to enter."""
        return Request(self._enter, (section,))

    def rex_leave_crit_sect(self, section: CriticalSection) -> Request:
        """Leave once. Refused: NOT_OWNER."""
        return Request(self._leave, (section,))

    def _enter(self, task: Task, section: CriticalSection) -> object:
        if section.entered_again(task):
            section.depth += 1
            return None
        request = section.mutex.lock()
        return request.function(task, *request.arguments)

    def _leave(self, task: Task, section: CriticalSection) -> object:
        if section.entered_again(task) and section.depth:
            section.depth -= 1
            return None
        request = section.mutex.unlock()
        return request.function(task, *request.arguments)


def _nothing(_task: Task) -> None:
    """A call that only lets others run."""
