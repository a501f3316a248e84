"""The console as a terminal: line discipline and job control.

    console = Terminal(kernel)
    console.typed(b"ls\\r")                  # from outside
    console.open(READ_WRITE).read(process, 100) == b"ls\\n"

Theory: what is typed passes a line discipline before a program sees it. In canonical mode that is lines, which can be edited
until they end; keys that mean a signal go to the foreground group; what is typed is echoed. In raw mode the program gets every
key at once. Of a session's groups one is in the foreground; a process of another one that reads (or writes, if TOSTOP is set,
or changes the terminal) is stopped by SIGTTIN or SIGTTOU until it is brought there (POSIX, "Job Control").
"""

from __future__ import annotations

import struct
from typing import Any

from cells.personalities.linux.errno import EINVAL, EIO, ENOTTY, EPERM, ESRCH, Errno
from cells.personalities.linux.file import READABLE, WRITABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.wait import Queue

INLCR, IGNCR, ICRNL, IXON, IUTF8 = 0o100, 0o200, 0o400, 0o2000, 0o40000
OPOST, ONLCR = 1, 4
CONTROL_MODES = 0o2277
"""38400 baud, eight bits, receiver on: what Linux says of a new terminal."""
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL, TOSTOP, ECHOCTL, ECHOKE, IEXTEN, NOFLSH = (
    1,
    2,
    8,
    0o20,
    0o40,
    0o100,
    0o400,
    0o1000,
    0o4000,
    0o100000,
    0o200,
)
VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSTART, VSTOP, VSUSP, VEOL, VWERASE, VLNEXT = (
    *range(7),
    *range(8, 12),
    14,
    15,
)
KEYS = bytes((3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0))
SIGHUP, SIGINT, SIGQUIT, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH = 1, 2, 3, 18, 20, 21, 22, 28
SIGNAL_KEYS = ((VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP))
TYPED = 4096
"""Most that can be typed ahead; what is more is lost, as on a real terminal."""
END = 0x100
"""In the queue, where ^D was typed."""
MODES = struct.Struct("<4IB19s")
WINDOW = struct.Struct("<4H")
TENTH = 10
"""VTIME counts tenths of a second."""


class Terminal:
    """The one terminal of a cell."""

    def __init__(self, kernel: Any, rows: int = 24, columns: int = 80) -> None:
        self.kernel = kernel
        self.input, self.output_modes = ICRNL | IXON | IUTF8, OPOST | ONLCR
        self.control = CONTROL_MODES
        self.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
        self.line, self.keys = 0, KEYS
        if not rows:  # nobody sits at it: what goes through it is a program's, and stays as it is
            self.local &= ~ECHO
            self.output_modes &= ~ONLCR
        self.window = WINDOW.pack(rows, columns, 0, 0)
        self.session = self.foreground = 0
        self.queue, self.writers = Queue(), Queue()
        self.activity = 0
        self.inode: Inode | None = None
        self._typed: list[int] = []
        self._ended = 0
        """So many of them are complete lines."""
        self._stopped = self._literal = False

    def open(self, flags: int, inode: Inode | None = None) -> TerminalFile:
        """An open file of it."""
        return TerminalFile(self, inode or self.inode, flags)

    def _has(self, mode: int) -> bool:
        return bool(self.local & mode)

    # ---- output

    def put(self, data: bytes) -> None:
        """Write, with a carriage return before each line feed if that is wanted."""
        if self.output_modes & OPOST and self.output_modes & ONLCR:
            data = data.replace(b"\n", b"\r\n")
        self.kernel.output(data)

    def write(self, process: Any, data: bytes) -> int:
        """A program's words."""
        if self._has(TOSTOP):
            self.check(process, SIGTTOU)
        if self._stopped:
            raise WouldBlock(self.writers)
        self.put(data)
        return len(data)

    # ---- input, key by key

    def typed(self, data: bytes) -> None:
        """Keys have come from outside."""
        before = self._ended
        for code in data:
            self._key(code)
        if self._ended != before:
            self._changed()

    def _changed(self) -> None:
        self.activity += 1
        self.queue.wake()

    def _is(self, code: int, key: int) -> bool:
        return code != 0 and code == self.keys[key]

    def _key(self, code: int) -> None:
        if self._literal:
            self._literal = False
            return self._add(code, not self._has(ICANON))
        if code == 13 and self.input & IGNCR:
            return None
        if code == 13 and self.input & ICRNL:
            code = 10
        elif code == 10 and self.input & INLCR:
            code = 13
        if not (self._signal_key(code) or self._flow_key(code)):
            self._data_key(code)
        return None

    def _data_key(self, code: int) -> None:
        if not self._has(ICANON):
            self._add(code, True)
        elif self._is(code, VLNEXT) and self._has(IEXTEN):
            self._literal = True
        elif self._is(code, VEOF):
            self._enqueue(END, True)
        elif not self._edit_key(code):
            self._add(code, code == 10 or self._is(code, VEOL))

    def _add(self, code: int, ends: bool) -> None:
        self._echo(code)
        self._enqueue(code, ends)

    def _enqueue(self, code: int, ends: bool) -> None:
        """One place stays free for what ends the line."""
        if len(self._typed) >= (TYPED if ends else TYPED - 1):
            return
        self._typed.append(code)
        if ends:
            self._ended = len(self._typed)

    def _echo(self, code: int) -> None:
        if not self._has(ECHO) and not (code == 10 and self._has(ECHONL) and self._has(ICANON)):
            return
        if (code < 32 or code == 127) and code not in (9, 10) and self._has(ECHOCTL):
            self.put(bytes((ord("^"), code ^ 0x40)))
        else:
            self.put(bytes((code,)))

    def _signal_key(self, code: int) -> bool:
        if not self._has(ISIG):
            return False
        for key, number in SIGNAL_KEYS:
            if self._is(code, key):
                if not self._has(NOFLSH):
                    self.flush()
                self._stopped = False
                self._echo(code)
                self.signal(self.foreground, number)
                return True
        return False

    def _flow_key(self, code: int) -> bool:
        """^S and ^Q: stop and go on writing."""
        if not self.input & IXON or not (self._is(code, VSTOP) or self._is(code, VSTART)):
            return False
        self._stopped = self._is(code, VSTOP)
        if not self._stopped:
            self.writers.wake()
        return True

    def _edit_key(self, code: int) -> bool:
        if self._is(code, VERASE) or code == 8:
            self._erase()
        elif self._is(code, VKILL):
            while self._erase():
                pass
        elif self._is(code, VWERASE) and self._has(IEXTEN):
            self._erase_word()
        else:
            return False
        return True

    def _erase(self) -> bool:
        """Take the last character of the unfinished line back; False: the line is empty."""
        if len(self._typed) == self._ended:
            return False
        gone = self._typed.pop()
        while self.input & IUTF8 and gone & 0xC0 == 0x80 and len(self._typed) > self._ended:
            gone = self._typed.pop()
        if self._has(ECHO) and self._has(ECHOE):
            wide = (gone < 32 or gone == 127) and self._has(ECHOCTL)
            self.put(b"\b \b" * (2 if wide else 1))
        return True

    def _erase_word(self) -> None:
        for space in (True, False):
            while len(self._typed) > self._ended and (self._typed[-1] == 32) is space:
                self._erase()

    def flush(self) -> None:
        """Forget what was typed."""
        self._typed.clear()
        self._ended = 0

    # ---- reading

    def available(self) -> int:
        """So many keys could be read."""
        return self._ended if self._has(ICANON) else len(self._typed)

    def read(self, process: Any, size: int) -> bytes:
        """Up to a line, or what raw mode gives.

        Raises:
            WouldBlock: nothing is there; in raw mode perhaps not for ever.
            Errno: EIO, for a background process that cannot be stopped.
        """
        self.check(process, SIGTTIN)
        least, tenths = (1, 0) if self._has(ICANON) else (self.keys[VMIN], self.keys[VTIME])
        ready = self.available()
        if size == 0 or (ready and (ready >= min(least, size) or tenths)):
            return self.read_now(size)
        if not least and not tenths:
            return b""
        until = self.kernel.now() + tenths * self.kernel.hz // TENTH if not least else None
        raise WouldBlock(self.queue, until=until)

    def read_now(self, size: int) -> bytes:
        """What there is. Canonical: up to the end of one line; ^D is taken and not delivered."""
        canonical, taken = self._has(ICANON), bytearray()
        used, limit, ended = 0, self.available(), False
        while used < limit and len(taken) < size and not ended:
            code = self._typed[used]
            used += 1
            ended = canonical and (code in (10, END) or self._is(code, VEOL))
            if code != END:
                taken.append(code)
        if taken and not ended and canonical and used < limit and self._typed[used] == END:
            used += 1  # it ended this line, which filled the reader's buffer: it is no end of the file
        del self._typed[:used]
        self._ended = max(self._ended - used, 0)
        return bytes(taken)

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

    def _give_up(self, process: Any) -> None:
        if process.session != self.session:
            raise Errno(ENOTTY)
        if process.session == process.leader:
            self.leader_gone(process.session)
        process.terminal = None

    def _set_foreground(self, process: Any, group: int) -> None:
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

    def _get_modes(self, process: Any, at: int) -> None:
        modes = MODES.pack(self.input, self.output_modes, self.control, self.local, self.line, self.keys)
        process.space.write(at, modes)

    def _set_modes(self, process: Any, at: int) -> None:
        modes = MODES.unpack(process.space.read(at, MODES.size))
        self.check(process, SIGTTOU)
        self.input, self.output_modes, self.control, self.local, self.line, self.keys = modes
        if not self._has(ICANON):
            self._ended = len(self._typed)  # a line that was begun can be read now
        if not self.input & IXON:
            self._stopped = False
        self.writers.wake()
        self._changed()

    def _set_modes_flushed(self, process: Any, at: int) -> None:
        self.check(process, SIGTTOU)
        self.flush()
        self._set_modes(process, at)

    def _flush(self, _process: Any, which: int) -> None:
        if which not in (0, 1, 2):
            raise Errno(EINVAL)
        if which != 1:
            self.flush()

    def _flow(self, _process: Any, action: int) -> None:
        if action not in (0, 1, 2, 3):
            raise Errno(EINVAL)
        if action < 2:
            self._stopped = action == 0
            self.writers.wake()

    def _acquire(self, process: Any, _argument: int) -> None:
        self.acquire(process)

    def _drop(self, process: Any, _argument: int) -> None:
        self._give_up(process)

    def _get_foreground(self, process: Any, at: int) -> None:
        if process.session != self.session:
            raise Errno(ENOTTY)
        process.space.write(at, struct.pack("<i", self.foreground))

    def _put_foreground(self, process: Any, at: int) -> None:
        self._set_foreground(process, *struct.unpack("<i", process.space.read(at, 4)))

    def _get_session(self, process: Any, at: int) -> None:
        if process.session != self.session:
            raise Errno(ENOTTY)
        process.space.write(at, struct.pack("<i", self.session))

    def _get_window(self, process: Any, at: int) -> None:
        process.space.write(at, self.window)

    def _set_window(self, process: Any, at: int) -> None:
        window = bytes(process.space.read(at, WINDOW.size))
        if window != self.window:
            self.window = window
            self.signal(self.foreground, SIGWINCH)

    def _input_size(self, process: Any, at: int) -> None:
        process.space.write(at, struct.pack("<i", self.available()))

    def _output_size(self, process: Any, at: int) -> None:
        process.space.write(at, bytes(4))

    def _type(self, process: Any, at: int) -> None:
        self.typed(bytes(process.space.read(at, 1)))

    def _nothing(self, _process: Any, _argument: int) -> None:
        """What is written is written at once: there is nothing to drain."""


CONTROLS = {
    0x5401: Terminal._get_modes,
    0x5402: Terminal._set_modes,
    0x5403: Terminal._set_modes,
    0x5404: Terminal._set_modes_flushed,
    0x5409: Terminal._nothing,  # TCSBRK
    0x540A: Terminal._flow,
    0x540B: Terminal._flush,
    0x540C: Terminal._nothing,  # TIOCEXCL
    0x540D: Terminal._nothing,  # TIOCNXCL
    0x540E: Terminal._acquire,
    0x540F: Terminal._get_foreground,
    0x5410: Terminal._put_foreground,
    0x5411: Terminal._output_size,
    0x5412: Terminal._type,
    0x5413: Terminal._get_window,
    0x5414: Terminal._set_window,
    0x541B: Terminal._input_size,
    0x5422: Terminal._drop,
    0x5425: Terminal._nothing,  # TCSBRKP
    0x5429: Terminal._get_session,
}
"""asm-generic/ioctls.h."""


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
        return self.terminal.read_now(size)

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
