"""The monitor's end of message channels on ZeroMQ: a link that collects the letters that are announced, and sends its own ahead.

Theory: what the core sees and the trace says is the same as if every byte travelled in the world switch. Letters of one cell
come in the order in which it sent them, but not in step with its exits; so they are looked at only when one is announced.
Those that nobody announced are found then, in front of it, and thrown away; too many of them end the cell, as does an
announced one that is damaged or does not come. All this happens while the announcing exit is taken, so that the verdict has a
definite place in virtual time, whatever the host does.

```python
link = PostedLink(ShmLink(), hub, "client", slots, patience=10.0)      # as any other link
```
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from itertools import islice

from hypervisor.abi.messages import BadMessage
from hypervisor.abi.post import DELIVERED, announce, announced, comes_by_post, fits, goes_by_post, letter, opened
from hypervisor.abi.records import BadRecord, Event, EventKind, Exit, ExitKind, Resume
from hypervisor.shell.links import Link, PeerDied
from hypervisor.shell.links.zmq import MAIL_LIMIT, ZmqHub

UNANNOUNCED = MAIL_LIMIT // 2
"""Letters in front of an announced one that end the cell. The hub keeps twice as many: what it drops could not have been
looked at next time either, so that the verdict does not depend on when the hub was looked at."""
ROUND_MS = 20
"""How long one look at the hub lasts at most. A longer one, as of a monitor that was stopped itself, counts as two."""
LOOKS_ASLEEP = 25
"""Looks in a row, half a second, at which every thread of the cell sleeps and nothing has come: what is not on its way never will
be. An honest cell has given its letter to a thread that sends it at once; as long as that has work, it does not sleep."""

_MS = 1_000_000


def _cannot_tell() -> bool:
    """For a cell on another host."""
    return False


class PostedLink:
    """`link` to the cell `name`, with the bytes of `slots` over the hub. `patience`: seconds for an announced letter to come.
    `asleep`: whether no thread of the cell has anything to do now, as far as this host can tell.
    """

    def __init__(
        self,
        link: Link,
        hub: ZmqHub,
        name: str,
        slots: Collection[int],
        patience: float,
        asleep: Callable[[], bool] = _cannot_tell,
    ) -> None:
        self._link, self._hub, self._name, self._slots = link, hub, name, frozenset(slots)
        self._patience_ns = int(patience * 1e9)
        self._asleep = asleep
        self._asked: Exit | None = None
        self._deaf = False

    def resume(self, record: Resume) -> None:
        """See `Link`."""
        answer = record.events[0] if record.events else None
        if answer is not None and answer.payload and self._answers_by_post(record.value, answer):
            record = record._replace(events=(self._send_ahead(record.seq, answer), *record.events[1:]))
        self._link.resume(record)

    def _answers_by_post(self, value: int, event: Event) -> bool:
        asked = self._asked
        if asked is None or asked.kind != ExitKind.HYPERCALL or event.kind != EventKind.ANSWER:
            return False
        return comes_by_post(self._slots, asked.a0, asked.a1, value)

    def _send_ahead(self, seq: int, event: Event) -> Event:
        try:
            self._hub.post(self._name, letter(seq, event.payload))
        except BlockingIOError:
            self._deaf = True
        except PeerDied:
            pass  # the link will say so; one that has but closed this socket waits for ever, as will be found
        return Event(event.time, DELIVERED, announce(event.payload))

    def wait(self, timeout_ns: int) -> Exit | None:
        """See `Link`."""
        if self._deaf:
            raise BadRecord("does not read the messages that it is sent")
        if self._asked is None and not self._introduced(timeout_ns):
            return None
        record = self._link.wait(timeout_ns)
        if record is not None:
            self._asked = record = self._with_letter(record)
        return record

    def close(self) -> None:
        """See `Link`."""
        self._link.close()
        self._hub.forget(self._name)

    def _introduced(self, timeout_ns: int) -> bool:
        """A new cell connects before it says anything else: only then is it known where its letters go."""
        if not self._hub.knows(self._name):
            self._hub.pump(timeout_ns // _MS)
            if self._hub.dead(self._name):
                raise PeerDied
        return self._hub.knows(self._name)

    # ---- letters

    def _with_letter(self, record: Exit) -> Exit:
        if not record.data or record.kind != ExitKind.HYPERCALL:
            return record
        if not goes_by_post(self._slots, record.a0, record.a1, record.a2):
            return record
        try:
            said = announced(record.data)
            data = self._collect(record.seq)
            fits(said, data)
        except BadMessage as error:
            raise BadRecord(str(error)) from None
        return record._replace(data=data)

    def _collect(self, seq: int) -> bytes:
        """Wait for the letter that goes with an exit; what lies in front of it is thrown away."""
        waited = in_vain = 0
        while (data := self._find(seq)) is None:
            if self._hub.dead(self._name):
                raise PeerDied
            if waited > self._patience_ns or in_vain > LOOKS_ASLEEP:
                raise BadMessage("announced a message and did not send it")
            began = time.monotonic_ns()
            self._hub.pump(ROUND_MS)
            passed = time.monotonic_ns() - began
            waited += min(passed, 2 * ROUND_MS * _MS)
            in_vain = in_vain + 1 if passed >= ROUND_MS * _MS and self._asleep() else 0
        return data

    def _find(self, seq: int) -> bytes | None:
        mail = self._hub.mail(self._name)
        for place, packed in enumerate(islice(mail, UNANNOUNCED)):
            marked, data = opened(packed)
            if marked == seq:
                for _ in range(place + 1):
                    mail.popleft()
                return data
        if len(mail) >= UNANNOUNCED:
            raise BadMessage(f"sent {UNANNOUNCED} messages without announcing them")
        return None
