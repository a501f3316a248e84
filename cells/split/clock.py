"""What a split driver needs of a port: the time, a way to spend it, and, where there are any, faults injected into the cell.

>>> faults_of(TIMELESS) is None
True
"""

from __future__ import annotations

from typing import Protocol

from hypervisor.abi.faults import Hit


class Clock(Protocol):
    """The time of a cell."""

    @property
    def now(self) -> int:
        """Virtual time in cycles."""
        ...

    def work(self, cycles: int) -> None:
        """Compute for so long."""
        ...


class Timeless:
    """A clock that stands still: work costs nothing, and no wait ends by time."""

    now = 0

    def work(self, cycles: int) -> None:
        """See `Clock`."""


TIMELESS = Timeless()


class Faults(Protocol):
    """Faults that wait at points of the cell (cells/faults.py)."""

    def visit(self, point: str) -> Hit | None:
        """The cell comes to a point."""
        ...


def faults_of(clock: Clock) -> Faults | None:
    """Those of the cell whose clock this is; None while there are none, and for clocks that know of no such thing."""
    found: Faults | None = getattr(clock, "faults", None)
    return found


def sleep_until(clock: Clock, time: int) -> None:
    """Wait for a time, and let others run if the clock is a port."""
    sleep = getattr(clock, "sleep_until", None)
    if sleep is None:
        clock.work(max(time - clock.now, 0))
    else:
        sleep(time)
