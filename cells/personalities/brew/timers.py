"""Timers of the shell: a function and its data, called back once when the event loop is free at or after a time.

Theory: BREW knows a timer by its function and data, so that setting it again moves it. Each belongs to the applet that was
running when it was set, and goes with it.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from cells.personalities.brew.codes import Error
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.brew.method import Notify
    from cells.personalities.brew.module import Module
    from cells.personalities.brew.system import Running, System

MOST = 64
"""Timers of one module."""
LONGEST_MS = 0x7FFF_FFFF


class Due(NamedTuple):
    """A timer whose time has come."""

    module: Module
    call: Notify
    applet: Running | None


class Timers:
    """All that are set."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._serial = itertools.count()
        self._heap: list[tuple[int, int, Any]] = []
        self._set: dict[tuple[Module, Any, Any], tuple[int, int, Running | None]] = {}
        """Key -> time, serial number, applet. What the heap has beside is cancelled."""

    def set(self, module: Module, milliseconds: int, call: Notify) -> int:
        """In so many milliseconds."""
        key = (module, call.function, _identity(call.user))
        if key not in self._set and sum(1 for other in self._set if other[0] is module) >= MOST:
            return Error.ENOMEMORY
        port = self._system.port
        time = port.time + min(milliseconds, LONGEST_MS) * port.hz // 1000
        serial = next(self._serial)
        self._set[key] = (time, serial, self._system.current)
        heapq.heappush(self._heap, (time, serial, (key, call)))
        self._tidy()
        return Error.SUCCESS

    def cancel(self, module: Module, call: Notify) -> int:
        """How many there were. Without a function: all with this data."""
        user = _identity(call.user)
        keys = [
            key
            for key in self._set
            if key[0] is module and key[2] == user and (not call.function or key[1] == call.function)
        ]
        for key in keys:
            del self._set[key]
        return len(keys)

    def forget(self, module: Module, applet: Running | None = None) -> None:
        """A module has gone, or one of its applets."""
        self._set = {
            key: entry
            for key, entry in self._set.items()
            if key[0] is not module or (applet is not None and entry[2] is not applet)
        }
        self._tidy()

    def left(self, module: Module, call: Notify) -> int:
        """Milliseconds, at least 1 while it is set."""
        found = self._set.get((module, call.function, _identity(call.user)))
        port = self._system.port
        return max((found[0] - port.time) * 1000 // port.hz, 1) if found is not None else 0

    def next(self) -> int:
        """When the first is due."""
        heap = self._heap
        while heap and not self._is_set(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else NEVER

    def take(self) -> Due | None:
        """One that is due now; it is not set any more."""
        if self.next() > self._system.port.time:
            return None
        _, _, (key, call) = heapq.heappop(self._heap)
        return Due(key[0], call, self._set.pop(key)[2])

    def _is_set(self, entry: tuple[int, int, Any]) -> bool:
        found = self._set.get(entry[2][0])
        return found is not None and found[1] == entry[1]

    def _tidy(self) -> None:
        """Cancelled ones do not stay for ever."""
        if len(self._heap) > 2 * len(self._set) + MOST:
            self._heap = [entry for entry in self._heap if self._is_set(entry)]
            heapq.heapify(self._heap)


def _identity(user: Any) -> Any:
    """Data of Python applets may be anything."""
    return user if isinstance(user, int) else id(user)
