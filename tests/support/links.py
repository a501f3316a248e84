"""Two cells joined by one link, without a monitor: two ends over one `bytearray`, either of which can be ended and made again.

world = World("block")
world.start_back(lambda connections: BlockBack(connections, store))    # made again after each of its deaths
disk = BlockDevice(world.start_front(), "back")
world.kills = [100, 5]                                                 # it is killed after 100 lines, then after 5 more
disk.write(0, data)                                                    # a round of the back end for each wait
with Lines(57): ...                                                    # a kill -9 at the 57th line that runs in cells/split
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from cells.flavours import Connections
from hypervisor.abi.time import NEVER
from hypervisor.core.wiring import LINK_PAGES


class KilledError(BaseException):
    """kill -9 of the code that runs: nothing of it may catch this."""


class StuckError(AssertionError):
    """Everybody waits, and nobody will ever ring."""


@dataclass
class FakeLink:
    """One end."""

    name: str
    kind: str
    role: str
    peer: str
    memory: memoryview
    connected: bool = False
    generation: int = 0
    rung: bool = False
    other: FakeLink | None = None
    rings: int = 0
    address: int = 0

    def notify(self) -> None:
        self.rings += 1
        if self.other is not None and self.other.connected:
            self.other.rung = True


class FakeConnections(Connections):
    """One cell's connections; `idle` is what the rest of the world does while it waits."""

    def __init__(self, idle: Callable[[int], None]) -> None:
        super().__init__()
        self._idle = idle

    def wait(self, until: int = NEVER) -> None:
        self._idle(until)


@dataclass
class FakeClock:
    """A port's clock that a test turns; `spent` is what was worked."""

    now: int = 0
    spent: int = 0
    at_work: Callable[[], None] = field(default=lambda: None)

    faults: Any = None

    def work(self, cycles: int) -> None:
        self.now += cycles
        self.spent += cycles
        self.at_work()

    def sleep_until(self, time: int) -> None:
        self.now = max(self.now, time)


class World:
    """Front ends by name and one back end, all in this process. A front end's `wait` lets the back end serve a round."""

    def __init__(self, kind: str, fronts: tuple[str, ...] = ("front",)) -> None:
        self.kind = kind
        self.memories = {name: bytearray(LINK_PAGES[kind] * 4096) for name in fronts}
        self.fronts: dict[str, FakeLink] = {}
        self.backs: dict[str, FakeLink] = {}
        self.back: Any = None
        self.clock = FakeClock()
        self._make_back: Callable[[Connections], Any] | None = None
        self.kills: list[int] = []
        """Lines after which the back end is killed: one for each of its lives."""
        self.deaths = 0
        self.waits = 0

    # ---- the front ends

    def start_front(self, name: str = "front", *, zeroed: bool = False) -> Connections:
        """A new process of this front end; an older one is dead. `zeroed`: its memory is fresh."""
        self.kill_front(name)
        memory = self.memories[name]
        if zeroed:
            memory[:] = bytes(len(memory))
        link = FakeLink("link", self.kind, "front", "back", memoryview(memory))
        self.fronts[name] = link
        self._join(name)
        connections = FakeConnections(self._front_waits)
        connections.links["back"] = link
        return connections

    def kill_front(self, name: str = "front") -> None:
        """It is gone, and its back end is told."""
        self.fronts.pop(name, None)
        self._part(self.backs.get(name))

    # ---- the back end

    def start_back(self, make: Callable[[Connections], Any] | None = None) -> None:
        """A new process of the back end; an older one is dead."""
        self.kill_back()
        self._make_back = make or self._make_back
        assert self._make_back is not None
        connections = FakeConnections(self._nobody)
        for name, memory in self.memories.items():
            self.backs[name] = FakeLink("link", self.kind, "back", name, memoryview(memory))
            connections.links[name] = self.backs[name]
        for name in self.memories:
            self._join(name)
        self.back = self._make_back(connections)

    def kill_back(self) -> None:
        """It is gone, and its front ends are told."""
        self.back = None
        self.backs.clear()
        for link in self.fronts.values():
            self._part(link)

    def serve(self) -> None:
        """Let the back end serve until it has nothing to do."""
        for _ in range(1000):
            if not self.back.round():
                return
        raise StuckError("the back end never rests")

    # ---- what happens between them

    def _join(self, name: str) -> None:
        front, back = self.fronts.get(name), self.backs.get(name)
        if front is None or back is None:
            return
        for link, other in ((front, back), (back, front)):
            link.connected, link.other, link.rung = True, other, False
            link.generation += 1

    def _part(self, link: FakeLink | None) -> None:
        if link is not None:
            link.connected, link.other = False, None

    def _front_waits(self, until: int) -> None:
        """The others run while a front end sleeps."""
        self.waits += 1
        if self.back is None:
            self.start_back()
        busy = self.round()
        rung = any(link.rung for link in self.fronts.values())
        if not busy and not rung and self.back is not None and not self.round():
            if until == NEVER:
                raise StuckError("a front end waits for ever")
            self.clock.now = max(self.clock.now, until)

    def round(self) -> bool:
        """One round of the back end, in which it may be killed; whether there was anything to do."""
        if not self.kills:
            return bool(self.back.round())
        lines = Lines(self.kills[0])
        try:
            with lines:
                busy = bool(self.back.round())
        except KilledError:
            self.kills.pop(0)
            self.deaths += 1
            self.kill_back()
            return True
        self.kills[0] = lines.left
        return busy

    def _nobody(self, until: int) -> None:
        raise StuckError("the back end sleeps inside a test that drives it by rounds")


class Lines:
    """Raises `KilledError` at the n-th line of code that runs in `where`: a process that ends between two of its steps."""

    def __init__(self, left: int, where: str = "cells/split") -> None:
        self.left = left
        self._where = where
        self._before: Any = None

    def __enter__(self) -> Lines:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_what: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._line if self._where in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line" and not _leaves_a_handler(frame):
            self.left -= 1
            if self.left == 0:
                raise KilledError
        return self._line


def _leaves_a_handler(frame: FrameType) -> bool:
    """Whether a line begins by forgetting the exception that was handled: CPython has it for good if another is raised there."""
    return frame.f_code.co_code[frame.f_lasti] == dis.opmap["POP_EXCEPT"]
