"""The ring of Xen's split drivers in a page that a kernel's front end shares: requests in, responses out, through the same slots.

```
0 req_prod   4 req_event   8 rsp_prod   12 rsp_event   16 private   20 .. 63 padding   64 slots, a power of two of them
```

Theory: all indices run freely; whoever writes up to an index wants to be told when the other one's passes an event index (facts
from public/io/ring.h). Requests are answered in order here, so that a back end that died left no gap: what is between rsp_prod
and req_prod is not answered, lies whole in its slots, and is served again by the next one. The slot of a response that was
written and not published is a request no more: responses that belong together are noted in the padding first, and published
from there, all at once.

Nothing in the page is believed: a slot is copied before it is looked at, and a front end that claims more requests than there
are slots is served no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

from hypervisor.abi.memory import PAGE

REQ_PROD, REQ_EVENT, RSP_PROD, RSP_EVENT = 0, 4, 8, 12
NOTED, NOTE = 24, 32
"""In the padding: whether responses have been noted, and which; their bytes."""
NOTE_SIZE = 32
SLOTS = 64
_INDEX = Struct("<I")
_MARK = Struct("<IHH")
"""Index of the first, bytes of all, bytes of one."""
_U32 = 1 << 32


class BrokenRingError(Exception):
    """The front end has written what no honest one writes; `what` says it."""

    @property
    def what(self) -> str:
        """For the log."""
        return str(self.args[0])


def slots_of(entry: int) -> int:
    """How many slots of so many bytes a page has: the largest power of two."""
    return 1 << ((PAGE - SLOTS) // entry).bit_length() - 1


class SharedRing:
    """The back end's view of one ring. `entry`: bytes of a slot, the larger one of request and response."""

    def __init__(self, page: memoryview, entry: int) -> None:
        self._page, self._entry = page, entry
        self.size = slots_of(entry)
        self._finish_predecessors()
        self._produced = self._consumed = self._told = self._index(RSP_PROD)

    @property
    def unanswered(self) -> int:
        """Requests that were taken and have no response."""
        return (self._consumed - self._produced) % _U32

    def waiting(self) -> int:
        """Requests that can be taken.

        Raises:
            BrokenRingError: more than there is room for.
        """
        waiting = (self._index(REQ_PROD) - self._consumed) % _U32
        if waiting + self.unanswered > self.size:
            raise BrokenRingError(f"{waiting} requests in a ring of {self.size}")
        return waiting

    def take(self) -> bytes | None:
        """The next request's slot; None: there is none.

        Raises:
            BrokenRingError: as `waiting`.
        """
        if not self.waiting():
            return None
        start = self._slot(self._consumed)
        self._consumed = (self._consumed + 1) % _U32
        return bytes(self._page[start : start + self._entry])

    def put(self, *responses: bytes) -> None:
        """Answer the oldest requests that have no response, all or none. Requires: there are so many; all have one length."""
        noted = b"".join(responses)
        if len(noted) <= NOTE_SIZE:
            self._page[NOTE : NOTE + len(noted)] = noted
            _MARK.pack_into(self._page, NOTED, self._produced, len(noted), len(responses[0]))
        self._publish(responses)

    def arm(self) -> bool:
        """Want to be told of the next request; whether there is one already.

        Raises:
            BrokenRingError: as `waiting`.
        """
        _INDEX.pack_into(self._page, REQ_EVENT, (self._consumed + 1) % _U32)
        return self.waiting() > 0

    def due(self) -> bool:
        """Whether the front end wants to be told of what was answered since the last call."""
        before, self._told = self._told, self._produced
        return (self._produced - self._index(RSP_EVENT)) % _U32 < (self._produced - before) % _U32

    def _publish(self, responses: Sequence[bytes]) -> None:
        for number, response in enumerate(responses):
            start = self._slot(self._produced + number)
            self._page[start : start + len(response)] = response
        self._produced = (self._produced + len(responses)) % _U32
        _INDEX.pack_into(self._page, RSP_PROD, self._produced)
        _MARK.pack_into(self._page, NOTED, 0, 0, 0)

    def _finish_predecessors(self) -> None:
        """Publish what another back end of this ring had noted and not come to publish."""
        index, length, size = _MARK.unpack_from(self._page, NOTED)
        if (
            0 < size <= self._entry
            and 0 < length <= NOTE_SIZE
            and length % size == 0
            and index == self._index(RSP_PROD)
        ):
            self._produced = index
            noted = bytes(self._page[NOTE : NOTE + length])
            self._publish([noted[at : at + size] for at in range(0, length, size)])

    def _slot(self, index: int) -> int:
        return SLOTS + index % self.size * self._entry

    def _index(self, at: int) -> int:
        index: int = _INDEX.unpack_from(self._page, at)[0]
        return index
