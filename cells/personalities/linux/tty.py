"""The console as a terminal: who may use it, and job control.

    console = Terminal(kernel)
    console.typed(b"ls\\r")                  # from outside
    console.open(READ_WRITE).read(process, 100) == b"ls\\n"

Theory: what is typed passes a line discipline (discipline.py) before a program sees it. Of a session's groups one is in the
foreground; a process of another one that reads (or writes, if TOSTOP is set, or changes the terminal) is stopped by SIGTTIN or
SIGTTOU until it is brought there (POSIX, "Job Control").
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, EIO, ENOTTY, EPERM, ESRCH, Errno
from cells.personalities.linux.discipline import ECHO, ONLCR, TOSTOP, Discipline
from cells.personalities.linux.file import READABLE, WRITABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.tty_controls import CONTROLS, SIGWINCH, WINDOW

PRINT_BYTE = 20
"""Cycles of a byte to the console, as for a Python guest (cells/port.py, COSTS)."""
PRINTED = 4096
"""Bytes that one write prints before it waits until they have left the cell: assumed, a page as of Linux's tty layer."""
WINDOW_SIZE = struct.Struct("<HH")
SIGHUP, SIGCONT, SIGTTIN, SIGTTOU = 1, 18, 21, 22


class Terminal(Discipline):
    """A terminal of a session. `rows` 0: nobody sits at it."""

    byte_cycles = PRINT_BYTE
    """Cycles of a byte of words."""

    def __init__(self, kernel: Any, rows: int = 24, columns: int = 80) -> None:
        super().__init__(kernel.now, kernel.hz)
        self.kernel = kernel
        self.output = kernel.output
        self.on_key_signal = lambda number: self.signal(self.foreground, number)
        if not rows:  # what goes through it is a program's, and stays as it is
            self.local &= ~ECHO
            self.output_modes &= ~ONLCR
        self.window = WINDOW.pack(rows, columns, 0, 0)
        self.session = self.foreground = 0
        self.inode: Inode | None = None

    def resize(self, size: bytes) -> None:
        """Who sits there has another window: two words, its rows and columns."""
        self.set_window(WINDOW.pack(*WINDOW_SIZE.unpack(size), 0, 0))

    def set_window(self, window: bytes) -> None:
        """struct winsize; if it is another one, the foreground is told."""
        if window != self.window:
            self.window = window
            self.signal(self.foreground, SIGWINCH)

    def open(self, flags: int, inode: Inode | None = None) -> TerminalFile:
        """An open file of it."""
        return TerminalFile(self, inode or self.inode, flags)

    def write(self, process: Any, data: bytes) -> int:
        """A program's words."""
        if self.has(TOSTOP):
            self.check(process, SIGTTOU)
        if self.stopped or self.crowded:
            raise WouldBlock(self.writers)
        data = data[:PRINTED]
        self.put(data)
        self.kernel.copied(self.byte_cycles * len(data))
        return len(data)

    @property
    def crowded(self) -> bool:
        """More words wait to go than one exit carries."""
        return bool(self.kernel.crowded)

    def read(self, process: Any, size: int) -> bytes:
        """Up to a line, or what raw mode gives.

        Raises:
            WouldBlock: as `take`.
            Errno: EIO, for a background process that cannot be stopped.
        """
        self.check(process, SIGTTIN)
        return self.take(size)

    # ---- job control

    def signal(self, group: int, number: int) -> None:
        """To every process of a group."""
        for process in list(self.kernel.processes.group(group)) if group else ():
            process.signals.send(process, number)

    def check(self, process: Any, number: int) -> None:
        """Let a process of the foreground, or of another session, pass.

        Raises:
            WouldBlock: it has been sent the signal that stops it, and tries again when it goes on.
            Errno: EIO, it cannot be stopped.
        """
        if process.session != self.session or process.group == self.foreground:
            return
        if process.signals.ignores(number) or process.signals.blocked & 1 << (number - 1):
            if number == SIGTTIN:
                raise Errno(EIO)
            return
        if self._orphaned(process):
            raise Errno(EIO)
        self.signal(process.group, number)
        raise WouldBlock

    def _orphaned(self, process: Any) -> bool:
        """Nobody outside its group, but of its session, could bring it to the foreground."""
        parents = [member.parent for member in self.kernel.processes.group(process.group)]
        return not any(
            parent and parent.group != process.group and parent.session == process.session for parent in parents
        )

    def leader_gone(self, session: int) -> None:
        """The process that began the session has ended: the terminal is free, and whoever used it is told."""
        if session != self.session or not session:
            return
        self.signal(self.foreground, SIGHUP)
        self.signal(self.foreground, SIGCONT)
        self.session = self.foreground = 0

    def acquire(self, process: Any) -> None:
        """Become the controlling terminal of a session.

        Raises:
            Errno: EPERM, for who leads no session or finds the terminal taken.
        """
        if self.session == process.session:
            return
        if process.session != process.leader or self.session:
            raise Errno(EPERM)
        self.session, self.foreground = process.session, process.group
        process.terminal = self

    def give_up(self, process: Any) -> None:
        """It is not this process's terminal any more.

        Raises:
            Errno: ENOTTY.
        """
        if process.session != self.session:
            raise Errno(ENOTTY)
        if process.session == process.leader:
            self.leader_gone(process.session)
        process.terminal = None

    def set_foreground(self, process: Any, group: int) -> None:
        """Bring a group of the session to the foreground.

        Raises:
            Errno: ENOTTY, EINVAL, ESRCH, EPERM. WouldBlock: as `check`.
        """
        if process.session != self.session:
            raise Errno(ENOTTY)
        if group <= 0:
            raise Errno(EINVAL)
        members = list(self.kernel.processes.group(group))
        if not members:
            raise Errno(ESRCH)
        if all(member.session != process.session for member in members):
            raise Errno(EPERM)
        self.check(process, SIGTTOU)
        self.foreground = group

    # ---- ioctl

    def control_call(self, process: Any, request: int, argument: int) -> int:
        """TCGETS and its kind.

        Raises:
            Errno: ENOTTY, it is none of them.
        """
        function = CONTROLS.get(request)
        if function is None:
            raise Errno(ENOTTY)
        function(self, process, argument)
        return 0


class TerminalFile(File):
    """An open terminal."""

    def __init__(self, terminal: Terminal, inode: Inode | None, flags: int) -> None:
        super().__init__(inode, flags)
        self.terminal = terminal
        self.name = b"/dev/console"

    def read(self, process: Any, size: int) -> bytes:
        """What there is, up to that size."""
        return self.terminal.read(process, size)

    def read_late(self, process: Any, size: int) -> bytes:
        """The time to wait is over: what there is."""
        return self.terminal.take_now(size)

    def write(self, process: Any, data: bytes) -> int:
        """How many bytes went."""
        return self.terminal.write(process, data)

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """What only this kind can do."""
        return self.terminal.control_call(process, request, argument)

    def poll(self) -> int:
        """What it is ready for."""
        self.activity = self.terminal.activity
        return (READABLE if self.terminal.available() else 0) | WRITABLE

    def queues(self) -> tuple[Any, ...]:
        """Which are woken when that changes."""
        return (self.terminal.queue,)
