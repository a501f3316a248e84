"""A front end for who must not wait: requests with a function that hears the answer.

```python
asking = Asking(port.connections.links["storage"], LAYOUT, port)
asking.ask(Operation.READ, body, b"", lambda response: ...)   # None instead of a response: the back end has lied
asking.progress()                                             # whenever the cell looks around
```

Theory: as `FrontEnd` (ends.py), whose calls wait in the cell's name; a personality has other programs to run meanwhile. A back
end that dies only takes longer, as there. One that writes what no honest end writes is not believed any more: all that wait
hear None, and so does whoever asks, until another back end is there.
"""

from __future__ import annotations

from collections.abc import Callable

from cells.flavours import Link
from cells.split.ends import REQUEST_CYCLES, TIMELESS, Clock, copy_cycles
from cells.split.ring import BrokenRingError, FrontRing, Layout, Response

Heard = Callable[[Response | None], object]


class Asking:
    """One ring over one link."""

    def __init__(self, link: Link, layout: Layout, clock: Clock = TIMELESS) -> None:
        self.link = link
        self._ring = FrontRing(link, layout, clock)
        self._clock = clock
        self._hearers: dict[int, Heard] = {}
        self.heard = 0
        """Answers that have come."""
        self._broken_in: int | None = None
        """The generation of the link in which the back end lied."""

    @property
    def broken(self) -> bool:
        """The back end has lied, and is still the same."""
        return self._broken_in is not None and self._broken_in == self.link.generation

    @property
    def outstanding(self) -> int:
        """Requests whose answer nobody has heard."""
        return len(self._hearers)

    def ask(self, operation: int, body: bytes, data: bytes, heard: Heard, *, kick: bool = True) -> None:
        """One request; `heard` is called by a later `progress`, or at once with None. Without `kick` others follow."""
        if self.broken:
            heard(None)
            return
        self._clock.work(REQUEST_CYCLES + copy_cycles(len(data)))
        self._hearers[self._ring.submit(operation, body, data)] = heard
        if kick:
            self._ring.kick()

    def kick(self, least: int = 1) -> None:
        """Ring the back end, if there are so many new requests for it."""
        self._ring.kick(least if self._ring.live else 1)

    def again(self) -> None:
        """Ring once more, and say what was said: an answer that should have come has not, and a bell may be lost."""
        self._ring.again()

    def progress(self) -> None:
        """Keep the session alive, and hand on what has been answered."""
        self.link.rung = False  # before looking: whoever rings from here on is heard
        if self.broken:
            return
        try:
            while (response := self._ring.take()) is not None:
                self._clock.work(copy_cycles(len(response.data)))
                self.heard += 1
                heard = self._hearers.pop(response.request.id, None)
                if heard is not None:
                    heard(response)
            self._ring.kick()
        except BrokenRingError:
            self._give_up()

    def _give_up(self) -> None:
        self._broken_in = self.link.generation
        hearers, self._hearers = self._hearers, {}
        for heard in hearers.values():
            heard(None)
