"""Messages of a personality: none of its programs may make the whole cell wait, so each channel has a box.

```python
box = port.mail["brew"]
box.send(data)              # False: no room now; raises RefusedError (TOO_LONG, RIGHTS, PEER_GONE)
box.receive()               # None: nothing now; raises RefusedError (PEER_GONE)
box.on_change = queue.wake  # something came, there is room, or the partner came or went
```

Theory: what is sent goes at once if the channel takes it, else it waits in the box, at most `ROOM` messages. What comes in is
taken whenever the personality looks (between two runs of ARM code, or idle), at most `ROOM` messages: from then on the partner
waits, as it would for any guest. Where messages are rendezvous (l4) and nobody tells when the partner listens, a box with
something to send offers it for a while and listens for a while. Two that offer to each other would miss each other for ever if
their pauses were equal: the one whose name comes later listens longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cells.port import RefusedError
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.flavours import MessageChannel
    from cells.personalities.port import PersonalityPort

ROOM = 16
"""Messages that wait in each direction of a box: as many as the channels of okl4 keep."""
OFFERS_PER_SECOND, LONGEST_OFFER = 1000, 16
"""An offer takes a thousandth of a second of virtual time, twice as long each time that nobody listens, up to 16 times as long:
longer than a turn of a partner's processes (10 ms), so that one who computes all the time hears it, too. Assumed."""
GRACE = 16
"""A listener who has heard something listens on for this part of a thousandth of a second: more may follow."""
LISTEN_LATER = 3
"""The pause of whose name comes later, in offers."""


class Box:
    """One channel."""

    def __init__(self, channel: MessageChannel, name: str) -> None:
        self.channel, self.peer = channel, channel.peer
        self.on_change: Callable[[], object] = _ignore
        self.lost = 0
        """Messages that waited until the channel refused them for good."""
        self._in: deque[bytes] = deque()
        self._out: deque[bytes] = deque()
        self._there = self._was_there = False
        self._drained = False
        """Nothing is left of a partner that is not there: it need not be asked for."""
        self._pause = LISTEN_LATER if name > channel.peer else 1
        self._patience = 1
        self._next_offer = 0

    @property
    def there(self) -> bool:
        """The partner lives, as far as is known."""
        return self._there

    @property
    def gone(self) -> bool:
        """The partner was there and is not now."""
        return self._was_there and not self._there

    @property
    def can_receive(self) -> bool:
        """`receive` has something."""
        return bool(self._in)

    @property
    def can_send(self) -> bool:
        """`send` has room."""
        return len(self._out) < ROOM

    def send(self, data: bytes) -> bool:
        """Send, or keep to be sent; False if there is no room.

        Raises:
            RefusedError: PEER_GONE, TOO_LONG, RIGHTS.
        """
        self.look()
        if self.gone:
            raise RefusedError(f"send to {self.peer}", Status.PEER_GONE)
        if len(data) > self.channel.limit:  # now, while there is somebody to hear of it
            raise RefusedError(f"send to {self.peer}", Status.TOO_LONG)
        if not self.can_send:
            return False
        if self._out or not self._put(data, 0):
            self._out.append(data)
        return True

    def receive(self) -> bytes | None:
        """The next message.

        Raises:
            RefusedError: PEER_GONE, and nothing is left; RIGHTS.
        """
        if not self._in:
            self._fill(asking=True)
        if self._in:
            return self._in.popleft()
        if self.gone:
            raise RefusedError(f"receive from {self.peer}", Status.PEER_GONE)
        return None

    # ---- for Mail

    def look(self) -> None:
        """Let come and go what can without waiting."""
        before = self._there, len(self._in), len(self._out)
        self._there = self.channel.there
        self._was_there |= self._there
        self._drained &= not self._there
        if self.gone:
            self._out.clear()
        if not self._drained:
            self._fill(asking=False)
        if self._out and self._there and not self.channel.meets:
            self._drain(0)
        if before != (self._there, len(self._in), len(self._out)):
            self.on_change()

    def offer(self, now: int, until: int, unit: int) -> bool:
        """Wait for the partner to listen, for a while; whether it did."""
        went = self._drain(min(until, now + self._patience * unit))
        if went:
            self._patience = max(self._patience // 2, 1)
            self.on_change()
        else:
            self._patience = min(2 * self._patience, LONGEST_OFFER)
        return went

    def offering(self, now: int) -> bool:
        """Whether there is something to offer, and it is time to."""
        return bool(self._out) and self.channel.meets and now >= self._next_offer

    def rest(self, now: int, unit: int) -> int:
        """When to offer again."""
        self._next_offer = now + self._patience * self._pause * unit
        return self._next_offer

    @property
    def pending(self) -> bool:
        """Something waits to be sent."""
        return bool(self._out)

    def _fill(self, *, asking: bool) -> None:
        """Take in what is there. `asking`: even if that takes a call of the monitor."""
        channel = self.channel
        while len(self._in) < ROOM and (asking or channel.ready):
            try:
                data = channel.try_receive()
            except RefusedError as refusal:
                if asking:
                    raise
                _expect_rights(refusal)
                return
            if data is None:
                self._drained = not self._there
                return
            self._in.append(data)
            asking = False

    def _drain(self, until: int) -> bool:
        """Send what waits; whether anything went. What the channel refuses by now is lost: who sent it has gone on."""
        went = False
        while self._out:
            try:
                if not self._put(self._out[0], until):
                    break
            except RefusedError:
                self.lost += 1
            self._out.popleft()
            went, until = True, 0
        return went

    def _put(self, data: bytes, until: int) -> bool:
        try:
            self.channel.send(data, until)
        except RefusedError as refusal:
            if refusal.status not in (Status.TIMEOUT, Status.PEER_GONE):
                raise
            return False
        return True


class Mail:
    """All boxes of a cell, by the peer's name (the channel's, if two have one peer)."""

    def __init__(self, port: PersonalityPort) -> None:
        self._port = port
        self._connections = port.connections
        self.boxes = {name: Box(channel, port.name) for name, channel in self._connections.channels.items()}
        self._unit = port.hz // OFFERS_PER_SECOND
        self._asks = self._connections.asks and bool(self._connections.channels or self._connections.links)
        self._next_look = 0

    def __getitem__(self, peer: str) -> Box:
        return self.boxes[peer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.boxes)

    def look(self) -> None:
        """Let come and go what can without waiting. Where to look takes a call (l4), that is made once in a while."""
        port = self._port
        if self._asks and port.time >= self._next_look:
            self._listen()
            self._next_look = port.time + self._unit
            for box in self._offering():
                box.offer(port.time, port.time + LONGEST_OFFER * self._unit, self._unit)
                box.rest(port.time, 2 * self._unit)
        self._look_at_all()

    def _listen(self) -> None:
        """Take in what somebody offers just now, and what follows on that at once."""
        port = self._port
        self._connections.wait(port.time)
        for _ in range(ROOM):
            if not any(box.channel.ready for box in self.boxes.values()):
                return
            self._look_at_all()
            self._connections.wait(port.time + self._unit // GRACE)

    def last_words(self) -> None:
        """The cell ends: what waits to be sent has one more chance each."""
        for box in self.boxes.values():
            while box.pending and box.offer(self._port.time, NEVER, LONGEST_OFFER * self._unit):
                pass

    def wait(self, until: int = NEVER) -> None:
        """Sleep until anything happens to this cell, or `until`."""
        port = self._port
        for box in self._offering():
            box.offer(port.time, until, self._unit)
            until = min(until, box.rest(port.time, self._unit))
        if any(box.pending and box.channel.meets for box in self.boxes.values()):
            until = min(until, *(box._next_offer for box in self.boxes.values() if box.pending))
        if until > port.time:
            self._connections.wait(until)
        self._look_at_all()

    def _offering(self) -> list[Box]:
        return [box for box in self.boxes.values() if box.offering(self._port.time)]

    def _look_at_all(self) -> None:
        for box in self.boxes.values():
            box.look()


def _expect_rights(refusal: RefusedError) -> None:
    """A channel on which this cell may not receive is silent."""
    if refusal.status != Status.RIGHTS:
        raise refusal


def _ignore() -> None:
    """Nobody wants to know."""
