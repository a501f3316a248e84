"""The cell's end of message channels on ZeroMQ: a link whose longer messages go ahead as letters (hypervisor/abi/post.py).

```python
socket = ZmqLink(connect(**address))                     # before the sandbox closes; the world switch may use it too
link = PostedLink(ShmLink(fds["page"]), socket, slots)   # the slots of the cell's channels with transport "zmq"
```

A cell without such a channel has neither: its link is the bare one.
"""

from __future__ import annotations

from collections.abc import Collection

from cells.links import Link, ZmqLink
from hypervisor.abi.post import DELIVERED, announce, announced, fits, goes_by_post, letter, opened
from hypervisor.abi.records import DATA_LIMIT, Event, EventKind, Exit, ExitKind, Resume


class PostedLink:
    """`link` with the bytes of `slots` on `socket`."""

    def __init__(self, link: Link, socket: ZmqLink, slots: Collection[int]) -> None:
        self._link, self._socket, self._slots = link, socket, frozenset(slots)

    def exchange(self, record: tuple[int | bytes, ...]) -> Resume:
        """See `Link`."""
        data = record[-1]
        if record[1] == ExitKind.HYPERCALL and data:
            record = self._send_ahead(Exit._make(record))
        resume = self._link.exchange(record)
        for event in resume.events:
            if event.kind == DELIVERED:
                return resume._replace(events=tuple(self._fetch(resume.seq, event) for event in resume.events))
        return resume

    def _send_ahead(self, record: Exit) -> Exit:
        """What is too long is left in its place, where the world switch refuses it."""
        data = record.data
        if len(data) > DATA_LIMIT or not goes_by_post(self._slots, record.a0, record.a1, record.a2):
            return record
        self._socket.post(letter(record.seq, data))
        return record._replace(data=announce(data))

    def _fetch(self, seq: int, event: Event) -> Event:
        if event.kind != DELIVERED:
            return event
        marked, data = opened(self._socket.letter())
        if marked != seq:
            raise ConnectionError(f"the letter of resume {marked} came with resume {seq}")
        fits(announced(event.payload), data)
        return Event(event.time, EventKind.ANSWER, data)
