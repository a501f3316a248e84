"""The microkernel's interface for Python guests: synchronous IPC, maps, notifications, page faults.

```python
kernel = Kernel(port)                                    # a topology with flavour l4
slot = port.boot["channels"][0]["slot"]                  # who is named by it: the channel's other end
answer = kernel.call(slot, Message(Label.USER, (1, 2)))  # the partner: kernel.reply_and_wait(Message(...))
who, message = kernel.receive(until=port.now + port.cycles("5ms"))
```

Times are absolute, as everywhere in a port. The wire rounds timeouts down to ten bits; what is left is waited for again, but
for a call, whose partner could no longer reply then: that may end a thousandth of its time early.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from cells.port import RefusedError
from hypervisor.abi import l4
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import ANY, FLUSH, NIL, REPLY, Message
from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.port import Port

Heard = tuple[int, Message]
"""Who sent (a slot of one's own, or INTERRUPT, NOTIFICATION, STRANGER; NIL: nobody, something else happened), and the message."""
NOBODY: Heard = (NIL, Message())
ATTEMPTS = 3
"""Times that a pager is asked for one page."""


class Kernel:
    """Calls of one cell. All raise `RefusedError`: TIMEOUT (not sent), EMPTY (nothing came), PEER_GONE, or what is wrong."""

    def __init__(self, port: Port) -> None:
        self._port = port

    # ---- IPC

    def send(self, to: int, message: Message, until: int = NEVER) -> None:
        """Send; wait for the partner until then."""
        while True:
            try:
                self._ipc(to, NIL, message, until, 0)
            except RefusedError as refusal:
                if refusal.status != Status.TIMEOUT or not self._time_left(until):
                    raise
            else:
                return

    def receive(self, source: int = ANY, until: int = NEVER) -> Heard:
        """Receive from a partner, or from anybody; an open receive also ends when something else happens."""
        while True:
            try:
                return self._ipc(NIL, source, None, 0, until)
            except RefusedError as refusal:
                if refusal.status != Status.EMPTY or not self._time_left(until):
                    raise

    def listen(self, source: int = ANY, until: int = NEVER) -> Heard | None:
        """An open receive that sleeps over nothing: None if something has happened that no call has looked at yet."""
        while True:
            try:
                return self._listen(source, until)
            except RefusedError as refusal:
                if refusal.status != Status.EMPTY or not self._time_left(until):
                    raise

    def call(self, to: int, message: Message, until: int = NEVER) -> Message:
        """Send and wait for the answer of the same partner, which goes on in the caller's time."""
        return self._ipc(to, to, message, until, until)[1]

    def reply(self, message: Message) -> None:
        """Answer the last caller. It waits, or it is gone: there is nothing to wait for."""
        self._ipc(REPLY, NIL, message, 0, 0)

    def reply_and_wait(self, message: Message, source: int = ANY) -> Heard:
        """Answer the last caller and receive the next message: a server's loop."""
        return self._ipc(REPLY, source, message, 0, NEVER)

    def reply_and_listen(self, message: Message, until: int = NEVER) -> Heard | None:
        """The same for a server that has other things to heed, too: None if something has happened, as `listen`."""
        arguments = l4.pack_partners(REPLY, ANY), message.tag, self._timeouts(0, until)
        try:
            answered = self._port.call_if_quiet(Hypercall.IPC, *arguments, data=message.data)
        except RefusedError as refusal:
            if refusal.status != Status.EMPTY:
                raise
            return None
        if answered is None:
            self.reply(message)
            return None
        return _heard(*answered)

    # ---- the rest

    def notify(self, bell: int, bits: int) -> None:
        """Set bits in the partner's word; it hears of it in an open receive."""
        self._port.hypercall(Hypercall.NOTIFY, bell, bits)

    def accept(self, address: int, pages: int) -> None:
        """From now on pages of messages may appear there, in the window; 0 pages: nowhere."""
        self._port.hypercall(Hypercall.IPC_ACCEPT, address, pages)

    def unmap(self, address: int, pages: int, rights: int = READ | WRITE, *, flush: bool = False) -> int:
        """Take back what these pages were mapped on to (with `rights` WRITE alone: the right to write); how many pages that
        were.

        `flush`: this cell gives its own mapping up, too.
        """
        return self._port.hypercall(Hypercall.IPC_UNMAP, address, pages, rights | (FLUSH if flush else 0))

    def fault(self, address: int, access: int = READ, instruction: int = 0) -> None:
        """Ask the pager for a page. It answered when this returns; look again whether the page is there."""
        self._port.hypercall(Hypercall.PAGE_FAULT, address, access, instruction)

    def inject(self, client: int, line: int, *, level: bool) -> None:
        """Drive an interrupt line of a cell that this one hosts."""
        self._port.hypercall(Hypercall.IPC_INJECT, client, line, level)

    def page(self, address: int, *, write: bool = False) -> memoryview:
        """The whole page at an address of the window, from the pager if it is not there yet.

        Raises:
            RefusedError: PEER_GONE: there is no pager any more. WRONG_STATE: it answered, and gave no such page.
        """
        base = address // PAGE * PAGE
        for _ in range(ATTEMPTS):
            with contextlib.suppress(ValueError):
                found = self._port.memory.view(base, PAGE)
                if not (write and found.readonly):
                    return found
            self.fault(address, READ | WRITE if write else READ)
        raise RefusedError(f"page at {address:#x}", Status.WRONG_STATE)

    # ---- inside

    def _ipc(self, to: int, source: int, message: Message | None, send_until: int, receive_until: int) -> Heard:
        tag, data = (message.tag, message.data) if message is not None else (0, b"")
        arguments = l4.pack_partners(to, source), tag, self._timeouts(send_until, receive_until)
        value, answer = self._port.call(Hypercall.IPC, *arguments, data=data)
        return _heard(value, answer) if source != NIL else NOBODY

    def _listen(self, source: int, until: int) -> Heard | None:
        arguments = l4.pack_partners(NIL, source), 0, self._timeouts(0, until)
        answered = self._port.call_if_quiet(Hypercall.IPC, *arguments)
        return None if answered is None else _heard(*answered)

    def _timeouts(self, send_until: int, receive_until: int) -> int:
        return l4.pack_timeouts(self._left(send_until), self._left(receive_until))

    def _left(self, until: int) -> int:
        """Cycles until then. A receive phase is timed from its beginning; the loops above make up for the difference."""
        return until if until in (0, NEVER) else max(until - self._port.now, 0)

    def _time_left(self, until: int) -> bool:
        """Whether a timeout was the wire's rounding. One without any end is the backstop: a deadlock."""
        return 0 < until < NEVER and self._port.now < until


def _heard(value: int, answer: bytes) -> Heard:
    who, tag = l4.unpack_answer(value)
    return who, Message.unpack(tag, answer)
