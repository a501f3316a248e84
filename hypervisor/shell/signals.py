"""Ctrl-C, SIGTERM and SIGHUP end a run with its account: at its next turn, so that a replay ends there too.

A second signal, or half a second without a turn (a cell hangs, and its backstop is seconds away), cuts the run off.

    with Signals() as signals, launch("ticker") as run:
        with signals.ending(run.interrupt):
            run.run()
        ...
    sys.exit(signals.status)
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self

PATIENCE_S = 0.5
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While the block lasts, signals do not end this process; they raise KeyboardInterrupt, or end what `ending` was told."""

    def __init__(self) -> None:
        self._number = 0
        self._end: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}

    @property
    def status(self) -> int:
        """The exit status after a signal, by the shells' convention; 0 if there was none."""
        return 128 + self._number if self._number else 0

    @contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """The first signal calls `end` and leaves the block half a second; cut off, it ends here."""
        self._end = end
        try:
            with suppress(KeyboardInterrupt):
                yield
        finally:
            self._end = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        first = not self._number
        if number == signal.SIGHUP and not first:
            return  # a terminal that goes away says so more than once
        self._number = self._number or number
        if not first or self._end is None:
            raise KeyboardInterrupt
        self._end()
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)

    def __enter__(self) -> Self:
        for number in (*ENDING, signal.SIGALRM):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
