"""What a person sees while a run goes on: virtual time, how far, how fast, and what each cell does, on one live line.

    1.234 s of 2.00 s  61%  152 MIPS  0.83x  linux running  brew blocked

On a terminal the line stays in place and is gone at the end. Elsewhere nothing is printed, or a line every few
seconds if that was asked for. It goes to stderr: stdout belongs to `--json` and to consoles. No thread refreshes it,
since one more busy thread would slow the monitor's world switch down a thousandfold (the interpreter's lock): the
loop calls `tick`, which looks at the clock and nearly always returns at once.

    with Progress(hz, until) as progress:
        while running:
            ...
            progress.tick(monitor.now, instructions, states)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hypervisor.abi.time import NEVER
from hypervisor.shell.human import STATE_STYLES, human_time

LIVE_SECONDS = 0.125
"""Eight times a second looks live."""
LINE_SECONDS = 5.0
"""Often enough for the log of a long job."""

States = Callable[[], Mapping[str, str]]
"""Cell -> state, asked only when something is shown."""


class Progress:
    """Shows how a run of a board of `hz` goes on towards `until` cycles (`NEVER`: no end is known).

    `lines`: where there is no terminal, print a line every few seconds. `enabled`: False shows nothing at all, for a
    run whose terminal is the console of a cell. `clock` is the host's, in seconds.
    """

    def __init__(
        self,
        hz: int,
        until: int = NEVER,
        *,
        console: Console | None = None,
        lines: bool = False,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._hz, self._until, self._clock = hz, until, clock
        terminal = enabled and self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = self._new_live() if terminal else None
        self._every = LIVE_SECONDS if terminal else LINE_SECONDS if enabled and lines else float("inf")
        self._seen = clock()
        self._next = self._seen + self._every
        self._now = self._instructions = 0

    @property
    def live(self) -> bool:
        """Whether there is a line that stays in place."""
        return self._live is not None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the line away and give the terminal back as it was, whatever happened."""
        if self._live is not None:
            self._live.stop()

    def tick(self, now: int, instructions: int, states: States) -> None:
        """The run is at `now`, its guests have run so many instructions in all. Cheap unless it is time to show it."""
        moment = self._clock()
        if moment < self._next:
            return
        line = self._line(now, instructions, states(), moment - self._seen)
        self._now, self._instructions, self._seen, self._next = now, instructions, moment, moment + self._every
        if self._live is not None:
            self._live.update(line, refresh=True)
        else:
            self._console.print(line, soft_wrap=True)

    def _new_live(self) -> Live:
        # Not redirecting: what cells print on the same terminal is the business of whoever prints it.
        return Live(
            Text(),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _line(self, now: int, instructions: int, states: Mapping[str, str], seconds: float) -> Text:
        """The line, with the speeds of the last `seconds`."""
        line = Text(f"{now / self._hz:.3f} s", no_wrap=True, overflow="ellipsis")
        if self._until < NEVER:
            line.append(f" of {human_time(self._until, self._hz)}  {100 * now // max(self._until, 1)}%")
        line.append(f"  {(instructions - self._instructions) / seconds / 1e6:.0f} MIPS")
        line.append(f"  {(now - self._now) / self._hz / seconds:.2f}x")
        for cell, state in states.items():
            line.append(f"  {cell} ").append(state, STATE_STYLES.get(state, ""))
        return line
