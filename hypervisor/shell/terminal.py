"""A person's terminal as a cell's console: raw bytes both ways, Ctrl-] to leave.

Used by `run` and `boot` in the monitor's own process (`Terminal`), and by `console` from another one (`attach`).
"""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from hypervisor.abi.messages import unpack
from hypervisor.shell.inputs import Input, InputKind
from hypervisor.shell.operator import Client

ESCAPE = b"\x1d"
"""Ctrl-], as in telnet and virsh."""


class Left(Exception):  # noqa: N818  an event
    """The person pressed Ctrl-]."""


class RawTerminal:
    """Standard input in raw mode while the block lasts; given back in any case. Nothing changes when it is no terminal."""

    def __enter__(self) -> Self:
        self._before: list[Any] | None = None
        if sys.stdin.isatty():
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)


def show(data: bytes) -> None:
    """Bytes to standard output, at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


class Terminal(RawTerminal):
    """The console of one cell of a run in this process: one of its sources of inputs."""

    def __init__(self, cell: str) -> None:
        self._cell = cell

    def output(self, cell: str, data: bytes) -> None:
        """Console bytes of any cell: ours are shown."""
        if cell == self._cell:
            show(data)

    def poll(self, seconds: float) -> list[Input]:
        """What was typed; waits up to so long.

        Raises:
            Left: Ctrl-], or the end of input.
        """
        ready, _, _ = select.select([0], [], [], seconds)
        if not ready:
            return []
        typed = os.read(0, 1024)
        if not typed or ESCAPE in typed:
            raise Left
        return [Input(0, 0, InputKind.CONSOLE, self._cell, typed)]


def attach(client: Client, cell: str, write: Callable[[bytes], None] = show) -> None:
    """Be the console of a cell of a run elsewhere, until Ctrl-], the end of input, or the end of the run."""
    client.follow(f"console/{cell}")
    client.next(100)  # let the subscription settle; what is lost here is in the backlog
    answer = client.ask("console", cell=cell)
    write(answer["backlog"])
    seen: int = answer["offset"]
    poller = select.poll()
    poller.register(0, select.POLLIN)
    while True:
        message = client.next(20)
        while message is not None:
            offset, data = unpack(message)
            if offset + len(data) > seen:
                write(data[max(seen - offset, 0) :])
                seen = offset + len(data)
            message = client.next(0)
        if client.gone():
            return
        if poller.poll(0):
            typed = os.read(0, 1024)
            if not typed or ESCAPE in typed:
                return
            client.ask("type", cell=cell, data=typed)
