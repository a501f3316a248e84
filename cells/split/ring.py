"""A ring of requests and responses in memory that two cells share, neither of which trusts the other.

A front end puts requests into numbered slots and counts them; the back end copies each out once, serves it, and puts the
response into the same slot, in the same order. Each end writes only its own half of the header and remembers its own
counts itself: what the other end writes is compared with them, and a count that is impossible ends the talk, not the reader.
A slot is copied before anything in it is looked at, so that rewriting it meanwhile changes nothing.

Either end may die at any point and come back. A *session* is agreed in three steps, as in TCP: a new back end writes a fresh
`nonce`; the front end empties the ring, repeats the nonce as `echo` and names a fresh `session`; the back end answers with
`attached`. Until then nothing is put into the ring, and what is left of an older session means nothing. Then the front end
submits again, in order, every request that has no response. Identities of requests grow through the whole `life` of a
front end; the back end writes down (`done`) which is the last whose effect must not be repeated, and that outlives it.

```python
ring = FrontRing(link, LAYOUT)               # in the client             ring = BackRing(link, LAYOUT)      # in the driver domain
ring.submit(Op.READ, body)                                               while request := ring.take():
ring.kick()                                                                  ring.answer(OK, data=serve(request))
while (response := ring.take()) is None: connections.wait(); ...         ring.kick()
```
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from cells.flavours import Link
from cells.split.clock import TIMELESS, Clock, faults_of
from cells.split.mishaps import LATER, Entry, Skew, enter

HEADER_SIZE = 64
FRONT = struct.Struct("<4I")
"""What the front end writes, at 0: session, echo, life, requests."""
BACK = struct.Struct("<5IQ")
"""What the back end writes, at 32: nonce, attached, responses, verdict, life of `done`, done."""
BACK_AT = 32
SLOT = struct.Struct("<QHhI16s")
"""Identity, operation, status, bytes in the slot's buffer, body. A request has no status, a response no operation."""
BODY_SIZE = 16
PATIENCE = 3
"""Sessions in a row that a front end opens because of what stands in the ring, before it says that its back end lies."""
COUNT = 0xFFFF_FFFF
"""Counts run on and wrap; only differences mean anything."""


class BrokenRingError(Exception):
    """The other end wrote what no honest end writes. The ring is dead until that end is replaced."""


class Crime(NamedTuple):
    """A verdict of the back end, told to the front end by number."""

    number: int
    what: str


OVERRUN = Crime(1, "more requests than slots")
BAD_ID = Crime(2, "a request's identity does not follow the one before")
TOO_LONG = Crime(3, "a request claims more bytes than its buffer holds")
CRIMES = {crime.number: crime.what for crime in (OVERRUN, BAD_ID, TOO_LONG)}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a ring lies in a link's memory, and the buffer of `buffer_size` bytes that goes with each slot."""

    offset: int
    slots: int
    buffers: int
    buffer_size: int

    def slot(self, count: int) -> int:
        """Offset of the slot that a count falls on."""
        return self.offset + HEADER_SIZE + count % self.slots * SLOT.size

    def buffer(self, count: int) -> int:
        """Offset of its buffer."""
        return self.buffers + count % self.slots * self.buffer_size

    @property
    def end(self) -> int:
        """The first offset behind ring and buffers."""
        return max(self.slot(self.slots - 1) + SLOT.size, self.buffer(self.slots - 1) + self.buffer_size)


class Request(NamedTuple):
    """A request as both ends keep it."""

    id: int
    operation: int
    body: bytes = b""
    data: bytes = b""
    repeated: bool = False
    """At the back end: its effect has happened already; only the response was lost."""


class Response(NamedTuple):
    """A response, and the request that it answers."""

    request: Request
    status: int
    body: bytes
    data: bytes


class _Front(NamedTuple):
    session: int
    echo: int
    life: int
    requests: int


class _Back(NamedTuple):
    nonce: int
    attached: int
    responses: int
    verdict: int
    life: int
    done: int


class Ring:
    """What both ends do alike. `clock`: the cell's, who knows of faults that are injected into it (mishaps.py)."""

    def __init__(self, link: Link, layout: Layout, clock: Clock = TIMELESS) -> None:
        self.link = link
        self.layout = layout
        self.kept: tuple[int, Entry] | None = None
        """An entry that an injected fault keeps for the next one, and the count that it was for."""
        self._clock = clock
        self._generation: int | None = None
        self._news = 0

    def kick(self, least: int = 1) -> None:
        """Ring the other end, if there are so many new things for it."""
        if self._news >= least and self.link.connected:
            self._news = 0
            self.link.notify()

    def _front(self) -> _Front:
        return _Front(*FRONT.unpack_from(self.link.memory, self.layout.offset))

    def _back(self) -> _Back:
        return _Back(*BACK.unpack_from(self.link.memory, self.layout.offset + BACK_AT))

    def _write_front(self, front: _Front) -> None:
        FRONT.pack_into(self.link.memory, self.layout.offset, *front)

    def _write_back(self, back: _Back) -> None:
        BACK.pack_into(self.link.memory, self.layout.offset + BACK_AT, *back)

    def put(self, count: int, entry: Entry) -> None:
        """Fill a slot and its buffer; the count that makes them valid is written afterwards."""
        id_, operation, status, body, data, claims = entry
        memory, start = self.link.memory, self.layout.buffer(count)
        memory[start : start + len(data)] = data
        length = len(data) if claims < 0 else claims
        SLOT.pack_into(memory, self.layout.slot(count), id_, operation, status, length, body)

    def places(self, count: int, length: int) -> tuple[memoryview, memoryview]:
        """Where an entry with so many bytes of data lies: slot and buffer."""
        slot, start = self.layout.slot(count), self.layout.buffer(count)
        return self.link.memory[slot : slot + SLOT.size], self.link.memory[start : start + length]

    def _enter(self, count: int, entry: Entry) -> Skew:
        """The same where a fault may strike: by how much the other end is told a wrong count."""
        if faults_of(self._clock) is not None:
            return enter(self, self._clock, count, entry)
        self.put(count, entry)
        return 0

    def _copy(self, count: int) -> tuple[int, int, int, int, bytes]:
        """A slot, copied once."""
        copy: tuple[int, int, int, int, bytes] = SLOT.unpack_from(self.link.memory, self.layout.slot(count))
        return copy

    def _data(self, count: int, length: int) -> bytes | None:
        """The content of a buffer, copied once; None if it cannot be that long."""
        if length > self.layout.buffer_size:
            return None
        start = self.layout.buffer(count)
        return bytes(self.link.memory[start : start + length])


class FrontRing(Ring):
    """The client's end. It keeps a copy of every request until its response is here."""

    def __init__(self, link: Link, layout: Layout, clock: Clock = TIMELESS) -> None:
        super().__init__(link, layout, clock)
        self._patience = PATIENCE
        self.live = False
        self._attached = False
        self._life = 0
        self._next_id = 1
        self._mine = _Front(0, 0, 0, 0)
        self._taken = 0
        self._unanswered: deque[Request] = deque()
        self._arrived: deque[Response] = deque()

    @property
    def outstanding(self) -> int:
        """Requests without a response."""
        return len(self._unanswered)

    def submit(self, operation: int, body: bytes = b"", data: bytes = b"") -> int:
        """Queue a request; its identity. Call `kick` when there are no more."""
        if len(body) > BODY_SIZE or len(data) > self.layout.buffer_size:
            raise ValueError(f"a request of {len(body)} and {len(data)} bytes does not fit into its slot")
        request = Request(self._next_id, operation, body, data)
        self._next_id += 1
        self._unanswered.append(request)
        if self.live:
            self._fill()
        return request.id

    def take(self) -> Response | None:
        """The next response, in the order of the requests; carries the handshake on too.

        Raises:
            BrokenRingError: what stands in the ring cannot be, and it was so after each attempt to begin anew.
        """
        self.progress()
        if not self._arrived and self.live:
            try:
                self._collect()
            except BrokenRingError:
                if not self._patience:
                    raise
                self._patience -= 1
                self._open(self._back().nonce, save=False)
        return self._arrived.popleft() if self._arrived else None

    def again(self) -> None:
        """Say again what was said: for long nothing has come, and a bell or a count may be lost."""
        if self.link.connected and self._generation == self.link.generation:
            self.kept = None
            self._write_front(self._mine)
            self._news += 1
            self.kick()

    def progress(self) -> None:
        """Open a session when there is a new back end, and submit again what it has not answered."""
        if not self.link.connected:
            self.live = False
            return
        back = self._back()
        if self.link.generation != self._generation or back.nonce != self._mine.echo:
            self._open(back.nonce)
        elif not self.live and back.attached == self._mine.session:
            self.live = self._attached = True
            self._fill()
            self.kick()

    def _open(self, nonce: int, *, save: bool = True) -> None:
        """Empty the ring and name a new session."""
        self.live = False
        if self._attached and save:
            self._save()
        if self.link.generation != self._generation:
            self._patience = PATIENCE
        self._attached = False
        self.kept = None
        self._generation = self.link.generation
        there = self._front()
        self._life = self._life or _next(there.life)
        self._mine = _Front(_next(max(there.session, self._mine.session)), nonce, self._life, 0)
        self._taken = 0
        self._write_front(self._mine)
        self._news += 1
        self.kick()

    def _save(self) -> None:
        """What a dead back end answered last is answered."""
        try:
            self._collect()
        except BrokenRingError:
            return

    def _fill(self) -> None:
        """Put requests into free slots."""
        sent = self._mine.requests - self._taken & COUNT
        while sent < min(self.layout.slots, len(self._unanswered)):
            request = self._unanswered[sent]
            entry = Entry(request.id, request.operation, 0, request.body, request.data)
            skew = self._enter(self._mine.requests, entry)
            self._mine = self._mine._replace(requests=self._mine.requests + 1 & COUNT)
            if skew is not LATER:
                self._write_front(self._mine._replace(requests=self._mine.requests + skew & COUNT))
            self._news += 1
            sent += 1

    def _collect(self) -> None:
        back = self._back()
        if back.verdict:
            raise BrokenRingError(f"the back end gave up: {CRIMES.get(back.verdict, 'no known reason')}")
        ready = back.responses - self._taken & COUNT
        if ready > (self._mine.requests - self._taken & COUNT):
            raise BrokenRingError(f"{ready} responses to fewer requests")
        for _ in range(ready):
            self._arrived.append(self._response())
        if self.live:
            self._fill()
            self.kick()

    def _response(self) -> Response:
        id_, operation, status, length, body = self._copy(self._taken)
        data = self._data(self._taken, length)
        if operation and id_ == self._unanswered[0].id:
            raise BrokenRingError(f"a response to request {id_} is counted, and was never written")
        if id_ != self._unanswered[0].id or data is None:
            raise BrokenRingError(f"response {id_} with {length} bytes to request {self._unanswered[0].id}")
        self._taken = self._taken + 1 & COUNT
        self._patience = PATIENCE
        return Response(self._unanswered.popleft(), status, body, data)


class BackRing(Ring):
    """The driver domain's end. Requests are answered in the order in which they came; `waiting` holds the unanswered."""

    def __init__(self, link: Link, layout: Layout, clock: Clock = TIMELESS) -> None:
        super().__init__(link, layout, clock)
        self.waiting: deque[Request] = deque()
        self.broken: Crime | None = None
        self._mine = _Back(0, 0, 0, 0, 0, 0)
        self._session = 0
        self._taken = 0
        self._last_id = 0

    @property
    def session(self) -> int:
        """The number of the session; 0 if there is none."""
        return self._session

    @property
    def live(self) -> bool:
        """Whether there is a session in which something may be answered."""
        link = self.link
        return (
            self._session != 0
            and link.connected
            and link.generation == self._generation
            and self._front().session == self._session
        )

    def progress(self) -> bool:
        """Carry the handshake on; whether there is a session now."""
        if not self.link.connected:
            self._forget()
            return False
        if self.link.generation != self._generation:
            self._invite()
        front = self._front()
        if front.echo == self._mine.nonce and front.session != self._session:
            self._attach(front)
        return self._session != 0 and self._session == front.session

    def take(self) -> Request | None:
        """The next request, if there is one and the ring is in order."""
        if not self.progress() or self.broken:
            return None
        requests = self._front().requests
        if (requests - self._mine.responses & COUNT) > self.layout.slots:
            self._give_up(OVERRUN)
            return None
        if requests == self._taken:
            return None
        id_, operation, _, length, body = self._copy(self._taken)
        if not id_ or (self._last_id and id_ != self._last_id + 1):
            self._give_up(BAD_ID)
            return None
        data = self._data(self._taken, length)
        if data is None:
            self._give_up(TOO_LONG)
            return None
        request = Request(id_, operation, body, data, id_ <= self._mine.done)
        self._last_id = id_
        self._taken = self._taken + 1 & COUNT
        self.waiting.append(request)
        return request

    def commit(self, request: Request) -> None:
        """The effect of a request has happened: it is not repeated, even if this cell dies before the response."""
        if self.live and request.id > self._mine.done:
            self._mine = self._mine._replace(done=request.id)
            self._write_back(self._mine)

    def answer(self, status: int, body: bytes = b"", data: bytes = b"") -> bool:
        """Answer the oldest request of `waiting`. False: who asked is gone, and so is the request."""
        if not self.live or not self.waiting:
            return False
        request = self.waiting.popleft()
        skew = self._enter(self._mine.responses, Entry(request.id, 0, status, body, data))
        self._mine = self._mine._replace(responses=self._mine.responses + 1 & COUNT)
        if skew is not LATER:
            self._write_back(self._mine._replace(responses=self._mine.responses + skew & COUNT))
        self._news += 1
        return True

    def again(self) -> None:
        """Say again what was said: the other end rings, and there is nothing new from it."""
        if self._session and self._back() != self._mine:
            self.kept = None
            self._write_back(self._mine)
            self._news += 1

    def _forget(self) -> None:
        self._session = 0
        self.kept = None
        self.waiting.clear()
        self.broken = None

    def _invite(self) -> None:
        """A new connection: whatever is in the ring is of the past. If this end has lived on, the other one has not."""
        there = self._back()
        lived_on = self._generation is not None
        self._generation = self.link.generation
        self._forget()
        self._mine = there._replace(nonce=_next(max(there.nonce, self._mine.nonce)))
        if lived_on:
            self._mine = self._mine._replace(life=0, done=0)
        self._write_back(self._mine)
        self._news += 1
        self.kick()

    def _attach(self, front: _Front) -> None:
        """Accept a session: from here on the ring counts from zero."""
        self._forget()
        self._session = front.session
        self._taken = self._last_id = 0
        done = self._mine.done if front.life == self._mine.life else 0
        self._mine = _Back(self._mine.nonce, front.session, 0, 0, front.life, done)
        self._write_back(self._mine)
        self._news += 1
        self.kick()

    def _give_up(self, crime: Crime) -> None:
        """Serve nothing more in this session, and say why."""
        self.broken = crime
        self.waiting.clear()
        self._mine = self._mine._replace(verdict=crime.number)
        self._write_back(self._mine)
        self._news += 1
        self.kick()


def _next(number: int) -> int:
    """The number after this one; never 0, which means none."""
    return number + 1 & COUNT or 1
