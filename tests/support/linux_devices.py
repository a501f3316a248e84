"""A Linux-like personality with devices, in the test's own process: its driver domains are objects, honest or not.

bench = DeviceBench(programs(), ["/bin/sectors", "3"], {"block": lambda connections: BlockBack(connections, RamStore(64))})
assert bench.run() == 0

A back end serves a round whenever the personality sleeps. `Peer` is a partner of the message channel `other`.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cells.flavours import Connections
from cells.port import RefusedError
from cells.wren.initramfs import archive
from cells.wren.user.build import all_own
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.wiring import LINK_PAGES
from tests.support.links import FakeConnections, World
from tests.support.linux import LinuxBench

SOURCES = Path(__file__).parent / "linux_programs"
BASE, RAM, PAGE = 0x8000_0000, 4 << 20, 4096
Make = Callable[[Connections], Any]


@functools.cache
def programs() -> bytes:
    """The archive of all programs beside this file."""
    return archive(all_own(sorted(SOURCES.glob("*.c"))))


class Peer:
    """The other end of a message channel: what it has sent, and what was sent to it. It takes at most `room` messages."""

    meets = False
    ready = True
    limit = 1024

    def __init__(self, *letters: bytes, room: int = 16) -> None:
        self.name = self.peer = "other"
        self.there = True
        self.letters, self.heard, self.room = deque(letters), [b""][:0], room

    def send(self, data: bytes, until: int = NEVER) -> None:
        """See `MessageChannel`."""
        if not self.there:
            raise RefusedError("send", Status.PEER_GONE)
        if len(data) > self.limit:
            raise RefusedError("send", Status.TOO_LONG)
        if len(self.heard) >= self.room:
            raise RefusedError("send", Status.TIMEOUT)
        self.heard.append(data)

    def try_receive(self) -> bytes | None:
        """See `MessageChannel`."""
        return self.letters.popleft() if self.letters else None


class DeviceBench(LinuxBench):
    """`makes`: class of a link -> what makes its back end. `peer`: the partner of the channel `other`."""

    def __init__(
        self, root: bytes, program: Sequence[str], makes: Mapping[str, Make], peer: Peer | None = None, **more: Any
    ) -> None:
        links = [self._told(kind) for kind in makes]
        channels = [{"name": "talk", "peer": "other"}] if peer is not None else []
        super().__init__(root, program, ram=RAM, boot={"flavour": "okl4", "links": links, "channels": channels}, **more)
        self.worlds: dict[str, World] = {}
        self.connections = FakeConnections(self._wait)
        at = RAM
        for kind, make in makes.items():
            at -= LINK_PAGES[kind] * PAGE
            self._join(kind, make, at)
        if peer is not None:
            self.connections.channels["other"] = peer  # type: ignore[assignment]
        port: Any = self.kernel.port
        port._connections = self.connections
        memory = memoryview(self.ram)
        port._memory = SimpleNamespace(view=lambda start, size: memory[start - BASE : start - BASE + size])

    def _told(self, kind: str) -> dict[str, Any]:
        return {"name": kind, "peer": kind, "kind": kind, "role": "front", "size": LINK_PAGES[kind] * PAGE}

    def _join(self, kind: str, make: Make, at: int) -> None:
        world = self.worlds[kind] = World(kind)
        world.memories["front"] = memoryview(self.ram)[at : at + LINK_PAGES[kind] * PAGE]  # type: ignore[assignment]
        link = world.start_front().links["back"]
        link.address = BASE + at
        self.connections.links[kind] = link
        world.start_back(make)

    def _wait(self, until: int) -> None:
        """The personality sleeps: the others run, and if there is nothing for them, time passes."""
        busy = [world.back.round() for world in self.worlds.values() if world.back is not None]
        rung = any(link.rung for link in self.connections.links.values())
        if not any(busy) and not rung:
            self.kernel.port.wait(until)
