"""A person's terminal as a cell's console: raw bytes both ways, Ctrl-] to leave.

Used by `run` and `boot` in the monitor's own process (`Terminal`), and by `console` from another one (`attach`). Where nobody
sits at a console, `Consoles` prints all of them, line by line.
"""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hypervisor.shell.human import printable
from hypervisor.shell.inputs import Input, InputKind

if TYPE_CHECKING:
    from hypervisor.core.cell import Cell
    from hypervisor.shell.client import Client

ESCAPE = b"\x1d"
"""Ctrl-], as in telnet and virsh."""
TYPED = 1024
"""Bytes that are read from the keyboard at once: a large paste comes in pieces."""

_PLAIN = b"\x1b[m\x1b[?25h"
"""Plain letters and a cursor, whatever the guest had."""
_LONGEST_LINE = 4096
_CLEAR = "\r\x1b[2K"
"""Takes away the line of progress that the cursor stands in."""
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
"""What a terminal obeys and does not show (ECMA-48): control sequences, titles, single commands."""
_QUERIES = re.compile(rb"\x1b\[[?>=]?[0-9;]*[nc]")
"""What a terminal answers by typing: not to be asked again when old output is shown."""


class RawTerminal:
    """Standard input in raw mode while the block lasts; given back in any case. Nothing changes when it is no terminal."""

    def __enter__(self) -> Self:
        self._before: list[Any] | None = None
        self._line_begins = True
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        if sys.stdout.isatty():
            self.show(_PLAIN + b"\r\n" * (not self._line_begins))
        # Flush: what the terminal has answered to the guest's last prompt is nothing for the user's shell.
        termios.tcsetattr(0, termios.TCSAFLUSH, self._before)

    def show(self, data: bytes) -> None:
        """Bytes to standard output, at once."""
        self._line_begins = data.endswith(b"\n")
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def remark(self, text: str) -> None:
        """Something that no guest says, in a line of its own."""
        begin = "" if self._line_begins else "\r\n"
        self.show(f"{begin}[{printable(text)}]\r\n".encode())


def typed() -> bytes | None:
    """What was typed, which is something or there is an end; None to leave."""
    try:
        data = os.read(0, TYPED)
    except OSError:
        return None  # the terminal is gone
    return None if not data or ESCAPE in data else data


def size() -> tuple[int, int]:
    """Rows and columns of the terminal; 24 and 80 of one that does not say."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        return 24, 80
    return (rows, columns) if rows and columns else (24, 80)


class Terminal(RawTerminal):
    """The console of one cell of a run in this process: one of its sources of inputs. Ctrl-] calls `leave`.

    `window`: the rows and columns that the cell knows of; it is told of others.
    """

    handles: Sequence[int] = (0,)

    def __init__(self, cell: str, leave: Callable[[], None], window: tuple[int, int] | None = None) -> None:
        self._cell, self._leave = cell, leave
        self._window = window or size()
        self._told_end = False
        self._keyboard = select.poll()
        self._keyboard.register(0, select.POLLIN)

    def output(self, cell: str, data: bytes) -> None:
        """Console bytes of any cell: ours are shown."""
        if cell == self._cell:
            self.show(data)

    def tell_end(self, cell: Cell) -> None:
        """Say once that the cell has ended, for a run that goes on: nobody answers here."""
        if cell.ended and not self._told_end:
            self.remark(f"{cell.name}: {cell.state} ({cell.why})")
        self._told_end = cell.ended

    def poll(self) -> list[Input]:
        """See `Source`."""
        if not self._keyboard.poll(0):
            return self._resized()
        data = typed()
        if data is None:
            self._leave()
            return []
        return [*self._resized(), Input(0, 0, InputKind.CONSOLE, self._cell, data)]

    def _resized(self) -> list[Input]:
        """The window has another size than at the last look."""
        before, self._window = self._window, size()
        if self._window == before:
            return []
        return [Input(0, 0, InputKind.RESIZE, self._cell, b"%d %d" % self._window)]


class Consoles:
    """Prints the consoles of all cells line by line, each with its cell's name and nothing that a terminal would obey.

    `clear`: a line of progress stands on the same terminal.
    """

    def __init__(self, *, clear: bool) -> None:
        self._begin = _CLEAR if clear else ""
        self._partial: dict[str, bytes] = {}

    def __call__(self, cell: str, data: bytes) -> None:
        """What a cell said."""
        *lines, rest = (self._partial.get(cell, b"") + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        self._partial[cell] = rest
        for line in lines:
            self._print(cell, line)

    def _print(self, cell: str, line: bytes) -> None:
        text = _SEQUENCE.sub("", line.decode("utf-8", "replace")).rstrip("\r")
        print(f"{self._begin}{cell}| {printable(text.expandtabs())}", flush=bool(self._begin))

    def close(self) -> None:
        """Print what has no end of a line yet, for example a prompt."""
        for cell, rest in self._partial.items():
            if rest:
                self._print(cell, rest)
        self._partial.clear()


def attach(client: Client, cell: str) -> None:
    """Be the console of a cell of a run elsewhere, until Ctrl-], the end of input, or the end of the run.

    Raises:
        OperatorError: there is no such cell, or the run does not answer.
    """
    client.follow(f"console/{cell}")
    answer = client.ask("console", cell=cell)
    print(f"console of {cell} of {client}; Ctrl-] leaves", file=sys.stderr)
    with RawTerminal() as terminal:
        terminal.show(_QUERIES.sub(b"", answer["backlog"]))
        _carry(client, cell, answer["offset"], terminal)


def _carry(client: Client, cell: str, seen: int, terminal: RawTerminal) -> None:
    """Bytes both ways; what stands before offset `seen` has been shown."""
    while True:
        ready = client.wait(None, 0)
        for offset, data in client.news():
            if offset + len(data) > seen:
                terminal.show(data[max(seen - offset, 0) :])
                seen = offset + len(data)
        if 0 in ready.descriptors:
            keys = typed()
            if keys is None:
                return
            client.tell("type", cell=cell, data=keys)
        for why in client.refusals():
            terminal.remark(why)
        if ready.ended:
            terminal.remark("the run has ended")
            return
