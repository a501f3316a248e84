"""When a cell's process counts as hung: looked at from the host, far above anything honest.

watch = Backstop(seconds=10.0)
watch.begin()                                                # it is its turn
why = watch.look("sleeping", used=0.1, now=100.0)            # no exit yet: "" or the words of the trace
"""

from __future__ import annotations

import psutil

ASLEEP = (psutil.STATUS_SLEEPING, psutil.STATUS_TRACING_STOP)
"""States in which a cell does nothing, though it is its turn. One that waits for the disk or a processor is not among them."""

MOMENT_S = 1.0
"""The most that passes between two looks: beyond that this process or the whole host was stopped, and the cell too."""


class Backstop:
    """`seconds` of CPU time that it may spend within one turn, or of wall time that it may sleep there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: float | None = None
        self._used = self._slept = 0.0

    def begin(self) -> None:
        """Its turn begins."""
        self._last = None

    def look(self, state: str, used: float, now: float) -> str:
        """No exit yet. `state` as psutil names it, `used`: seconds of CPU time so far, `now`: seconds of the host's clock."""
        if self._last is None:
            self._last, self._used, self._slept = now, used, 0.0
        if state in ASLEEP:
            self._slept += min(now - self._last, MOMENT_S)
        self._last = now
        if state == psutil.STATUS_STOPPED:
            return "backstop: stopped on the host"
        if used - self._used > self._seconds:
            return "backstop: spins without end"
        return "backstop: sleeps without end" if self._slept > self._seconds else ""
