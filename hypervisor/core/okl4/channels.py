"""A bounded queue of messages: one direction of a channel, in the monitor's own memory.

Theory: nobody ever waits in the microvisor. A queue that is full refuses, one that is empty says so, and the two moments that
somebody may be waiting for outside are reported to whoever causes them: a message has come in, there is room again.

>>> queue = Queue(depth=1, limit=8)
>>> queue.put(b"hello")
>>> queue.take()
Taken(data=b'hello', left=0, was_full=True)
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused
from hypervisor.core.wiring import MESSAGE_DEPTH, MESSAGE_LIMIT


class Taken(NamedTuple):
    """A message out of a queue; how many are left in it; whether it had been full, so that there is room again."""

    data: bytes
    left: int
    was_full: bool


class Dropped(NamedTuple):
    """What was thrown away, for the account."""

    messages: int
    bytes: int


class Queue:
    """First in, first out: at most `depth` messages of at most `limit` bytes."""

    def __init__(self, depth: int = MESSAGE_DEPTH, limit: int = MESSAGE_LIMIT) -> None:
        self.depth = depth
        self.limit = limit
        self._waiting: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, data: bytes) -> None:
        """Append a message.

        Raises:
            Refused: TOO_LONG, FULL. Nothing has changed.
        """
        self.require_room(data)
        self._waiting.append(data)

    def require_room(self, data: bytes) -> None:
        """Whether `put` would take it.

        Raises:
            Refused: TOO_LONG, FULL.
        """
        if len(data) > self.limit:
            raise Refused(Status.TOO_LONG, f"a message of {len(data)} bytes, at most {self.limit}")
        if len(self._waiting) >= self.depth:
            raise Refused(Status.FULL, f"{self.depth} messages wait already")

    def take(self) -> Taken:
        """Remove the oldest message.

        Raises:
            Refused: EMPTY.
        """
        if not self._waiting:
            raise Refused(Status.EMPTY, "no message waits")
        was_full = len(self._waiting) == self.depth
        data = self._waiting.popleft()
        return Taken(data, len(self._waiting), was_full)

    def clear(self) -> Dropped:
        """Throw everything away: who should have read it is gone."""
        dropped = Dropped(len(self._waiting), sum(map(len, self._waiting)))
        self._waiting.clear()
        return dropped

    def problems(self, name: str) -> list[str]:
        """What is wrong with it, for `check_invariants`."""
        found = [f"{name}: a message of {len(data)} bytes" for data in self._waiting if len(data) > self.limit]
        return found + ([f"{name}: {len(self)} messages of {self.depth}"] if len(self) > self.depth else [])
