"""What the front ends of all classes do alike, and what their back ends do alike.

A front end asks and waits: requests go in, responses come out in the order of the requests, and a back end that died in
between is no business of the caller's. A back end goes round its front ends in the order of the topology and takes one
request of each ring at a time, so that none can make the others wait for more than one request of its own.

```python
class Echo(BackEnd):
    kind, layouts = "console", (LAYOUT,)

    def serve(self, client, ring, request):
        return Answer(Status.OK, data=request.data)
```
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from cells.flavours import Connections, Link
from cells.split.clock import TIMELESS as TIMELESS  # noqa: PLC0414  for all who have it from here
from cells.split.clock import Clock as Clock  # noqa: PLC0414
from cells.split.ring import BackRing, FrontRing, Layout, Request, Response
from hypervisor.abi.time import NEVER

REQUEST_CYCLES = 300
COPY_CYCLES = 2
"""Cycles of a request at each end, and of four bytes copied: of the order of the instructions of a small C driver. Assumed."""


RETRY, TRIES = 20_000_000, 8
"""Cycles in which an answer should have come, and twice as many each time; how often a front end asks for it again. 20 ms to
5 s at 1 GHz, as an erase of NOR flash may take a second. A choice of ours."""


class Outcome(IntEnum):
    """Status of a response, the same in all classes."""

    OK = 0
    BAD_REQUEST = -1
    OUT_OF_RANGE = -2
    IO_ERROR = -3
    READ_ONLY = -4
    NO_ROOM = -5


class SplitError(Exception):
    """The back end answered with a status other than OK."""

    def __init__(self, what: str, status: int) -> None:
        name = Outcome(status).name if status in set(Outcome) else str(status)
        super().__init__(f"{what}: {name}")
        self.status = status


class TimedOutError(Exception):
    """What was waited for had not come by then."""


def copy_cycles(length: int) -> int:
    """What it costs to copy so many bytes."""
    return -(-length // 4) * COPY_CYCLES


class FrontEnd:
    """A client's end: one ring per layout over one link. `prompt`: how many of them, from the first, are answered by themselves:
    if nothing comes there for long, something was lost.
    """

    kind: str
    layouts: tuple[Layout, ...]
    prompt = 1

    def __init__(self, connections: Connections, name: str, clock: Clock = TIMELESS) -> None:
        """`name`: as in `connections.links`."""
        link = connections.links[name]
        if (link.kind, link.role) != (self.kind, "front"):
            raise ValueError(
                f"{name} is the {link.role} end of a {link.kind} link, not the front end of a {self.kind} one"
            )
        self._link = link
        self._clock = clock
        self._connections = connections
        self._rings = [FrontRing(link, layout, clock) for layout in self.layouts]
        self._siblings: list[FrontEnd] = vars(connections).setdefault("front_ends", [])
        self._siblings.append(self)

    def _submit(self, ring: FrontRing, operation: int, body: bytes = b"", data: bytes = b"") -> int:
        self._clock.work(REQUEST_CYCLES + copy_cycles(len(data)))
        return ring.submit(operation, body, data)

    def _take(self, ring: FrontRing) -> Response | None:
        response = ring.take()
        if response is not None:
            self._clock.work(copy_cycles(len(response.data)))
        return response

    def _wait_until(self, done: Callable[[], bool], until: int = NEVER) -> bool:
        """Wait for something that responses bring about; False if it is `until` before.

        The cell's other front ends are kept connected meanwhile: a back end that was made again wants an answer.
        """
        tries = 0
        while True:
            for each in self._siblings:
                each._progress()
            if done():
                return True
            if until != NEVER and self._clock.now >= until:
                return False
            if any(each._link.rung for each in self._siblings):
                continue
            if tries < TRIES and self._expects():
                tries += self._wait_or_ask_again(min(until, self._clock.now + (RETRY << tries)))
            else:
                self._connections.wait(until)

    def _expects(self) -> bool:
        """Whether the back end is there and owes an answer."""
        return self._link.connected and any(ring.outstanding for ring in self._rings[: self.prompt])

    def _wait_or_ask_again(self, until: int) -> bool:
        """Wait; if that was in vain, a bell or a count may have been lost. Whether it was."""
        self._connections.wait(until)
        if self._link.rung or self._clock.now < until:
            return False
        for ring in self._rings[: self.prompt]:
            if ring.outstanding:
                ring.again()
        return True

    def _progress(self) -> None:
        self._link.rung = False  # before looking: whoever rings from here on is heard
        for ring in self._rings:
            ring.progress()
            ring.kick()


class Answer(NamedTuple):
    """What a back end's handler says."""

    status: int
    body: bytes = b""
    data: bytes = b""


@dataclass
class Client:
    """One front end, as its back end sees it."""

    index: int
    link: Link
    rings: list[BackRing]
    served: int = 0
    refused: int = 0
    session: int = 0
    """The session that `arrived` was told of."""
    known: list[str] = field(default_factory=list)
    """Crimes that have been reported already."""


class BackEnd(ABC):
    """A driver domain's end: several clients, served one request at a time in a fixed order.

    A subclass answers requests in `serve`, and does in `idle` what the physical device wants.
    """

    kind: str
    layouts: tuple[Layout, ...]

    def __init__(
        self, connections: Connections, clock: Clock = TIMELESS, log: Callable[[str], None] | None = None
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._log = log or _silent
        links = [link for link in connections.links.values() if link.kind == self.kind and link.role == "back"]
        self.clients: Sequence[Client] = [
            Client(index, link, [BackRing(link, layout, clock) for layout in self.layouts])
            for index, link in enumerate(links)
        ]

    def run(self) -> None:
        """Serve for ever."""
        while True:
            before = self._state()
            if not self.round() and self._state() == before and not any(client.link.rung for client in self.clients):
                self._connections.wait(self.deadline())

    def deadline(self) -> int:
        """Until when there is nothing to do by itself."""
        return NEVER

    def round(self) -> bool:
        """Serve at most one request of each ring of each client; whether there was any, or the device had anything."""
        busy = False
        for client in self.clients:
            rung, client.link.rung = client.link.rung, False
            for ring in client.rings:
                had = self._serve_one(client, ring)
                if rung and not had:
                    ring.again()
                ring.kick(ring.layout.slots // 2 if had else 1)  # one bell for several answers, as long as more are due
                busy |= had
            self._notice(client)
        busy |= self.idle()
        if not busy:
            for ring in self._rings():
                ring.kick()
        return busy

    @abstractmethod
    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer | None:
        """Answer a request; None: later, through `ring.answer`, and so with all that follow on that ring until then."""

    def idle(self) -> bool:
        """What to do between requests; whether there may be more of it."""
        return False

    def arrived(self, client: Client) -> None:  # noqa: B027  not everybody wants to know
        """A client has opened a session: a new one, or one whose back end died."""

    def gone(self, client: Client) -> None:  # noqa: B027  as `arrived`
        """A client has died or its link was taken away."""

    def _rings(self) -> list[BackRing]:
        return [ring for client in self.clients for ring in client.rings]

    def _state(self) -> list[tuple[bool, int]]:
        """Who is there. A driver that waited for its device may have been told of changes then."""
        return [(client.link.connected, client.link.generation) for client in self.clients]

    def _serve_one(self, client: Client, ring: BackRing) -> bool:
        request = ring.take()
        if request is None:
            return False
        self._clock.work(REQUEST_CYCLES + copy_cycles(len(request.data)))
        answer = self.serve(client, ring, request)
        if answer is not None:
            self._answer(client, ring, answer)
        return True

    def _answer(self, client: Client, ring: BackRing, answer: Answer) -> None:
        self._clock.work(copy_cycles(len(answer.data)))
        client.refused += answer.status < 0
        client.served += ring.answer(*answer)

    def _notice(self, client: Client) -> None:
        """Say once what a client did wrong, and tell the subclass when it is gone."""
        for ring in client.rings:
            if ring.broken and ring.broken.what not in client.known:
                client.known.append(ring.broken.what)
                self._log(f"{client.link.peer} broke its ring: {ring.broken.what}")
        before, client.session = client.session, client.rings[0].session
        if before and client.session != before:
            self.gone(client)
        if client.session and client.session != before:
            self.arrived(client)


def _silent(_text: str) -> None:
    """Nobody reads the log."""
