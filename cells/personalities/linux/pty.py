"""Pseudo-terminals: a terminal at whose other end a program sits.

    kernel.ptys = Ptys(kernel)              # /dev/ptmx makes one, /dev/pts/N is its terminal
    master = kernel.ptys.open(READ_WRITE)

Theory (pty(7), ptmx(4)): what the master writes is typed at the terminal, and passes its line discipline; what programs write to
the terminal, and echoes, the master reads. A terminal is locked until the master unlocks it. When the last program has closed
it the master reads EIO; when the master goes, it is hung up: SIGHUP for its session, no more input, EIO for words.
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.arm.errno import EINVAL, EIO, ENOSPC, ENOTTY, Errno
from cells.personalities.arm.wait import Queue
from cells.personalities.linux.discipline import TYPED
from cells.personalities.linux.file import NO_TERMINAL, POLL_HANGUP, READABLE, WRITABLE, File, WouldBlock
from cells.personalities.linux.inode import CHARACTER, Inode
from cells.personalities.linux.tty import SIGCONT, SIGHUP, Terminal, TerminalFile
from cells.personalities.linux.tty_controls import CONTROLS, MASTER_TOO

MAJOR, MULTIPLEXER = 136, 5 << 8 | 2
PTYS = 64
"""Pseudo-terminals at a time (Linux: 4096). Assumed."""
ROOM = 8192
"""Bytes of words that wait for the master (Linux: some pages)."""
GET_NUMBER, SET_LOCK, GET_LOCK, OPEN_PEER, SEND = 0x80045430, 0x40045431, 0x80045439, 0x5441, 0x40045436
FIONREAD = 0x541B


class Pty(Terminal):
    """The terminal. `words`: on their way to the master."""

    byte_cycles = 1

    def __init__(self, ptys: Ptys, number: int, user: int) -> None:
        super().__init__(ptys.kernel)
        self.number, self._ptys = number, ptys
        self.window = bytes(len(self.window))
        self.output = self._said
        self.words = bytearray()
        self.master_queue = Queue()
        self.locked = True
        self.hung_up = False
        self.files, self.opened = 0, False
        """Open files of the terminal; whether there has ever been one."""
        self.inode = Inode(ptys.kernel.vfs, CHARACTER | 0o620, MAJOR << 8 | number)
        self.inode.user = user

    @property
    def crowded(self) -> bool:
        """The master has not read what there is."""
        return len(self.words) >= ROOM and not self.hung_up

    def _said(self, data: bytes) -> None:
        if len(self.words) < 2 * ROOM:  # echoes do not wait; what is too much of them is lost
            self.words += data
        self.master_queue.wake()

    def read_words(self, size: int) -> bytes:
        """For the master.

        Raises:
            WouldBlock: there are none. Errno: EIO, nobody has the terminal any more.
        """
        if not self.words and size:
            if self.opened and not self.files:
                raise Errno(EIO)
            raise WouldBlock(self.master_queue)
        taken = bytes(self.words[:size])
        del self.words[:size]
        self.writers.wake()
        return taken

    def type(self, data: bytes) -> int:
        """The master's keys; how many there was room for.

        Raises:
            WouldBlock: there is none before somebody reads.
        """
        room = TYPED - self.typed_ahead
        if data and room <= 0:
            raise WouldBlock(self.master_queue)
        self.typed(data[: max(room, 1)])
        return min(len(data), room)

    def take_now(self, size: int) -> bytes:
        """See `Discipline`."""
        taken = super().take_now(size)
        self.master_queue.wake()
        return taken

    def read(self, process: Any, size: int) -> bytes:
        """See `Terminal`."""
        return b"" if self.hung_up else super().read(process, size)

    def write(self, process: Any, data: bytes) -> int:
        """See `Terminal`."""
        if self.hung_up:
            raise Errno(EIO)
        return super().write(process, data)

    def hang_up(self) -> None:
        """The master has gone."""
        self.hung_up = True
        self.signal(self.foreground, SIGHUP)
        self.signal(self.foreground, SIGCONT)
        leader = self.kernel.processes.get(self.session)
        if leader is not None and leader.group != self.foreground:
            leader.signals.send(leader, SIGHUP)
        self.session = self.foreground = 0
        self.words.clear()
        self.writers.wake()
        self.changed()
        self._ptys.forget(self)


class PtyFile(TerminalFile):
    """An open file of the terminal."""

    terminal: Pty

    def __init__(self, terminal: Pty, flags: int) -> None:
        super().__init__(terminal, terminal.inode, flags)
        self.name = b"/dev/pts/%d" % terminal.number
        terminal.files += 1
        terminal.opened = True

    def poll(self) -> int:
        """What it is ready for."""
        state = super().poll()
        if self.terminal.hung_up:
            return state | READABLE | POLL_HANGUP
        return state & ~WRITABLE if self.terminal.crowded else state

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.terminal.queue, self.terminal.writers)

    def close(self) -> None:
        """The last user has gone."""
        self.terminal.files -= 1
        self.terminal.master_queue.wake()


class Master(File):
    """The other end."""

    def __init__(self, terminal: Pty, inode: Inode | None, flags: int) -> None:
        super().__init__(inode, flags)
        self.terminal = terminal
        self.name = b"/dev/ptmx"

    def read(self, process: Any, size: int) -> bytes:
        """What was said at the terminal."""
        return self.terminal.read_words(size)

    def put_back(self, data: bytes) -> None:
        """It was read and could not be given."""
        self.terminal.words[:0] = data

    def write(self, process: Any, data: bytes) -> int:
        """Type."""
        return self.terminal.type(data)

    def ioctl(self, process: Any, request: int, argument: int) -> int:
        """What only this kind can do; and what changes and tells the terminal, whoever has that."""
        own = OWN.get(request)
        if own is not None:
            return own(self.terminal, process, argument)
        if request not in MASTER_TOO:
            raise Errno(ENOTTY)
        CONTROLS[request](_Freely(self.terminal), process, argument)  # type: ignore[arg-type]
        return 0

    def poll(self) -> int:
        """What it is ready for."""
        terminal = self.terminal
        gone = terminal.opened and not terminal.files
        return (READABLE if terminal.words else 0) | WRITABLE | (POLL_HANGUP if gone else 0)

    def queues(self) -> tuple[Queue, ...]:
        """Which are woken when that changes."""
        return (self.terminal.master_queue,)

    def close(self) -> None:
        """The last user has gone."""
        self.terminal.hang_up()


class _Freely:
    """A terminal as its master has it: no session is asked for."""

    def __init__(self, terminal: Pty) -> None:
        object.__setattr__(self, "_terminal", terminal)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._terminal, name, value)

    def check(self, _process: Any, _number: int) -> None:
        """See `Terminal`: whoever has the master may."""


def _number(terminal: Pty, process: Any, at: int) -> int:
    process.space.write(at, struct.pack("<I", terminal.number))
    return 0


def _lock(terminal: Pty, process: Any, at: int) -> int:
    terminal.locked = bool(struct.unpack("<i", process.space.read(at, 4))[0])
    return 0


def _is_locked(terminal: Pty, process: Any, at: int) -> int:
    process.space.write(at, struct.pack("<i", terminal.locked))
    return 0


def _peer(terminal: Pty, process: Any, flags: int) -> int:
    return int(process.files.install(terminal._ptys.open_terminal(process, terminal.number, flags), flags))


def _send(terminal: Pty, _process: Any, number: int) -> int:
    if not 0 < number < 65:
        raise Errno(EINVAL)
    terminal.signal(terminal.foreground, number)
    return 0


def _waiting(terminal: Pty, process: Any, at: int) -> int:
    process.space.write(at, struct.pack("<i", len(terminal.words)))
    return 0


def _foreground(terminal: Pty, process: Any, at: int) -> int:
    process.space.write(at, struct.pack("<i", terminal.foreground))
    return 0


OWN = {
    GET_NUMBER: _number,
    SET_LOCK: _lock,
    GET_LOCK: _is_locked,
    OPEN_PEER: _peer,
    SEND: _send,
    FIONREAD: _waiting,
    0x540F: _foreground,
}
"""What ioctl can ask of a master alone (asm-generic/ioctls.h)."""


class Ptys:
    """All pseudo-terminals of a cell, by their numbers."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.terminals: dict[int, Pty] = {}

    def open(self, process: Any, inode: Inode | None, flags: int) -> Master:
        """A new one.

        Raises:
            Errno: ENOSPC, there are too many.
        """
        number = next((number for number in range(PTYS) if number not in self.terminals), None)
        if number is None:
            raise Errno(ENOSPC)
        self.terminals[number] = Pty(self, number, process.user[1])
        return Master(self.terminals[number], inode, flags)

    def open_terminal(self, process: Any, number: int, flags: int) -> PtyFile:
        """The terminal of one; it becomes that of a session without any.

        Raises:
            Errno: EIO, there is none, or it is locked.
        """
        terminal = self.terminals.get(number)
        if terminal is None or terminal.locked:
            raise Errno(EIO)
        leads = process.session == process.leader and process.terminal is None
        if leads and not terminal.session and not flags & NO_TERMINAL:
            terminal.acquire(process)
        return PtyFile(terminal, flags)

    def forget(self, terminal: Pty) -> None:
        """Its number is free."""
        self.terminals.pop(terminal.number, None)

    # ---- /dev/pts

    def find(self, name: bytes) -> Inode | None:
        """What a name in it stands for."""
        known = self.terminals.get(int(name)) if name.isdigit() and len(name) < 4 else None
        return known.inode if known is not None else None

    def names(self) -> list[bytes]:
        """All names in it."""
        return [b"%d" % number for number in sorted(self.terminals)]


def terminal_of(kernel: Any, session: int) -> Terminal | None:
    """The controlling terminal of a session."""
    if session:
        for terminal in (kernel.console, *kernel.ptys.terminals.values()):
            if terminal.session == session:
                found: Terminal = terminal
                return found
    return None
