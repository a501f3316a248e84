"""How far many runs are, on standard error: a bar on a terminal, else a line for each tenth with how long the rest may take."""

from __future__ import annotations

import sys
import time as host_time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Telling:
    """Told as `telling(done, all)`. `title` and `things` ("injections") are for people; `quiet`: say nothing."""

    def __init__(self, title: str, things: str, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        )
        self._live, self._quiet, self._things = console.is_terminal and not quiet, quiet, things
        self._task = self._bar.add_task(title)
        self._told = 0
        self._began, self._first = host_time.monotonic(), 0

    def __enter__(self) -> Telling:
        if self._live:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Leave the terminal to others. May be called twice."""
        if self._live:
            self._bar.stop()

    def __call__(self, done: int, of: int, *, before: bool = False) -> None:
        """So many are done; `before`: all of them by an earlier start."""
        self._bar.update(self._task, completed=done, total=of)
        if before:
            self._began, self._first = host_time.monotonic(), done
        tenth = 10 * done // of if of else 0
        if self._live or self._quiet or (tenth == self._told and done < of) or not done:
            return
        self._told = tenth
        print(f"{done} of {of} {self._things}{', done before' if before else self._left(done, of)}", file=sys.stderr)

    def _left(self, done: int, of: int) -> str:
        """How long the rest takes if it takes as long as what was done since the start."""
        since = done - self._first
        if done >= of or not since:
            return ""
        seconds = (host_time.monotonic() - self._began) / since * (of - done)
        return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"
