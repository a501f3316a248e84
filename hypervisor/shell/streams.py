"""Streams of cells to ports of this host: sockets, opened here and to 127.0.0.1 only, to ports that the topology names.

Theory: no cell has a socket. What comes is an input (kind `stream`), within the room that the cell has given, and is recorded; in
a replay there are no streams, and the record says what came. A gateway that has told the host something, and hears
nothing of anybody for a while, asks to wait: then virtual time stands still for `PATIENCE_S` at most. So an answer of the
host's takes a guest no more virtual time than it takes to be carried.

```python
streams = HostStreams({"netdom": (18080,)})
run.sources.append(streams)
```
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.streams import ROOM, News, StreamCall
from hypervisor.core.effects import UseStream
from hypervisor.shell.inputs import Input, InputKind

LOOPBACK = "127.0.0.1"
PATIENCE_S = 0.5
"""How long the host may think about an answer, once."""
STUCK_S = 1.0
"""How long the host may take nothing of what it is sent, before the stream is given up."""
UNSENT = 64 << 10
"""Bytes that wait here for the host, before the run waits for it."""
LEAVING_LIMIT = 16
"""Streams that nobody wants any more, of which the host has not taken all."""


@dataclass(eq=False)
class Stream:
    """One connection. `unsent`: what the host has not taken yet; `room`: bytes that the cell takes; `last`: no more follows."""

    cell: str
    number: int
    socket: socket.socket
    unsent: bytearray = field(default_factory=bytearray)
    room: int = ROOM
    opened: bool = False
    last: bool = False
    ended: bool = False
    broken: bool = False

    @property
    def hears(self) -> bool:
        """Whether it can take anything from the host."""
        return self.opened and not self.ended and self.room > 0

    @property
    def wants(self) -> int:
        """What it waits for, as `poll` says it."""
        return (select.POLLIN if self.hears else 0) | (select.POLLOUT if not self.opened or self.unsent else 0)


class HostStreams:
    """All streams of a run: one of its sources of inputs. `ports`: those that each cell may reach, in order."""

    def __init__(self, ports: Mapping[str, Sequence[int]]) -> None:
        self._ports = ports
        self._streams: dict[tuple[str, int], Stream] = {}
        self._leaving: list[Stream] = []
        self._refused: list[Input] = []

    # ---- what a cell does

    def use(self, cell: str, effect: UseStream) -> None:
        """Carry out an effect."""
        if effect.call == StreamCall.OPEN:
            self._open(cell, effect.stream, self._ports[cell][effect.number])
            return
        found = self._streams.get((cell, effect.stream))
        if found is None:
            return
        if effect.call == StreamCall.SEND:
            found.unsent += effect.data
            self._push(found)
        elif effect.call == StreamCall.END:
            found.last = True
            self._push(found)
        elif effect.call == StreamCall.GIVE:
            found.room = min(found.room + effect.number, ROOM)
        elif effect.call == StreamCall.CLOSE:
            self._leave(found)

    def _open(self, cell: str, number: int, port: int) -> None:
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        except OSError:  # no descriptor is left
            self._refused.append(_input(cell, number, News.BROKEN))
            return
        made.setblocking(False)
        found = self._streams[cell, number] = Stream(cell, number, made)
        found.broken = made.connect_ex((LOOPBACK, port)) not in (0, errno.EINPROGRESS)

    def _push(self, found: Stream) -> None:
        """Hand on what there is; if that is too much, the run waits until the host takes some."""
        if not found.opened or found.broken:
            return
        try:
            while found.unsent:
                with contextlib.suppress(BlockingIOError):
                    del found.unsent[: found.socket.send(found.unsent)]
                    continue
                if len(found.unsent) <= UNSENT:
                    return
                if not _ready({found: select.POLLOUT}, STUCK_S):
                    raise TimeoutError
            if found.last:
                found.socket.shutdown(socket.SHUT_WR)
                found.last = False
        except OSError:
            found.broken = True

    def _leave(self, found: Stream) -> None:
        """It is not wanted any more; what was sent is."""
        del self._streams[found.cell, found.number]
        found.last = True
        self._push(found)
        self._leaving.append(found)
        self._see_off()

    def _see_off(self) -> None:
        for each in self._leaving:
            self._push(each)
        left = [each for each in self._leaving if each.unsent and not each.broken]
        for each in self._leaving:
            if each not in left[-LEAVING_LIMIT:]:
                each.socket.close()
        self._leaving = left[-LEAVING_LIMIT:]

    def _forget(self, found: Stream) -> None:
        del self._streams[found.cell, found.number]
        found.socket.close()

    # ---- what the host does

    @property
    def handles(self) -> Sequence[int]:
        """See `Source`."""
        return [each.socket.fileno() for each in self._streams.values() if each.hears]

    def poll(self) -> list[Input]:
        """See `Source`."""
        return self._look(0.0)

    def wait(self) -> list[Input]:
        """What comes of any stream, within `PATIENCE_S`."""
        return self._look(PATIENCE_S)

    def _look(self, seconds: float) -> list[Input]:
        self._see_off()
        every = list(self._streams.values())
        news, self._refused = self._refused, []
        wanted = {each: each.wants for each in every if each.wants and not each.broken}
        ready = _ready(wanted, 0.0 if news or any(each.broken for each in every) else seconds)
        for each in every:
            happened = ready.get(each.socket.fileno(), 0)
            if happened and not (each.opened and not each.unsent):
                self._on_writable(each, news)
            if happened & ~select.POLLOUT and each.hears and not each.broken:
                self._on_readable(each, news)
            if each.broken:
                news.append(_said(each, News.BROKEN))
                self._forget(each)
        return news

    def _on_writable(self, found: Stream, news: list[Input]) -> None:
        if found.opened:
            self._push(found)
        elif found.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            found.broken = True
        else:
            found.opened = True
            news.append(_said(found, News.OPENED))
            self._push(found)

    def _on_readable(self, found: Stream, news: list[Input]) -> None:
        try:
            data = found.socket.recv(min(found.room, DATA_LIMIT))
        except BlockingIOError:
            return
        except OSError:
            found.broken = True
            return
        found.room -= len(data)
        found.ended = not data
        news.append(_said(found, News.CAME if data else News.ENDED, data))

    def close(self) -> None:
        """Let go of every socket. May be called twice."""
        for each in self._leaving:
            each.socket.close()
        self._leaving.clear()
        for found in list(self._streams.values()):
            self._forget(found)


def _ready(wanted: Mapping[Stream, int], seconds: float) -> dict[int, int]:
    """What has happened at which descriptor; waits so long for the first."""
    if not wanted:
        return {}
    poll = select.poll()
    for stream, events in wanted.items():
        poll.register(stream.socket, events)
    return dict(poll.poll(seconds * 1000))


def _said(found: Stream, news: News, data: bytes = b"") -> Input:
    return _input(found.cell, found.number, news, data)


def _input(cell: str, number: int, news: News, data: bytes = b"") -> Input:
    return Input(0, 0, InputKind.STREAM, cell, b"%d %d\0" % (number, news) + data)
