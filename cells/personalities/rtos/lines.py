"""Message channels and the console as tasks see them: queues that the kernel fills, and a call that never waits.

    linux = rtos.lines["linux"]
    message = yield linux.receive(until=rtos.after("20ms"))
    linux.post(b"ringing")                 # False: no room now

Theory: a partner may be slow, dead or hostile, and the deadlines here are not its business. So nothing is sent by waiting:
a message goes if the channel takes it now, else it is kept, at most `ROOM` of them, and tried again. What comes in is
taken only while there is room in the queue; then it waits in the channel and, when that is full, the partner waits. So a
flood costs one short interrupt for each message that a task has asked for, at the urgency of who asks. Where messages are
rendezvous (l4), a kept one is offered for no time at all once in a millisecond: the partner gets it when it listens at
such a moment, as one does who is idle.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from cells.personalities.rtos.objects import Queue
from cells.personalities.rtos.task import Request
from cells.port import RefusedError
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.flavours import MessageChannel
    from cells.personalities.rtos.kernel import Kernel

ROOM = 16
"""Messages that wait in each direction: as many as the channels of okl4 keep."""
TRIES_PER_SECOND = 1000
LINE_LIMIT = 128
"""Bytes of a typed line; what is longer is cut."""


class Line:
    """One message channel."""

    def __init__(self, kernel: Kernel, channel: MessageChannel) -> None:
        self.peer = channel.peer
        self.queue: Queue = kernel.queue(f"from {channel.peer}", ROOM)
        self.lost = 0
        """Messages for which there was no room, or that nobody takes."""
        self._kernel, self._channel = kernel, channel
        self._out: deque[bytes] = deque()
        self._next_try = 0

    @property
    def there(self) -> bool:
        """The partner lives, as far as is known."""
        return self._channel.there

    @property
    def meets(self) -> bool:
        """A message goes only while the partner listens."""
        return self._channel.meets

    def receive(self, until: int = NEVER) -> Request:
        """The next message. Refused: TIMEOUT."""
        return self.queue.receive(until)

    def post(self, data: bytes) -> bool:
        """Send, or keep to be sent; False if there is no room: then it is lost."""
        if self._out or not self._put(data):
            if len(self._out) >= ROOM:
                self.lost += 1
                return False
            self._out.append(data)
        return True

    def look(self, now: int) -> None:
        """Let come and go what can."""
        if self._out and now >= self._next_try:
            self._drain(now)
        while not self.queue.full and self._channel.ready:
            try:
                data = self._channel.try_receive()
            except RefusedError:  # a channel on which this cell may not receive is silent
                return
            if data is None:
                return
            self._kernel.interrupt(partial(self.queue.post, data))

    def next_try(self) -> int:
        """When there is something to do for who sleeps."""
        return self._next_try if self._out else NEVER

    def _drain(self, now: int) -> None:
        while self._out and self._put(self._out[0]):
            self._out.popleft()
        self._next_try = now + self._kernel.hz // TRIES_PER_SECOND

    def _put(self, data: bytes) -> bool:
        """Send now; whether it went. What nobody takes, or no channel carries, goes as well, and is lost."""
        try:
            self._channel.send(data, 0)
        except RefusedError as refusal:
            if refusal.status == Status.TIMEOUT:
                return False
            self.lost += 1
        return True


class Console:
    """What is typed, line by line."""

    def __init__(self, kernel: Kernel) -> None:
        self.queue: Queue = kernel.queue("console", ROOM)
        self._kernel = kernel
        self._line = bytearray()

    def typed(self, data: bytes) -> None:
        """Bytes have come. A line for which there is no room is lost, as in hardware without flow control."""
        for byte in data:
            if byte in b"\r\n":
                line, self._line = bytes(self._line), bytearray()
                if line:
                    self._kernel.interrupt(partial(self.queue.post, line))
            elif len(self._line) < LINE_LIMIT:
                self._line.append(byte)
