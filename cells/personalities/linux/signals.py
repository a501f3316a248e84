"""Signals: who gets one, what it does, and how a handler is called.

    signals.send(process, SIGTERM, Info(SI_USER, sender.pid))
    signals.fault(process, SIGSEGV, SEGV_MAPERR, address)     # of its own making: cannot be held back
    entered = signals.deliver(process)                        # before user mode, when process.attention

Theory: a signal waits in `pending` until its process is about to run in user mode; then it ends or stops the process, or a frame
with all registers goes to its stack and the handler runs. The handler returns to the restorer, which calls sigreturn, which takes
the registers from the frame. The frame is that of Linux on ARM, so that libraries and debuggers find what they expect. A signal
that nothing would come of is not kept. Threads share `actions`, everything else is each one's own.

Usage by calls that replace the mask while they sleep (rt_sigsuspend, ppoll): `suspend(process, mask)` before the first sleep;
idempotent, for the call may be made again. A handler's frame holds the old mask; `resume(process)` brings it back without one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux import sys_sequence
from cells.personalities.linux.signal_frame import (
    CONTEXT,
    INFO,
    LR,
    PC,
    PSR,
    PSR_FREE,
    PSR_IT,
    PSR_MODE,
    PSR_USER,
    R0,
    R1,
    R2,
    R7,
    SP,
    WORD,
    Action,
    Info,
    put_frame,
)
from cells.personalities.linux.signal_numbers import (
    FAULTS,
    HARMLESS,
    SA_NOCLDWAIT,
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SEGV_MAPERR,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    SIGSEGV,
    SIGSTOP,
    STOPS,
    UNBLOCKABLE,
    bit,
)
from hypervisor.abi.pv import PSR_THUMB

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

MOST_PENDING = 512
"""Signals of all numbers that wait for one thread (Linux: RLIMIT_SIGPENDING of its user). Assumed."""
MOST_QUEUED = 64
"""Real-time signals of one number that wait for one thread; more are refused (EAGAIN), as a limit of the user would."""

NOT_RESTARTED = frozenset({29, 142, 162, 168, 177, 179, 252, 265, 335, 336, 346})
"""Calls that a handler always ends, whatever SA_RESTART says (signal(7)): pause, select, nanosleep, poll, rt_sigtimedwait,
rt_sigsuspend, epoll_wait, clock_nanosleep, pselect6, ppoll, epoll_pwait."""


DEFAULT = Action()


@dataclass(eq=False)
class Signals:
    """The signals of one thread."""

    actions: dict[int, Action] = field(default_factory=dict)
    blocked: int = 0
    saved: int | None = None
    """The mask to come back to after `suspend`."""
    pending: dict[int, list[Info]] = field(default_factory=dict)
    waiting: int = 0
    """Signals that sigtimedwait waits for: they wake it though they are blocked."""
    stack: tuple[int, int] = (0, 0)
    """The alternate stack: where it begins, and its size, 0 for none."""
    arrived: Queue = field(default_factory=Queue)

    # ---- lives

    def fork(self) -> Signals:
        """Those of a child: nothing is pending."""
        return Signals(dict(self.actions), self.blocked, stack=self.stack)

    def thread(self) -> Signals:
        """Those of a new thread: the actions are the same table."""
        return Signals(self.actions, self.blocked)

    def exec(self) -> None:
        """A new program: handlers are gone, what was ignored stays so."""
        self.actions = self.ignored()
        self.stack, self.saved = (0, 0), None

    def ignored(self) -> dict[int, Action]:
        """Those actions that are left when handlers are gone."""
        return {signal: Action(SIG_IGN) for signal, was in self.actions.items() if was.handler == SIG_IGN}

    # ---- what would happen

    def action(self, signal: int) -> Action:
        """What sigaction said of it."""
        return self.actions.get(signal, DEFAULT)

    def ignores(self, signal: int) -> bool:
        """Whether nothing would come of it."""
        handler = self.action(signal).handler
        return handler == SIG_IGN or (handler == SIG_DFL and signal in HARMLESS)

    @property
    def reaps_children(self) -> bool:
        """Whether children that end leave nothing to wait for."""
        action = self.action(SIGCHLD)
        return action.handler == SIG_IGN or bool(action.flags & SA_NOCLDWAIT)

    @property
    def is_killed(self) -> bool:
        """Whether nothing can come of going on."""
        return SIGKILL in self.pending

    def mask_of_pending(self) -> int:
        """All that wait."""
        return sum(bit(signal) for signal in self.pending)

    def next(self) -> int:
        """The signal to act on now, 0 for none: the lowest, but one that the thread has brought about itself goes first."""
        if not self.pending:
            return 0
        ready = [signal for signal in self.pending if not self.blocked & bit(signal)]
        return min(ready, key=lambda signal: (signal not in FAULTS, signal)) if ready else 0

    # ---- sending

    def send(self, process: Process, signal: int, info: Info | None = None) -> bool:
        """Something has happened; False when no more of this number can wait."""
        if signal in (SIGCONT, SIGKILL):
            self._drop(STOPS)
            process.resume()
        elif signal in STOPS:
            self._drop({SIGCONT})
        held = self.blocked & bit(signal)
        if not held and not self.waiting & bit(signal) and self.ignores(signal):
            return True
        queued = self.pending.setdefault(signal, [])
        if queued and signal < SIGRTMIN:
            return True
        if len(queued) >= MOST_QUEUED or sum(map(len, self.pending.values())) >= MOST_PENDING:
            return False
        queued.append(info or Info())
        self.arrived.wake()
        if not held:
            process.attention = True
            process.interrupt()
        return True

    def _drop(self, signals: frozenset[int] | set[int]) -> None:
        for signal in signals:
            self.pending.pop(signal, None)

    def fault(self, process: Process, signal: int, code: int, address: int) -> None:
        """The thread's own doing: neither blocked nor ignored, for it cannot go on without."""
        if self.action(signal).handler == SIG_IGN or self.blocked & bit(signal):
            self.actions[signal] = DEFAULT
        self.blocked &= ~bit(signal)
        self.pending[signal] = [Info(code, value=address)]
        process.attention = True

    def block(self, process: Process, mask: int) -> None:
        """A new mask."""
        self.blocked = mask & ~UNBLOCKABLE
        if self.next():
            process.attention = True

    def suspend(self, process: Process, mask: int) -> None:
        """A mask for as long as a call sleeps."""
        if self.saved is None:
            self.saved = self.blocked
            self.block(process, mask)

    def resume(self, process: Process) -> None:
        """The call ends without a handler: the mask as it was."""
        if self.saved is not None:
            saved, self.saved = self.saved, None
            self.block(process, saved)

    def take(self, mask: int) -> tuple[int, Info] | None:
        """One that waits, out of those in a mask: for who asks instead of having a handler."""
        found = [signal for signal in sorted(self.pending) if mask & bit(signal)]
        return (found[0], self._pop(found[0])) if found else None

    def _pop(self, signal: int) -> Info:
        queued = self.pending[signal]
        info = queued.pop(0)
        if not queued:
            del self.pending[signal]
        return info

    # ---- delivery

    def deliver(self, process: Process) -> int:
        """Do what the pending signals mean; how many handlers were entered. The last one entered runs first.

        A call that was interrupted, but by nothing that has a handler, is made again as if nothing had been.
        """
        process.attention, entered = False, 0
        while process.state == "R" and (signal := self.next()):
            entered += self._act(process, signal)
        if process.state == "T":
            process.attention = True
        elif process.interrupted is not None and process.state == "R":
            process.restart_call()
        return entered

    def _act(self, process: Process, signal: int) -> bool:
        """One signal; whether a handler was entered."""
        info, action = self._pop(signal), self.action(signal)
        if self.ignores(signal):
            return False
        if action.handler == SIG_DFL:
            self._default(process, signal)
            return False
        try:
            self._enter(process, signal, action, info)
        except Errno:  # no stack to put the frame on
            process.kernel.exit(process, SIGSEGV)
            return False
        return True

    def _default(self, process: Process, signal: int) -> None:
        if signal not in STOPS:
            process.kernel.exit(process, signal)
        elif process.parent is not None and (signal == SIGSTOP or not _is_orphaned(process)):
            process.stop(signal)  # of the first process nobody could ever let it go on

    def _enter(self, process: Process, signal: int, action: Action, info: Info) -> None:
        """Put the frame on the stack, and let the thread go on in the handler."""
        if process.sequence[0]:
            sys_sequence.interrupted(process)
        if process.interrupted is not None:
            if action.flags & SA_RESTART and process.core[R7] not in NOT_RESTARTED:
                process.restart_call()
            process.interrupted = None
        core = process.core
        frame = put_frame(process, self, signal, action, info)
        core[R0], core[SP] = signal, frame
        if action.flags & SA_SIGINFO:
            core[R1], core[R2] = frame, frame + INFO.size
        inside = INFO.size if action.flags & SA_SIGINFO else 0
        core[LR] = action.restorer if action.flags & SA_RESTORER else frame + inside + CONTEXT.size
        thumb = action.handler & 1
        core[PC] = action.handler & (~1 if thumb else ~3) & WORD
        core[PSR] = core[PSR] & ~(PSR_THUMB | PSR_IT) | (PSR_THUMB if thumb else 0)
        own = 0 if action.flags & SA_NODEFER else bit(signal)
        self.blocked = (self.blocked | action.mask | own) & ~UNBLOCKABLE
        self.saved = None
        if action.flags & SA_RESETHAND:
            self.actions[signal] = DEFAULT

    def on_stack(self, sp: int) -> bool:
        """Whether the alternate stack is in use."""
        begin, size = self.stack
        return begin < sp <= begin + size

    # ---- and back

    def sigreturn(self, process: Process, *, with_info: bool) -> int:
        """The registers of the frame that the stack pointer is at; what r0 is then. A frame that cannot be one is a fault."""
        frame = process.core[SP] + (INFO.size if with_info else 0)
        try:
            words = CONTEXT.unpack(process.space.read(frame, CONTEXT.size))
        except Errno:
            words = ()
        if frame & 3 or not words or words[24] & PSR_MODE != PSR_USER:
            self.fault(process, SIGSEGV, SEGV_MAPERR, frame)
            return process.core[R0]
        core, psr = list(words[8:24]), words[24] & PSR_FREE | PSR_USER
        core[PC] &= ~1 if psr & PSR_THUMB else ~3
        process.core[:] = [*core, psr]
        process.interrupted = None
        self.block(process, words[26])
        return process.core[R0]


def _is_orphaned(process: Process) -> bool:
    """Whether no process outside of the group could let it go on: POSIX's orphaned process group."""
    for member in process.kernel.processes.group(process.group):
        parent = member.parent
        if parent is not None and parent.group != process.group and parent.session == process.session:
            return False
    return True
