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

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cells.personalities.linux.errno import Errno
from cells.personalities.linux.wait import Queue
from hypervisor.abi.pv import PSR_THUMB

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1 = range(1, 11)
SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP = range(11, 21)
SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS = range(21, 32)
SIGRTMIN, LAST = 32, 64
SIG_DFL, SIG_IGN = 0, 1
SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO, SA_RESTORER = 1, 2, 4, 0x0400_0000
SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND = 0x0800_0000, 0x1000_0000, 0x4000_0000, 0x8000_0000
SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL = 0, 0x80, -1, -2, -6
SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR, ILL_ILLOPC, TRAP_BRKPT = 1, 2, 2, 1, 1
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)

HARMLESS = frozenset({SIGCHLD, SIGURG, SIGWINCH, SIGCONT})
STOPS = frozenset({SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU})
FAULTS = frozenset({SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP})
MOST_QUEUED = 64
"""Real-time signals of one number that wait for one thread; more are refused (EAGAIN), as a limit of the user would."""

R0, R1, R2, R7, SP, LR, PC, PSR = 0, 1, 2, 7, 13, 14, 15, 16
PSR_USER, PSR_MODE = 0x10, 0x9F
PSR_FREE = 0xFE0F_FE20
"""What a process may change of its status: flags, GE, E, IT and Thumb (DDI 0406C, B1.3.3)."""
PSR_IT = 0x0600_FC00
_WORD = 0xFFFF_FFFF

NOT_RESTARTED = frozenset({29, 142, 162, 168, 177, 179, 252, 265, 335, 336, 346})
"""Calls that a handler always ends, whatever SA_RESTART says (signal(7)): pause, select, nanosleep, poll, rt_sigtimedwait,
rt_sigsuspend, epoll_wait, clock_nanosleep, pselect6, ppoll, epoll_pwait."""

_CONTEXT = struct.Struct("<5I 3I 17I I Q 120x 512x")
"""ucontext: flags, link, alternate stack (3); trap, error, old mask; r0..pc, psr; fault address; mask; room, and coprocessors."""
_INFO = struct.Struct("<3i 29I")
_RETURN = struct.Struct("<4I")
_OLD_CONTEXT = 0x5AC3_C35A
"""What Linux writes as flags where no siginfo was asked for."""
FRAME_CALL, INFO_FRAME_CALL = 119, 173
DISABLE, ON_STACK = 2, 1


class Info(NamedTuple):
    """Why a signal came: `code` as SI_* or of its family; `value` is an address, a status or what sigqueue gave."""

    code: int = SI_KERNEL
    pid: int = 0
    uid: int = 0
    value: int = 0


class Action(NamedTuple):
    """What a signal does, as sigaction says."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


DEFAULT = Action()


def bit(signal: int) -> int:
    """A signal's place in masks."""
    return 1 << (signal - 1)


UNBLOCKABLE = bit(SIGKILL) | bit(SIGSTOP)


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
        self.actions = {signal: Action(SIG_IGN) for signal, was in self.actions.items() if was.handler == SIG_IGN}
        self.stack, self.saved = (0, 0), None

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
        if len(queued) >= MOST_QUEUED:
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
        if process.interrupted is not None:
            if action.flags & SA_RESTART and process.core[R7] not in NOT_RESTARTED:
                process.restart_call()
            process.interrupted = None
        core = process.core
        frame = self._write_frame(process, signal, action, info)
        core[R0], core[SP] = signal, frame
        if action.flags & SA_SIGINFO:
            core[R1], core[R2] = frame, frame + _INFO.size
        inside = _INFO.size if action.flags & SA_SIGINFO else 0
        core[LR] = action.restorer if action.flags & SA_RESTORER else frame + inside + _CONTEXT.size
        thumb = action.handler & 1
        core[PC] = action.handler & (~1 if thumb else ~3) & _WORD
        core[PSR] = core[PSR] & ~(PSR_THUMB | PSR_IT) | (PSR_THUMB if thumb else 0)
        own = 0 if action.flags & SA_NODEFER else bit(signal)
        self.blocked = (self.blocked | action.mask | own) & ~UNBLOCKABLE
        self.saved = None
        if action.flags & SA_RESETHAND:
            self.actions[signal] = DEFAULT

    def _write_frame(self, process: Process, signal: int, action: Action, info: Info) -> int:
        """Where the frame lies.

        Raises:
            Errno: there is no memory for it.
        """
        core, sp = process.core, process.core[SP]
        begin, size = self.stack
        if action.flags & SA_ONSTACK and size and not self.on_stack(sp):
            sp = begin + size
        head = info_bytes(signal, info) if action.flags & SA_SIGINFO else b""
        mask = self.blocked if self.saved is None else self.saved
        flags = 0 if head else _OLD_CONTEXT
        where = (begin, (int(self.on_stack(core[SP])) if size else DISABLE), size)
        psr = core[PSR] & PSR_FREE | PSR_USER
        address = info.value if signal in FAULTS else 0
        context = _CONTEXT.pack(flags, 0, *where, 0, 0, mask & _WORD, *core[:PSR], psr, address, mask)
        number = INFO_FRAME_CALL if head else FRAME_CALL
        code = _RETURN.pack(0xE3A0_7000 | number, 0xEF00_0000, 0, 0)  # mov r7, #number; svc #0
        data = head + context + code
        frame = (sp - len(data)) & ~7 & _WORD
        process.space.write(frame, data)
        return frame

    def on_stack(self, sp: int) -> bool:
        """Whether the alternate stack is in use."""
        begin, size = self.stack
        return begin < sp <= begin + size

    # ---- and back

    def sigreturn(self, process: Process, *, with_info: bool) -> int:
        """The registers of the frame that the stack pointer is at; what r0 is then. A frame that cannot be one is a fault."""
        frame = process.core[SP] + (_INFO.size if with_info else 0)
        try:
            words = _CONTEXT.unpack(process.space.read(frame, _CONTEXT.size))
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


def info_bytes(signal: int, info: Info) -> bytes:
    """siginfo_t, 128 bytes."""
    fields: tuple[int, ...] = (info.pid, info.uid, info.value)
    if signal in FAULTS and info.code > 0:
        fields = (info.value,)
    return _INFO.pack(signal, 0, info.code, *(word & _WORD for word in fields), *[0] * (29 - len(fields)))


def _is_orphaned(process: Process) -> bool:
    """Whether no process outside of the group could let it go on: POSIX's orphaned process group."""
    for member in process.kernel.processes.group(process.group):
        parent = member.parent
        if parent is not None and parent.group != process.group and parent.session == process.session:
            return False
    return True
