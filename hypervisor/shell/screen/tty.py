"""A terminal given over to a picture: raw keys, another screen, no cursor, reports of the mouse; given back in any case.

Also when this process is killed: a guard, a small shell that hangs on a pipe to it, then says the same last words.

    with Tty() as tty:
        abilities = await tty.ask()
        await tty.show(b"...")
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
import tty as modes
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from hypervisor.shell.problems import InputError
from hypervisor.shell.screen import kitty
from hypervisor.shell.screen.keys import Answer, Event, Keys

ANSWER_S = 0.6
"""How long the terminal may take to say what it can; over a slow line it is then one with half blocks."""
LAST_WORDS_S = 1.0
BEGIN = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?1002h\x1b[?1006h\x1b[2J"
"""The alternate screen, no cursor, no wrapping, buttons and drags reported in decimal, an empty screen."""
CUT = b"\x18\x1b\\"
"""What was being said is broken off: CAN, and the end of a string."""
END = CUT + b"\x1b[?1016l\x1b[?1006l\x1b[?1002l\x1b[?7h\x1b[m\x1b[?25h\x1b[?1049l"
"""Everything is taken back."""
PIXEL_MOUSE = b"\x1b[?1016h"
QUESTIONS = kitty.QUERY + b"\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[m\x1b[16t\x1b[?1016$p\x1b[c"
"""Graphics of kitty's? The colour that was just set (DECRQSS)? A character's pixels? The mouse in pixels? And what every
terminal answers, so that it is known when there is no more to come: its attributes (DA1)."""
_GUARD = 'trap "" HUP INT TERM; read _ || { printf %b "$2"; stty "$1" <&1; }'
_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_PIXEL_MOUSE = re.compile(rb"\x1b\[\?1016;[123]\$y")
_COLOUR = re.compile(rb"\x1bP1\$r.*48[:;]2[:;]:?1[:;]2[:;]3m", re.DOTALL)
_SIXEL = b"4"
"""Among a terminal's attributes."""


@dataclass(frozen=True)
class Abilities:
    """What a terminal can. `cell`: width and height of a character in pixels."""

    kitty: bool = False
    sixel: bool = False
    true_colour: bool = False
    pixel_mouse: bool = False
    cell: tuple[int, int] = (8, 16)


def abilities(answers: bytes, environment: Mapping[str, str], window: tuple[int, int] = Abilities.cell) -> Abilities:
    """What follows from all that it answered, and what the environment says of it. `window`: a character's pixels, perhaps."""
    attributes, cell = _ATTRIBUTES.search(answers), _CELL.search(answers)
    said = environment.get("COLORTERM", "") in ("truecolor", "24bit") or environment.get("TERM", "").endswith("-direct")
    return Abilities(
        kitty=kitty.QUERY_OK in answers,
        sixel=attributes is not None and _SIXEL in attributes[1].split(b";")[1:],
        true_colour=said or _COLOUR.search(answers) is not None,
        pixel_mouse=_PIXEL_MOUSE.search(answers) is not None,
        cell=(int(cell[2]), int(cell[1])) if cell and int(cell[1]) and int(cell[2]) else window,
    )


class Tty:
    """The terminal on standard input and output.

    Raises:
        InputError: there is none.
    """

    def __init__(self) -> None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise InputError(
                "a screen needs a terminal (cellvisor screen --web shows it in a browser, "
                "cellvisor screenshot FILE.png saves a picture)"
            )
        self.keys = Keys()
        self._early: list[Event] = []

    def __enter__(self) -> Self:
        # A description of its own: not to wait when the terminal is slow must not change for others who have it open.
        self._fd = os.open(os.ttyname(1), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        self._before: list[Any] = termios.tcgetattr(0)
        self._guard = self._make_guard()
        self.begin()
        return self

    def _make_guard(self) -> subprocess.Popen[bytes]:
        saved = subprocess.run(["stty", "-g"], stdin=0, capture_output=True, check=False).stdout.decode().strip()
        words = END.decode().replace("\\", "\\\\").replace("\x1b", "\\033").replace("\x18", "\\030")
        return subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "cellvisor-guard", saved or "sane", words],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def begin(self) -> None:
        """Raw keys and an empty screen: at first, and when this process was stopped and goes on."""
        modes.setraw(0, termios.TCSANOW)
        self._write_in_time(BEGIN)

    def fileno(self) -> int:
        """Where keys come from."""
        return self._fd

    def read(self) -> list[Event] | None:
        """What was typed since the last time; None when the terminal is gone."""
        early, self._early = self._early, []
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return early
        except OSError:
            return None
        return [*early, *self.keys.feed(data)] if data else None

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = os.get_terminal_size(1)
        return max(size.columns, 1), max(size.lines, 1)

    async def ask(self) -> Abilities:
        """Ask it what it can, and wait for the answer a while."""
        await self.show(QUESTIONS)
        answers = b""
        try:
            async with asyncio.timeout(ANSWER_S):
                while not _ATTRIBUTES.search(answers):
                    await _ready(self._fd, writing=False)
                    events = self.read()
                    if events is None:
                        break
                    answers += b"".join(event.text for event in events if isinstance(event, Answer))
                    self._early = [event for event in events if not isinstance(event, Answer)]
        except TimeoutError:
            pass
        return abilities(answers, os.environ, self._cell())

    def _cell(self) -> tuple[int, int]:
        """A character in pixels by what the kernel knows of the terminal's window."""
        rows, columns, width, height = struct.unpack("4H", fcntl.ioctl(self._fd, termios.TIOCGWINSZ, bytes(8)))
        return (width // columns, height // rows) if width > columns > 0 and height > rows > 0 else Abilities.cell

    async def show(self, data: bytes) -> None:
        """Write it all, at the terminal's pace.

        Raises:
            OSError: it is gone.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await _ready(self._fd, writing=True)

    def _write_in_time(self, data: bytes) -> None:
        end, view = time.monotonic() + LAST_WORDS_S, memoryview(data)
        while view and (left := end - time.monotonic()) > 0:
            if select.select([], [self._fd], [], left)[1]:
                view = view[os.write(self._fd, view) :]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write_in_time(END)
            termios.tcsetattr(0, termios.TCSAFLUSH, self._before)
        except (OSError, termios.error):
            pass  # it is gone
        finally:
            self._guard.communicate(b"\n")
            os.close(self._fd)


async def _ready(descriptor: int, *, writing: bool) -> None:
    """Wait until something can be read there, or written."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add(descriptor, tell)
    try:
        await ready
    finally:
        remove(descriptor)
