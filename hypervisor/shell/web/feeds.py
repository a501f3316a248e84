"""What pages are fed with: pictures, states, consoles of one run, fetched once however many look, only while somebody does.

feeds = Feeds(run)                              # an Observer
picture = await feeds.newer("lcd0", seen)       # (serial, PNG), or None after a while
async for event in feeds.listen(): ...          # ("status", {...}), ("console", {...}), ("end", {...})
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypervisor.shell.client import OperatorError
from hypervisor.shell.observer import Observer

STATUS_S = 0.5
"""How often a run is asked for the states of its cells."""
STILL_S = 8.0
"""How long a page waits for a new picture before it asks again."""
KEPT = 16 << 10
"""Characters of each console that a page which comes later is shown."""
UNREAD = 512
"""Events that wait for a page; one that reads slower is left behind, and may come again."""

Event = tuple[str, dict[str, Any]]


@dataclass
class _Display:
    """The newest picture, and who fetches the next one."""

    serial: int = 0
    png: bytes = b""
    fetching: asyncio.Task[None] | None = None


@dataclass
class _Console:
    """What a cell said: `offset` is behind the last byte that was taken."""

    offset: int
    text: str = ""
    decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def take(self, offset: int, data: bytes) -> str:
        """Bytes of the stream; what is new of them, as text."""
        fresh = data[max(self.offset - offset, 0) :]
        self.offset = max(self.offset, offset + len(data))
        text: str = self.decoder.decode(fresh)
        self.text = (self.text + text)[-KEPT:]
        return text


class Feeds:
    """Of one run."""

    def __init__(self, run: Observer) -> None:
        self._run = run
        self._displays: dict[str, _Display] = {}
        self._consoles: dict[str, _Console] = {}
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._work: list[asyncio.Task[None]] = []
        self._changing = asyncio.Lock()
        self._status: dict[str, Any] = {}

    # ---- pictures

    async def newer(self, display: str, seen: int) -> tuple[int, bytes] | None:
        """A picture that is not the one of serial `seen`, as soon as there is one; None if none comes for a while.

        Raises:
            OperatorError: no such display, or the run has ended.
        """
        shown = self._displays.setdefault(display, _Display())
        try:
            async with asyncio.timeout(STILL_S):
                while shown.serial == seen:
                    await self._fetch(display, shown)
        except TimeoutError:
            return None
        except OperatorError:
            self._displays.pop(display, None)  # whatever name somebody made up
            raise
        return shown.serial, shown.png

    async def _fetch(self, display: str, shown: _Display) -> None:
        if shown.fetching is None or shown.fetching.done():
            shown.fetching = asyncio.create_task(self._fetch_one(display, shown))
            # Whoever waited for it may have gone meanwhile: then nobody wants to know what went wrong either.
            shown.fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(shown.fetching)

    async def _fetch_one(self, display: str, shown: _Display) -> None:
        sight = await self._run.watch(display, shown.serial)
        if sight.scan is not None:
            shown.serial, shown.png = sight.serial, sight.scan.picture().png(1)

    # ---- states and consoles

    async def listen(self) -> AsyncIterator[Event]:
        """All that happens, beginning with how things are now; ends when the run does, or when it is not taken fast enough."""
        queue: asyncio.Queue[Event] = asyncio.Queue(UNREAD)
        try:
            async with self._changing:
                if not self._work:
                    await self._begin()
                self._listeners.add(queue)
            yield "status", self._status
            for cell, console in self._consoles.items():
                yield "console", {"cell": cell, "text": console.text, "whole": True}
            while queue in self._listeners or not queue.empty():
                event = await queue.get()
                yield event
                if event[0] == "end":
                    return
        finally:
            self._listeners.discard(queue)
            async with self._changing:
                if not self._listeners:
                    await self._rest()

    @property
    def listened_to(self) -> bool:
        """Whether any page is open."""
        return bool(self._listeners)

    async def _begin(self) -> None:
        """Follow the run: consoles first, so that nothing is missed between what was said and what is being said."""
        await self._run.follow("console/")
        self._status = await self._run.ask("status")
        for cell in self._status["cells"]:
            answer = await self._run.ask("console", cell=cell["name"])
            backlog = answer["backlog"]
            console = self._consoles[cell["name"]] = _Console(answer["offset"] - len(backlog))
            console.take(console.offset, backlog)
        self._work = [asyncio.create_task(self._follow_consoles()), asyncio.create_task(self._follow_states())]

    async def _follow_consoles(self) -> None:
        async for topic, offset, data in self._run.news():
            cell = topic.removeprefix("console/")
            console = self._consoles.get(cell)
            if console is not None and (text := console.take(offset, data)):
                self._tell("console", {"cell": cell, "text": text, "whole": False})

    async def _follow_states(self) -> None:
        while not self._run.ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_S):
                    await self._run.ended.wait()
            with suppress(OperatorError):
                self._status = await self._run.ask("status")
                self._tell("status", self._status)
        self.end()

    def end(self) -> None:
        """Tell everybody that this is all."""
        self._tell("end", {})

    def _tell(self, kind: str, what: dict[str, Any]) -> None:
        for queue in list(self._listeners):
            try:
                queue.put_nowait((kind, what))
            except asyncio.QueueFull:
                self._listeners.discard(queue)

    async def _rest(self) -> None:
        """Nobody looks any more."""
        work, self._work = self._work, []
        self._consoles.clear()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
