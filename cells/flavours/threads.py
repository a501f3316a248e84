"""Threads inside a cell: several conversations at once on its one vCPU, switched by the cell itself.

```python
def clerk(client):                                   # a thread is a generator: it yields what it wants
    who, question = yield Receive(client)
    answer = yield Call("archive", question)         # of another thread of this cell: no kernel is entered
    yield Send(client, answer[1])

threads = Threads(port)
threads.spawn("clerk", clerk(slot), priority=5)
threads.run()
```

Theory: outside, a cell's threads are its channels: each has a slot at the partner. Inside, threads are generators that meet
like cells do: a send waits for its receive. The most urgent one that can go on runs until it wants something; when none can,
the cell waits in an open receive for all of them at once. The kernel knows one vCPU and nothing of this, so that a thread that
computes is interrupted by other cells, not by its siblings; and a message to a partner that does not listen yet is offered
again and again, if siblings have something to wait for meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from cells.flavours.ipc import Heard, Kernel
from cells.port import Port, RefusedError
from hypervisor.abi.l4 import ANY, NIL, Message
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

SWITCH = 40
"""Cycles from one thread to another of the same cell: registers saved and loaded, a queue looked at. Assumed."""
OFFER = 1 << 16
"""Cycles between two offers of a message that its receiver does not take."""
KEPT = 16
"""Messages that are kept for threads which do not wait for them yet."""

Partner = int | str
"""A slot, or the name of a thread of this cell."""


class Receive(NamedTuple):
    """Wait for a message: from a partner, or from anybody. The answer is who sent and the message."""

    source: Partner = ANY


class Send(NamedTuple):
    """Send, and wait until it is taken. The answer is the status: OK, or PEER_GONE."""

    to: Partner
    message: Message


class Call(NamedTuple):
    """Send, then receive from the same partner."""

    to: Partner
    message: Message


class Sleep(NamedTuple):
    """Wait until a time."""

    until: int


Want = Receive | Send | Call | Sleep
Answer = tuple[Partner, Message]
Body = Generator[Want, "Answer | Status | None", None]


@dataclass(eq=False)
class Thread:
    """A thread and what it waits for."""

    name: str
    body: Body
    priority: int
    want: Want | None = None
    answer: Answer | Status | None = None
    ready: bool = True
    sent: bool = field(default=False)
    """Of a call: it has been sent, and is waited for."""

    @property
    def hears(self) -> Partner | None:
        """From whom it receives now."""
        if self.ready:
            return None
        if isinstance(self.want, Receive):
            return self.want.source
        return self.want.to if isinstance(self.want, Call) and self.sent else None

    @property
    def sends(self) -> Partner | None:
        """To whom it is sending."""
        return self.want.to if not self.ready and isinstance(self.want, Send | Call) and not self.sent else None


class Threads:
    """The threads of a cell. Names are unique."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._kernel = Kernel(port)
        self._threads: list[Thread] = []
        self._kept: deque[Heard] = deque()

    def spawn(self, name: str, body: Body, priority: int = 0) -> None:
        """A new thread; it begins when it is its turn."""
        self._threads.append(Thread(name, body, priority))

    def run(self) -> None:
        """Run until all have ended."""
        while self._threads:
            thread = max((t for t in self._threads if t.ready), key=lambda t: t.priority, default=None)
            if thread is not None:
                self._step(thread)
            elif not self._meet() and not self._offer():
                self._wait()

    # ---- one thread

    def _step(self, thread: Thread) -> None:
        self._port.work(SWITCH)
        try:
            thread.want = thread.body.send(thread.answer)
        except StopIteration:
            self._threads.remove(thread)
            return
        thread.ready, thread.sent, thread.answer = False, False, None
        self._threads.remove(thread)  # behind its equals
        self._threads.append(thread)

    @staticmethod
    def _go_on(thread: Thread, answer: Answer | Status | None) -> None:
        thread.ready, thread.answer = True, answer

    def _taken(self, thread: Thread) -> None:
        """What it sent has been received."""
        if isinstance(thread.want, Call):
            thread.sent = True
        else:
            self._go_on(thread, Status.OK)

    # ---- inside the cell

    def _meet(self) -> bool:
        """Let a message pass, or a sleeper wake, that needs no kernel; whether anything happened."""
        for thread in self._threads:
            if isinstance(thread.want, Sleep) and not thread.ready and thread.want.until <= self._port.now:
                self._go_on(thread, None)
                return True
            if isinstance(thread.want, Send | Call) and isinstance(thread.sends, str):
                receiver = self._receiver(thread.name, thread.sends)
                if all(other.name != thread.sends for other in self._threads):
                    self._go_on(thread, Status.PEER_GONE)
                    return True
                if receiver is not None:
                    message = thread.want.message
                    self._taken(thread)
                    self._go_on(receiver, (thread.name, message))
                    return True
        return self._hand_out()

    def _receiver(self, sender: Partner, name: str | None = None) -> Thread | None:
        """The thread that takes a message from this sender: one that waits for it rather than one that takes any."""
        waiting = [t for t in self._threads if t.hears in (sender, ANY) and name in (None, t.name)]
        return min(waiting, key=lambda t: t.hears == ANY, default=None)

    def _hand_out(self) -> bool:
        for heard in self._kept:
            receiver = self._receiver(heard[0])
            if receiver is not None:
                self._kept.remove(heard)
                self._go_on(receiver, heard)
                return True
        return False

    # ---- outside

    def _offer(self) -> bool:
        """Try to send what threads want to send to other cells; whether one of them can go on."""
        for thread in self._threads:
            if isinstance(thread.want, Send | Call) and isinstance(thread.sends, int):
                alone = len(self._threads) == 1
                try:
                    self._kernel.send(thread.sends, thread.want.message, NEVER if alone else 0)
                except RefusedError as refusal:
                    if refusal.status == Status.TIMEOUT and not alone:
                        continue
                    self._go_on(thread, Status(refusal.status))
                else:
                    self._taken(thread)
                return True
        return False

    def _wait(self) -> None:
        """For whatever lets a thread go on."""
        until = min((t.want.until for t in self._threads if isinstance(t.want, Sleep)), default=NEVER)
        if any(isinstance(t.sends, int) for t in self._threads):
            until = min(until, self._port.now + OFFER)
        try:
            heard = self._kernel.listen(self._from_whom(), until)
        except RefusedError as refusal:
            if refusal.status == Status.PEER_GONE:
                self._mourn()
            elif refusal.status != Status.EMPTY:
                raise
        else:
            if heard is not None and heard[0] != NIL:
                self._kept.append(heard)

    def _from_whom(self) -> int:
        """Anybody; but if too many are kept for later, the one for whom a thread waits."""
        slots = [t.hears for t in self._threads if isinstance(t.hears, int) and t.hears != ANY]
        return slots[0] if slots and len(self._kept) >= KEPT else ANY

    def _mourn(self) -> None:
        """The partner of a closed receive is gone."""
        slot = self._from_whom()
        for thread in [t for t in self._threads if t.hears == slot]:
            self._go_on(thread, Status.PEER_GONE)
