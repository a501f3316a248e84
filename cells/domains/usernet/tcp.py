"""The gateway's end of TCP (RFC 9293): connections that guests open, each of which leads to a stream of the host's.

Theory: what comes in order goes to the host at once, and so the window that we offer is always the same; all else is answered
with what we have got and forgotten, and the guest sends it again. What the host sent is kept until the guest has it, within
the room that was given; if nothing is heard for 200 ms (twice as long each time) all that is on its way is sent again. There is
no congestion between a guest and its switch, so nothing is done about any (assumed). A reset counts only at the very place
where we are (RFC 5961).

```python
tcp = Tcp({8080: 0}, hz, outside, emit, own)  # `emit(connection's guest, segment)`; port 8080 is the outside's number 0
tcp.take(packet, now)
tcp.news(handle, News.CAME, b"...", now)
tcp.tick(now)                                 # not before tcp.deadline
```
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import NamedTuple, Protocol

from cells.domains.usernet.packets import TCP, Packet, checksum, pseudo, right
from hypervisor.abi.streams import ROOM, STREAMS_LIMIT, News
from hypervisor.abi.time import NEVER

HEADER = struct.Struct(">HHIIHHHH")
WINDOW = 16 << 10
"""Bytes that a guest may have on their way to us."""
SEGMENT = 1024
"""Bytes of a segment: as many as go to the host by one call."""
LEAST_SEGMENT = 536
"""What everybody takes (RFC 9293, 3.7.1)."""
MAXIMUM_SEGMENT = bytes((2, 4)) + SEGMENT.to_bytes(2, "big")
AGAIN_PER_S, TRIES = 5, 8
"""How often in a second something is said again at first, and how often at all: for about 100 s."""
IDLE_S = 300
"""Seconds after which a connection that nobody uses is given up, for those who want one."""
LINGER_S = 1
"""For how long the end of a connection is still answered."""
REPEATS = 3
"""Answers of the same kind after which something is known to be lost (RFC 5681)."""
WORD = 0xFFFFFFFF


class Flag(IntFlag):
    """Of a segment."""

    FIN = 1
    SYN = 2
    RST = 4
    PSH = 8
    ACK = 16


class Outside(Protocol):
    """The host's side of connections, by handle."""

    def open(self, handle: int, number: int) -> bool:
        """Ask for a stream to the port of this number; whether that may be."""
        ...

    def send(self, handle: int, data: bytes) -> None:
        """Bytes for it."""
        ...

    def end(self, handle: int) -> None:
        """There will be no more for it."""
        ...

    def close(self, handle: int) -> None:
        """It is not wanted any more."""
        ...

    def give(self, handle: int, room: int) -> None:
        """It may send so many bytes more."""
        ...


class Guest(NamedTuple):
    """One end of a connection, and the port of ours at the other."""

    sender: bytes
    address: int
    port: int
    own: int


class Segment(NamedTuple):
    """What a guest says."""

    number: int
    answer: int
    flags: int
    window: int
    data: bytes
    most: int


@dataclass(slots=True)
class Connection:
    """`una`, `nxt`, `high`: numbers of the first byte that the guest has not got, of the next to send, and behind all that was
    ever sent; `got`: of the next that we want. `out` are the host's bytes from `una` on. `opening`: our first number is not
    answered; `ended`: the host says no more; `over`: the guest knows; `shut`: the guest says no more;
    `closed`: the host was told that both have ended.
    """

    guest: Guest
    handle: int
    una: int
    got: int
    window: int
    most: int
    used: int
    nxt: int = 0
    high: int = 0
    out: bytearray = field(default_factory=bytearray)
    open: bool = False
    opening: bool = True
    ended: bool = False
    over: bool = False
    shut: bool = False
    closed: bool = False
    due: int = NEVER
    tries: int = 0
    repeats: int = 0

    @property
    def done(self) -> bool:
        """Both sides have said all."""
        return self.over and self.shut


def past(number: int, other: int) -> int:
    """How far a number lies behind another one, negative before it."""
    return ((number - other + (1 << 31)) & WORD) - (1 << 31)


class Tcp:
    """All connections. `refused`: those for which there was no port, or no room."""

    def __init__(
        self, ports: Mapping[int, int], hz: int, outside: Outside, emit: Callable[[Guest, bytes], None], own: int
    ) -> None:
        """`ports`: ours -> the outside's numbers; `own`: our address."""
        self._ports, self._hz, self._outside, self._emit, self._own = ports, hz, outside, emit, own
        self._again = max(hz // AGAIN_PER_S, 1)
        self._handles = 0
        self.connections: dict[Guest, Connection] = {}
        self.refused = 0

    # ---- from the guest

    def take(self, packet: Packet, now: int) -> None:
        """A packet of TCP for us."""
        body = packet.body
        if not HEADER.size <= len(body) or not right(_pseudo(packet.source, packet.destination, len(body)) + body):
            return
        source, own, number, answer, bits, window, _, _ = HEADER.unpack_from(body)
        start = (bits >> 12) * 4
        if not HEADER.size <= start <= len(body) or not source:
            return
        segment = Segment(number, answer, bits & 0x3F, window, body[start:], _most(body[HEADER.size : start]))
        guest = Guest(packet.sender, packet.source, source, own)
        found = self.connections.get(guest)
        if found is None:
            self._strange(guest, segment, now)
        elif segment.flags & Flag.RST:
            if segment.number == found.got:
                self._drop(found)
        elif segment.flags & Flag.SYN:
            self._begins_again(found, segment, now)
        elif segment.flags & Flag.ACK and found.open:
            self._on_segment(found, segment, now)

    def _strange(self, guest: Guest, segment: Segment, now: int) -> None:
        """Of a connection that there is not: it may be the first of one."""
        if segment.flags & Flag.RST:
            return
        if segment.flags & (Flag.SYN | Flag.ACK) != Flag.SYN or not self._begin(guest, segment, now):
            self.refused += 1
            self._refuse(guest, segment)

    def _begin(self, guest: Guest, segment: Segment, now: int) -> bool:
        if guest.own not in self._ports or not self._has_room(now):
            return False
        self._handles += 1
        first = (now // max(self._hz // 250_000, 1)) & WORD  # a clock of 4 us (RFC 9293, 3.4.1)
        most = max(min(segment.most, SEGMENT), 1)
        begun = Connection(guest, self._handles, first, (segment.number + 1) & WORD, segment.window, most, now)
        begun.nxt = begun.high = first
        if not self._outside.open(begun.handle, self._ports[guest.own]):
            return False
        self.connections[guest] = begun
        return True

    def _has_room(self, now: int) -> bool:
        if len(self.connections) < STREAMS_LIMIT:
            return True
        oldest = min(self.connections.values(), key=lambda each: (not each.done, each.used))
        if not oldest.done and now - oldest.used < IDLE_S * self._hz:
            return False
        self._reset(oldest)
        return True

    def _refuse(self, guest: Guest, segment: Segment) -> None:
        if segment.flags & Flag.ACK:
            self._emit(guest, self._segment(guest, segment.answer, 0, Flag.RST))
        else:
            length = len(segment.data) + bool(segment.flags & Flag.SYN) + bool(segment.flags & Flag.FIN)
            answer = (segment.number + length) & WORD
            self._emit(guest, self._segment(guest, 0, answer, Flag.RST | Flag.ACK))

    def _begins_again(self, found: Connection, segment: Segment, now: int) -> None:
        """A first segment said twice; or the guest has begun anew and knows nothing of what was."""
        if found.opening and (segment.number + 1) & WORD == found.got:
            if found.open:
                self._greet(found)
        elif segment.flags & Flag.ACK:
            self._say(found)
        else:
            self._drop(found)
            self._strange(found.guest, segment, now)

    def _on_segment(self, found: Connection, segment: Segment, now: int) -> None:
        found.used = now
        if not self._heed_answer(found, segment, now):
            return
        length = len(segment.data) + bool(segment.flags & Flag.FIN)
        if length:
            self._heed_data(found, segment)
        if not found.done:
            self._send(found, now)
        elif found.due == NEVER:
            found.due = now + LINGER_S * self._hz

    def _heed_answer(self, found: Connection, segment: Segment, now: int) -> bool:
        """What the guest has got; False: the segment is nothing to go by."""
        answered = past(segment.answer, found.una)
        if answered > past(found.high, found.una):
            self._say(found)
            return False
        if answered < 0:
            return not found.opening
        found.window = segment.window
        found.tries = 0
        if not answered:
            self._count_repeats(found, segment)
            return not found.opening
        if found.opening:
            found.opening, answered = False, answered - 1
        room = min(answered, len(found.out))
        del found.out[:room]
        found.over |= answered > room
        found.una, found.repeats = segment.answer, 0
        if past(found.nxt, found.una) < 0:
            found.nxt = found.una
        found.due = NEVER if found.nxt == found.una else now + self._again
        if room and not found.done:
            self._outside.give(found.handle, room)
        self._look_done(found)
        return True

    def _count_repeats(self, found: Connection, segment: Segment) -> None:
        found.repeats = 0 if segment.data or found.nxt == found.una else found.repeats + 1
        if found.repeats == REPEATS:
            found.nxt = found.una

    def _heed_data(self, found: Connection, segment: Segment) -> None:
        """Take what comes next; the rest will come again."""
        early = past(segment.number, found.got)
        data = segment.data[-early:] if early <= 0 and -early < len(segment.data) else b""
        last = bool(segment.flags & Flag.FIN) and early <= 0 and -early <= len(segment.data)
        if found.shut:
            data, last = b"", False
        for at in range(0, len(data), SEGMENT):
            self._outside.send(found.handle, data[at : at + SEGMENT])
        found.got = (found.got + len(data) + last) & WORD
        if last:
            found.shut = True
            self._outside.end(found.handle)
        self._say(found)
        self._look_done(found)

    def _look_done(self, found: Connection) -> None:
        if found.done and not found.closed:
            found.closed, found.due = True, NEVER
            self._outside.close(found.handle)

    # ---- from the host

    def news(self, handle: int, what: int, data: bytes, now: int) -> None:
        """What happened to a stream."""
        found = next((each for each in self.connections.values() if each.handle == handle and not each.done), None)
        if found is None:
            return
        found.used = now
        if what == News.BROKEN:
            self._reset(found, tell_host=False)
        elif what == News.OPENED and not found.open:
            found.open = True
            found.due = now + self._again
            self._greet(found)
        elif what == News.CAME and len(found.out) + len(data) > ROOM:
            self._reset(found)
        elif what == News.CAME and not found.ended:
            found.out += data
            self._send(found, now)
        elif what == News.ENDED and not found.ended:
            found.ended = True
            self._send(found, now)

    # ---- to the guest

    @property
    def deadline(self) -> int:
        """When `tick` has something to do."""
        return min((each.due for each in self.connections.values()), default=NEVER)

    def tick(self, now: int) -> None:
        """Time has passed."""
        for found in [each for each in self.connections.values() if each.due <= now]:
            if found.done:
                del self.connections[found.guest]
            elif found.tries >= TRIES:
                self._reset(found)
            else:
                self._say_again(found, now)

    def _say_again(self, found: Connection, now: int) -> None:
        found.tries += 1
        if found.opening:
            self._greet(found)
        else:
            found.nxt, window = found.una, found.window
            found.window = max(window, 1)  # a full guest is asked with one byte whether it still is
            found.due = NEVER
            self._send(found, now)
            found.window = window
        found.due = now + (self._again << found.tries)

    def _greet(self, found: Connection) -> None:
        found.nxt = found.high = (found.una + 1) & WORD
        said = self._segment(found.guest, found.una, found.got, Flag.SYN | Flag.ACK, options=MAXIMUM_SEGMENT)
        self._emit(found.guest, said)

    def _send(self, found: Connection, now: int) -> None:
        """All that the guest has room for."""
        if found.opening:
            return
        while not found.over:
            sent = past(found.nxt, found.una)
            piece = bytes(found.out[sent : sent + max(min(found.most, found.window - sent), 0)])
            last = found.ended and sent + len(piece) == len(found.out)
            if not piece and not last:
                break
            flags = Flag.ACK | (Flag.PSH if piece else 0) | (Flag.FIN if last else 0)
            self._emit(found.guest, self._segment(found.guest, found.nxt, found.got, flags, piece))
            found.nxt = (found.nxt + len(piece) + last) & WORD
            if past(found.nxt, found.high) > 0:
                found.high = found.nxt
            if last:
                break
        if found.due == NEVER and (found.nxt != found.una or found.out):
            found.due = now + self._again

    def _say(self, found: Connection) -> None:
        """What we have got."""
        self._emit(found.guest, self._segment(found.guest, found.nxt, found.got, Flag.ACK))

    def _reset(self, found: Connection, *, tell_host: bool = True) -> None:
        number = found.nxt if found.open else 0
        self._emit(found.guest, self._segment(found.guest, number, found.got, Flag.RST | Flag.ACK))
        self._drop(found, tell_host=tell_host)

    def _drop(self, found: Connection, *, tell_host: bool = True) -> None:
        del self.connections[found.guest]
        if tell_host and not found.done:
            self._outside.close(found.handle)

    def _segment(
        self, guest: Guest, number: int, answer: int, flags: int, data: bytes = b"", options: bytes = b""
    ) -> bytes:
        bits = (HEADER.size + len(options)) // 4 << 12 | flags
        bare = HEADER.pack(guest.own, guest.port, number, answer, bits, WINDOW, 0, 0) + options + data
        sum_ = checksum(_pseudo(self._own, guest.address, len(bare)) + bare)
        return bare[:16] + sum_.to_bytes(2, "big") + bare[18:]


def _pseudo(source: int, destination: int, length: int) -> bytes:
    return pseudo(source, destination, TCP, length)


def _most(options: bytes) -> int:
    """The longest segment that the guest takes, by its options as far as they are well formed."""
    at = 0
    while at + 1 < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1]
        if length < 2:
            break
        if options[at : at + 2] == MAXIMUM_SEGMENT[:2] and at + 4 <= len(options):
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += length
    return LEAST_SEGMENT
