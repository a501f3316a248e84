"""Processes: what the kernel knows of each, their tree, their groups, and how they come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EAGAIN, Errno
from cells.personalities.arm.wait import Queue, Sleeping, Wait
from hypervisor.abi.pv import CORE, PSR_THUMB
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.arm.space import Space
    from cells.personalities.linux.file_table import FileTable
    from cells.personalities.linux.kernel import Kernel
    from cells.personalities.linux.signals import Signals

SP, LR, PC, PSR = CORE - 4, CORE - 3, CORE - 2, CORE - 1
"""Places in `Process.core`: r0..r12, sp, lr, pc, psr."""
RUNNING, SLEEPING, STOPPED, ZOMBIE, GONE = "R", "S", "T", "Z", "X"
"""States, by the letters of /proc/PID/stat."""
PROCESS_LIMIT = 512
"""Processes and threads of one cell: what a fork bomb meets, if memory does not end first. Assumed."""
PID_LIMIT = 32_767
CLD_STOPPED, CLD_CONTINUED, SIGCONT = 5, 6, 18


@dataclass(eq=False)
class Process:
    """One task: a process, or a thread of one (then `leader` differs from `pid`, and space, files, signals.actions are shared).

    What sleeps in a call is its generator in `sleeping`; whoever wakes it uses `wake`, a signal uses `interrupt`.
    """

    kernel: Kernel
    pid: int
    parent: Process | None
    space: Space
    files: FileTable
    signals: Signals
    group: int = 0
    session: int = 0
    leader: int = 0
    """The thread group; 0 until it is known: then `pid`."""
    name: str = ""
    executable: str = ""
    texts: tuple[int, int, int] = (0, 0, 0)
    """Where its arguments and its environment lie (`loader.Program.texts`)."""
    terminal: Any = None
    """The controlling tty of the session; setsid drops it, fork passes it on."""
    directory: Any = None
    root: Any = None
    umask: int = 0o022
    user: list[int] = field(default_factory=lambda: [0, 0, 0])
    """Real, effective, saved; `team` likewise the group ids."""
    team: list[int] = field(default_factory=lambda: [0, 0, 0])
    groups: tuple[int, ...] = ()
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Limits that were set, by RLIMIT_*."""
    nice: int = 0
    registers: list[int] = field(default_factory=lambda: [0] * CORE)
    """What `core` gives; out of date while `in_cpu`."""
    in_cpu: bool = False
    thread_pointer: int = 0
    clear_child_tid: int = 0
    robust_list: int = 0
    state: str = RUNNING
    status: int = 0
    """The word that wait4 gives: code << 8, or the signal that ended it."""
    exit_signal: int = 17
    """What the parent gets when this ends: SIGCHLD, or as clone says."""
    children: dict[int, Process] = field(default_factory=dict)
    child_changed: Queue = field(default_factory=Queue)
    ended: Queue = field(default_factory=Queue)
    """Woken when it, or one of its threads, ends (sys_pidfd.py)."""
    """Woken when a child ends, stops or goes on."""
    report: int | None = None
    """A wait status that the parent has not fetched yet: stopped (WUNTRACED) or going on (WCONTINUED)."""
    attention: bool = False
    """A signal may be deliverable: `signals.deliver(process)` is called before user mode. Who sends a signal sets it."""
    interrupted: int | None = None
    """r0 of a call that `Interrupted` ended: `deliver` decides between `restart_call()` and EINTR (which is in r0 by now)."""
    sleeping: Sleeping | None = None
    queues: tuple[Queue, ...] = ()
    _alarm: Any = None
    cycles_user: int = 0
    turn_began: int = 0
    """The CPU's cycles at the beginning of its turn."""
    cycles_system: int = 0
    cycles_children: int = 0
    started: int = 0
    faults: int = 0
    vfork_done: Queue | None = None
    """Woken at exec and exit: the parent of a vfork sleeps there, until it is None."""
    alarm: Any = None
    """The timer of alarm and setitimer, and its period."""
    alarm_period: int = 0
    timers: dict[int, Any] = field(default_factory=dict)
    """Those of timer_create, by number (`sys_timer.Timer`)."""
    sequence: tuple[int, int] = (0, 0)
    """rseq: where its area lies, 0 for none, and the signature before places to go on at."""

    def __post_init__(self) -> None:
        self.leader = self.leader or self.pid
        self.group = self.group or self.pid
        self.session = self.session or self.pid

    @property
    def core(self) -> list[int]:
        """r0..r12, sp, lr, pc, psr: to read and to change."""
        if self.in_cpu:
            self.in_cpu = False
            self.registers[:] = self.kernel.cpu.read()
        return self.registers

    # ---- sleeping

    def sleep(self, wait: Wait) -> None:
        """Be woken by any of the queues, or at the time."""
        self.state = SLEEPING
        self.queues = wait.queues
        for queue in wait.queues:
            queue.sleepers[self] = None
        if wait.until < NEVER:
            self._alarm = self.kernel.at(wait.until, self.wake)

    def wake(self) -> None:
        """Go on, and look again at what was waited for."""
        if self.state is SLEEPING:
            self.leave_queues()
            self.state = RUNNING
            self.kernel.ready(self)

    def interrupt(self) -> None:
        """A signal is there for it: if it sleeps, its call ends."""
        self.wake()

    def leave_queues(self) -> None:
        """It waits for nothing any more."""
        for queue in self.queues:
            queue.sleepers.pop(self, None)
        self.queues = ()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def cycles_now(self) -> int:
        """Cycles that it has run so far, this turn included."""
        return self.cycles_user + (self.kernel.cpu.cycles - self.turn_began if self.kernel.current is self else 0)

    def restart_call(self) -> None:
        """Make the interrupted call again: back to the svc, with r0 as it was."""
        assert self.interrupted is not None
        self.core[0], self.interrupted = self.interrupted, None
        self.core[PC] -= 2 if self.core[PSR] & PSR_THUMB else 4

    # ---- stopping

    def stop(self, signal: int) -> None:
        """Until somebody lets it go on."""
        self.state = STOPPED
        self._tell(signal << 8 | 0x7F, CLD_STOPPED, signal)

    def resume(self) -> None:
        """Go on if it was stopped."""
        if self.state is STOPPED:
            self.state = RUNNING
            self.kernel.ready(self)
            self._tell(0xFFFF, CLD_CONTINUED, SIGCONT)

    def _tell(self, status: int, code: int, signal: int) -> None:
        self.report = status
        if self.parent is not None:
            self.kernel.child_changed(self, code, signal)


class Processes:
    """All processes, by their number; in the order of their coming."""

    def __init__(self) -> None:
        self._all: dict[int, Process] = {}
        self._last = 0
        self.made = 0
        """So many there have been."""

    def __iter__(self) -> Iterator[Process]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def get(self, pid: int) -> Process | None:
        """The process of a number."""
        return self._all.get(pid)

    find = get

    def number(self) -> int:
        """One that is free.

        Raises:
            Errno: EAGAIN, there are too many.
        """
        if len(self._all) >= PROCESS_LIMIT:
            raise Errno(EAGAIN)
        while True:
            self._last = self._last + 1 if self._last < PID_LIMIT else 2
            if not self._taken(self._last):
                return self._last

    def _taken(self, pid: int) -> bool:
        """A number is taken as long as a process, a group or a session has it."""
        return pid in self._all or any(pid in (one.group, one.session) for one in self._all.values())

    def add(self, process: Process) -> None:
        """It exists from now on."""
        self._all[process.pid] = process
        self.made += 1

    def remove(self, process: Process) -> None:
        """Its number is free again."""
        del self._all[process.pid]
        process.state = GONE

    def group(self, group: int) -> list[Process]:
        """Members of a process group that live, threads left out."""
        return [
            one
            for one in self._all.values()
            if one.group == group and one.state is not ZOMBIE and one.pid == one.leader
        ]

    def of_session(self, session: int) -> list[Process]:
        """Members of a session that live, threads left out."""
        return [
            one
            for one in self._all.values()
            if one.session == session and one.state is not ZOMBIE and one.pid == one.leader
        ]

    def threads(self, leader: int) -> list[Process]:
        """Those of one thread group."""
        return [one for one in self._all.values() if one.leader == leader]
