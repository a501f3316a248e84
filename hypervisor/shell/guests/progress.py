"""What a person sees while guests are fetched: a bar per transfer on a terminal, a line per transfer elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

NAME_WIDTH = 48


class Bars:
    """A `Report` on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(None), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def note(self, line: str) -> None:
        """A line above the bars."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def transfer(self, what: str, total: int, done: int) -> Callable[[int], None]:
        """A new bar."""
        name = what if len(what) <= NAME_WIDTH else f"{what[: NAME_WIDTH - 1]}…"
        if not self._console.is_terminal:
            self.note(f"{name}: {total / 1e6:.1f} MB" + (f", from byte {done}" if done else ""))
        task = self._progress.add_task(name, total=total, completed=done)
        return lambda count: self._progress.advance(task, count)
