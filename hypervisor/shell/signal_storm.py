"""An injected fault of the host: signals that interrupt the monitor's system calls again and again (EINTR).

    storm = SignalStorm()
    storm.begin(every_us=500)
    storm.end()

Python and the links repeat what was interrupted: nothing of the run may change.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

LEAST_US, MOST_US = 100, 1_000_000


class SignalStorm:
    """SIGALRM at the process of the monitor, to which nobody else gives a meaning here."""

    def __init__(self) -> None:
        self._before: Any = None

    def begin(self, every_us: int) -> None:
        """A signal each so many microseconds of the host. Only the main thread can take any: elsewhere nothing happens."""
        if threading.current_thread() is not threading.main_thread() or self._before is not None:
            return
        self._before = signal.signal(signal.SIGALRM, _noticed)
        seconds = min(max(every_us, LEAST_US), MOST_US) / 1e6
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    def end(self) -> None:
        """Calm again. May be called twice."""
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            self._before = None


def _noticed(_number: int, _frame: FrameType | None) -> None:
    """It came."""
