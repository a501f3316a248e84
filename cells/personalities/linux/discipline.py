"""The line discipline: what happens to keys between who types them and the program that reads them, and to its words.

    line = Discipline(clock, hz); line.output = screen.append; line.on_key_signal = group_of_the_foreground.send
    line.typed(b"ls\\r"); line.take(100) == b"ls\\n"

Theory (POSIX, "General Terminal Interface"): in canonical mode what is typed becomes lines, which can be edited until they end;
keys that mean a signal are told to `on_key_signal`; what is typed is echoed. In raw mode the program gets every key at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from cells.personalities.arm.wait import Queue
from cells.personalities.linux.file import WouldBlock

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
SIGINT, SIGQUIT, SIGTSTP = 2, 3, 20
SIGNAL_KEYS = ((VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP))
TYPED = 4096
"""Most that can be typed ahead; what is more is lost, as on a real terminal."""
END = 0x100
"""In the queue, where ^D was typed."""
MODES = struct.Struct("<4IB19s")
TENTH = 10
"""VTIME counts tenths of a second."""


class Discipline:
    """One line: its modes, and what was typed and not yet read."""

    def __init__(self, now: Callable[[], int], hz: int) -> None:
        self._now, self._hz = now, hz
        self.output: Callable[[bytes], object] = lambda _data: None
        """Where words and echoes go."""
        self.on_key_signal: Callable[[int], object] = lambda _number: None
        """Told of a key that means a signal."""
        self.input, self.output_modes = ICRNL | IXON | IUTF8, OPOST | ONLCR
        self.control = CONTROL_MODES
        self.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
        self.line, self.keys = 0, KEYS
        self.queue, self.writers = Queue(), Queue()
        """Woken when something can be read, and when it may be written again."""
        self.activity = 0
        self._typed: list[int] = []
        self._ended = 0
        """So many of them are complete lines."""
        self.stopped = self._literal = False

    def has(self, mode: int) -> bool:
        """A local mode is on."""
        return bool(self.local & mode)

    @property
    def modes(self) -> bytes:
        """struct termios."""
        return MODES.pack(self.input, self.output_modes, self.control, self.local, self.line, self.keys)

    @modes.setter
    def modes(self, data: bytes) -> None:
        self.input, self.output_modes, self.control, self.local, self.line, self.keys = MODES.unpack(data)
        if not self.has(ICANON):
            self._ended = len(self._typed)  # a line that was begun can be read now
        if not self.input & IXON:
            self.stopped = False
        self.writers.wake()
        self.changed()

    # ---- output

    def put(self, data: bytes) -> None:
        """Write, with a carriage return before each line feed if that is wanted."""
        if self.output_modes & OPOST and self.output_modes & ONLCR:
            data = data.replace(b"\n", b"\r\n")
        self.output(data)

    def stop(self, stopped: bool) -> None:
        """Hold what programs write, or let it go on."""
        self.stopped = stopped
        if not stopped:
            self.writers.wake()

    # ---- input, key by key

    def typed(self, data: bytes) -> None:
        """Keys have come from outside."""
        before = self._ended
        for code in data:
            self._key(code)
        if self._ended != before:
            self.changed()

    def changed(self) -> None:
        """Something can be read, or may be soon."""
        self.activity += 1
        self.queue.wake()

    def _is(self, code: int, key: int) -> bool:
        return code != 0 and code == self.keys[key]

    def _key(self, code: int) -> None:
        if self._literal:
            self._literal = False
            return self._add(code, not self.has(ICANON))
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
        if not self.has(ICANON):
            self._add(code, True)
        elif self._is(code, VLNEXT) and self.has(IEXTEN):
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
        if not self.has(ECHO) and not (code == 10 and self.has(ECHONL) and self.has(ICANON)):
            return
        if (code < 32 or code == 127) and code not in (9, 10) and self.has(ECHOCTL):
            self.put(bytes((ord("^"), code ^ 0x40)))
        else:
            self.put(bytes((code,)))

    def _signal_key(self, code: int) -> bool:
        if not self.has(ISIG):
            return False
        for key, number in SIGNAL_KEYS:
            if self._is(code, key):
                if not self.has(NOFLSH):
                    self.flush()
                self.stopped = False
                self._echo(code)
                self.on_key_signal(number)
                return True
        return False

    def _flow_key(self, code: int) -> bool:
        """^S and ^Q: stop and go on writing."""
        if not self.input & IXON or not (self._is(code, VSTOP) or self._is(code, VSTART)):
            return False
        self.stop(self._is(code, VSTOP))
        return True

    def _edit_key(self, code: int) -> bool:
        if self._is(code, VERASE) or code == 8:
            self._erase()
        elif self._is(code, VKILL):
            while self._erase():
                pass
        elif self._is(code, VWERASE) and self.has(IEXTEN):
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
        if self.has(ECHO) and self.has(ECHOE):
            wide = (gone < 32 or gone == 127) and self.has(ECHOCTL)
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
        return self._ended if self.has(ICANON) else len(self._typed)

    @property
    def typed_ahead(self) -> int:
        """So many keys wait, in lines or not."""
        return len(self._typed)

    def take(self, size: int) -> bytes:
        """Up to a line, or what raw mode gives.

        Raises:
            WouldBlock: nothing is there; in raw mode perhaps not for ever.
        """
        least, tenths = (1, 0) if self.has(ICANON) else (self.keys[VMIN], self.keys[VTIME])
        ready = self.available()
        if size == 0 or (ready and (ready >= min(least, size) or tenths)):
            return self.take_now(size)
        if not least and not tenths:
            return b""
        until = self._now() + tenths * self._hz // TENTH if not least else None
        raise WouldBlock(self.queue, until=until)

    def take_now(self, size: int) -> bytes:
        """What there is. Canonical: up to the end of one line; ^D is taken and not delivered."""
        canonical, taken = self.has(ICANON), bytearray()
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
