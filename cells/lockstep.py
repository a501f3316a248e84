"""A vCPU's place in virtual time: the record it was resumed with, the events it was handed, and the one way to exit.

Every guest, ARM code or Python, keeps a `Lockstep`. It reads `start`, `end` and `horizon`, takes due events, and calls
`exit`, which returns when the monitor resumes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cells.links import Link
from hypervisor.abi.records import Event, EventKind
from hypervisor.abi.time import NEVER

_ANSWER, _MEMORY, _FAULT = int(EventKind.ANSWER), int(EventKind.MEMORY), int(EventKind.FAULT)
"""As plain numbers: they are asked for at every exit."""


def _no_memory(payload: bytes) -> None:
    raise RuntimeError("this cell was given pages and cannot take any")


class Lockstep:
    """State of the world switch, as the cell sees it.

    `answer`: the bytes that came with the last exit's answer. `memory`: who carries out what the monitor says about pages, at
    once: they may be used before any time has passed. `faults`: injected ones that came with a resume, and that the
    guest does to itself before it runs on (cells/faults.py, cells/engines/faults.py).
    """

    __slots__ = ("_events", "_link", "_seq", "answer", "end", "faults", "horizon", "memory", "start")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._seq = 0
        self._events: list[Event] = []
        self.start = self.end = self.horizon = 0
        self.answer = b""
        self.memory: Callable[[bytes], None] = _no_memory
        self.faults: list[bytes] = []

    def exit(
        self,
        kind: int,
        time: int,
        cycles: int = 0,
        deadline: int = NEVER,
        arguments: tuple[int, int, int, int] = (0, 0, 0, 0),
        counts: tuple[int, int] = (0, 0),
        output: bytes = b"",
        data: bytes = b"",
    ) -> int:
        """Stop here for `kind`; when resumed, `start`, `end` and `horizon` are new and the monitor's answer is returned."""
        record = (self._seq, kind, time, cycles, deadline, *arguments, *counts, output, data)
        self._seq, self.start, self.end, self.horizon, value, events = self._link.exchange(record)
        self.answer = b""
        if events:
            self._take(events)
        return value

    def _take(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if event.kind == _ANSWER:
                self.answer = event.payload
            elif event.kind == _MEMORY:
                self.memory(event.payload)
            elif event.kind == _FAULT:
                self.faults.append(event.payload)
            else:
                self._events.append(event)
        if len(self._events) > 1:
            self._events.sort(key=_time_of)  # stable: events of one time stay in the monitor's order

    def next_event(self) -> int:
        """When the next undelivered event is due, `NEVER` if none."""
        return self._events[0].time if self._events else NEVER

    def waiting(self) -> tuple[Event, ...]:
        """Undelivered events, the next one first."""
        return tuple(self._events)

    def put_back(self, events: Sequence[Event]) -> None:
        """Events that were undelivered when a snapshot was taken; they come before all others of their time."""
        self._events = sorted([*events, *self._events], key=_time_of)

    def due(self, now: int) -> list[Event]:
        """Events whose time has come, oldest first; each is handed out once."""
        if not self._events:
            return []
        due = [event for event in self._events if event.time <= now]
        del self._events[: len(due)]
        return due


def _time_of(event: Event) -> int:
    return event.time
